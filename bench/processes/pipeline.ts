// The whole of Tidemark as users run it: slot, decoder, window, view, checkpoint, exactly once.
import { createInterface } from "node:readline";
import {
  count,
  formatLsn,
  parseLsn,
  pipeline,
  postgres,
  slot,
  start,
  sum,
  tumbling,
} from "../../src/index.js";
import { type EventRow, touch } from "./event-row.js";
import { Meter } from "./meter.js";
import { answer, answerAndExit, type PipelineOrder, readOrder } from "./order.js";

/** How often the end is looked for, in milliseconds. */
const POLL_MS = 2;

const order = readOrder<PipelineOrder>();
const meter = new Meter();

const definition = pipeline<Record<string, EventRow>>(
  order.pipeline,
  {
    source: slot({ url: order.url, slot: order.slotName, publication: order.publication }),
    results: postgres({ url: order.resultsUrl ?? order.url }),
    record: order.record,
  },
  (from) => {
    const events = from(order.table, {
      eventTime: "created_at",
      outOfOrder: "5s",
      appendOnly: true,
    });
    const rows = order.touchAll ? events.filter(touchAll) : events;
    rows
      .groupBy("event_type")
      .window(tumbling("1 minute", "minute"))
      .aggregate({ event_count: count(), total_amount: sum("amount") })
      .into(postgres.view(order.view));
  },
);

const running = start(definition, {
  adoptSlot: true,
  env: () => undefined,
  onRetry: (error) => fail(error),
  onRunning: () => {
    meter.begin();
    answer({ running: true, rssMiB: process.memoryUsage.rss() / 2 ** 20 });
  },
});
running.done.catch((error: unknown) => fail(error));

if (order.endLsn === null) {
  createInterface({ input: process.stdin }).once("line", () => void finish());
} else {
  const end = parseLsn(order.endLsn);
  const poll = setInterval(() => {
    if ((running.status?.applied ?? 0n) < end) return;
    clearInterval(poll);
    void finish();
  }, POLL_MS);
}

function touchAll(row: Readonly<EventRow>): boolean {
  touch(row);
  return true;
}

async function finish(): Promise<void> {
  meter.end();
  const status = running.status;
  if (status === null) throw new Error("the pipeline never ran");
  const { changes: rows, bytesReceived: bytes, applied } = status;
  const report = meter.report({ rows, bytes, endLsn: formatLsn(applied) });
  await running.stop();
  await running.done;
  answerAndExit(report);
}

/** A benchmark must not measure restarts: the first failure ends it. */
function fail(error: unknown): void {
  console.error(error);
  process.exit(1);
}
