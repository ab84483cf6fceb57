// The pipeline's window over a recording: no server, results in memory.
import { pgoutput } from "../../decoders/pgoutput/pgoutput-factory.js";
import { MemoryResults, MemorySink } from "../../sinks/memory/memory-sink.js";
import { count, formatLsn, pipeline, postgres, slot, sum, tumbling } from "../../src/index.js";
import { replay } from "../../src/pipeline/replay.js";
import { RecordingSource } from "../../src/source/recording/recording-source.js";
import type { EventRow } from "./event-row.js";
import { Meter } from "./meter.js";
import { answerAndExit, type ReplayerOrder, readOrder } from "./order.js";

const order = readOrder<ReplayerOrder>();
const { plan } = pipeline<Record<string, EventRow>>("replayer", { source: slot() }, (from) => {
  from(order.table, { eventTime: "created_at", outOfOrder: "5s", appendOnly: true })
    .groupBy("event_type")
    .window(tumbling("1 minute", "minute"))
    .aggregate({ event_count: count(), total_amount: sum("amount") })
    .into(postgres.view("replayed"));
});
const source = new RecordingSource(order.dir, pgoutput);
const { systemId, timeline, startLsn, endLsn } = await source.range();
const results = new MemoryResults();
const meter = new Meter();
meter.begin();
const outcome = await replay({
  plan,
  source,
  sink: new MemorySink(results),
  range: { from: { systemId, timeline, lsn: startLsn }, fromMs: null, to: endLsn, toMs: null },
  hasRecordedIdles: true,
  maxStateBytes: 2 ** 30,
  writeEveryBytes: 2 ** 25,
});
meter.end();
const counted = results
  .rows("public.replayed")
  .reduce((total, [, , events]) => total + Number(events), 0);
// Rows that were decoded but are in no window would be a wrong result, not a fast one.
const rows = counted === outcome.changes ? counted : 0;
answerAndExit(meter.report({ rows, bytes: 0, endLsn: formatLsn(outcome.toLsn) }));
