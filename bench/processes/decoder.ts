// Tidemark's transport and decoder with nothing behind them; every column of every row is read.
import { PgoutputDecoder } from "../../decoders/pgoutput/decoder.js";
import { formatLsn, parseLsn } from "../../src/core/lsn.js";
import { type EventRow, touch } from "./event-row.js";
import { Meter } from "./meter.js";
import { openTransport } from "./open-transport.js";
import { answerAndExit, type ReaderOrder, readOrder } from "./order.js";

const order = readOrder<ReaderOrder>();
const after = parseLsn(order.afterLsn);
const meter = new Meter();
const decoder = new PgoutputDecoder();
let rows = 0;
let hasBegun = false;
let isDone = false;

const transport = await openTransport(order, {
  handler: {
    onMessage(bytes, start, end) {
      if (!hasBegun) {
        hasBegun = true;
        meter.begin();
      }
      decoder.decode(bytes, start, end);
    },
    onKeepalive() {},
  },
  onReadEnd: readBatch,
});
transport.resume();

function readBatch(): void {
  if (isDone || decoder.pending === 0) return;
  const batch = decoder.take();
  for (let i = 0; i < batch.length; i++) {
    touch(batch.row(i, batch.after[i] as number) as unknown as EventRow);
  }
  rows += batch.length;
  const endLsn = batch.transactions.at(-1)?.commitEndLsn ?? null;
  if (endLsn === null || endLsn <= after) return;
  isDone = true;
  meter.end();
  // Later, because a short stream may end before `transport` is known.
  setImmediate(() => {
    const { bytesReceived: bytes } = transport;
    answerAndExit(meter.report({ rows, bytes, endLsn: formatLsn(endLsn) }));
  });
}
