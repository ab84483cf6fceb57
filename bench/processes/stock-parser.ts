// pg-logical-replication as its manual shows it, with its own pgoutput parser, which decodes every
// column of every row. Counts rows, touches nothing, acknowledges nothing.
import { LogicalReplicationService, PgoutputPlugin } from "pg-logical-replication";
import { parseLsn } from "../../src/core/lsn.js";
import { Meter } from "./meter.js";
import { answerAndExit, type ReaderOrder, readOrder } from "./order.js";

const order = readOrder<ReaderOrder>();
const after = parseLsn(order.afterLsn);
const meter = new Meter();
let rows = 0;
let isDone = false;

const service = new LogicalReplicationService(
  { connectionString: order.url, options: "-c wal_sender_timeout=0" },
  { acknowledge: { auto: false, timeoutSeconds: 0 } },
);
service.on("error", fail);
service.on("data", (_lsn: string, message: { tag: string; commitEndLsn?: string | null }) => {
  if (message.tag === "insert") {
    if (rows === 0) meter.begin();
    rows += 1;
  } else if (message.tag === "commit" && !isDone) {
    const endLsn = message.commitEndLsn ?? "0/0";
    if (parseLsn(endLsn) > after) finish(endLsn);
  }
});
const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [order.publication] });
service.subscribe(plugin, order.slotName).catch(fail);

function finish(endLsn: string): void {
  isDone = true;
  meter.end();
  answerAndExit(meter.report({ rows, bytes: 0, endLsn }));
}

function fail(error: unknown): void {
  console.error(error);
  process.exit(1);
}
