import { describe, expect, test } from "vitest";
import { TidemarkError } from "../../src/core/errors.js";
import { PipelineHarness, salesPlan, settled } from "../fixtures/pipeline-harness.js";
import type { ScriptedStream } from "../fixtures/scripted-source.js";
import { batchesOf, messagesOf, type Sale, sale, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);
const failed = () => new TidemarkError("SINK_FAILED", "The connection broke.");

/** Three transactions, and what the view holds after them. */
const STREAM: readonly (readonly [end: bigint, ...sales: Sale[]])[] = [
  [200n, ["a", T0, "0.10"], ["b", T0, "5"]],
  [300n, ["a", T0 + 1000, "0.20"]],
  [400n, ["a", T0 + 2000, "0.30"], ["b", T0 + 61_000, "7.5"]],
];
const TOTALS = ["a 3 0.60", "b 1 5", "b 1 7.5"];

/** What a server sends after `from`: whole transactions whose end lies behind it. */
function serve(stream: ScriptedStream, until = 400n): void {
  for (const [end, ...sales] of STREAM) {
    if (end <= stream.position.lsn || end > until) continue;
    sendTransaction(stream, end, ...sales);
  }
}

function sendTransaction(stream: ScriptedStream, end: bigint, ...sales: Sale[]): void {
  const changes = [salesRelation, ...sales.map(sale)];
  const parts = { commitLsn: end - 10n, endLsn: end, commitMs: T0 + Number(end), changes };
  for (const batch of batchesOf(messagesOf(parts))) stream.batch(batch);
}

function totals(harness: PipelineHarness): string[] {
  return harness.results.rows("public.stats").map(([shop, , n, total]) => `${shop} ${n} ${total}`);
}

/** Each ack as it was reported, over all streams. */
function acks(harness: PipelineHarness): bigint[] {
  return harness.source.streams.flatMap((stream) => stream.reports.map(([flush]) => flush));
}

/** The next stream reads; the pause before it is let pass. */
async function retried(harness: PipelineHarness): Promise<ScriptedStream> {
  await settled();
  const next = harness.source.nextStream();
  harness.clock.advance(30_000);
  return next;
}

/** Everything that was sent becomes durable. */
async function saved(harness: PipelineHarness): Promise<void> {
  harness.held.clear();
  await settled();
  harness.clock.advance(1000);
  await settled();
}

describe.each(["refuse", "lose"] as const)("a %s of", (how) => {
  test.each(["write", "save"])("a %s is tried again from the checkpoint", async (call) => {
    for (const [index] of STREAM.entries()) {
      const harness = new PipelineHarness();
      const { stream, runtime } = await harness.start();
      serve(stream, STREAM[index - 1]?.[0] ?? 0n);
      await settled();
      harness.clock.advance(1000);
      await settled();
      harness.held.add(call);
      serve(stream);
      harness.clock.advance(1000);
      await settled();
      harness.step(call)[how](failed());
      harness.held.clear();
      const next = await retried(harness);
      expect(next.position.lsn).toBe(harness.checkpoint.header?.position?.lsn);
      serve(next);
      await saved(harness);
      expect(totals(harness), `failure ${index}`).toEqual(TOTALS);
      expect(next.reports.at(-1)).toEqual([400n, 400n]);
      const reported = acks(harness);
      expect(reported).toEqual([...reported].sort((a, b) => Number(a - b)));
      await runtime.stop();
    }
  });
});

describe("a new run", () => {
  test("counts nothing twice, wherever the one before it was killed", async () => {
    for (const until of [200n, 300n, 400n]) {
      const harness = new PipelineHarness();
      const first = await harness.start();
      serve(first.stream, until);
      await settled();
      harness.clock.advance(5);
      await settled();
      // Killed: nobody closes anything, results are ahead of the checkpoint.
      expect(harness.results.progress?.position.lsn).toBe(until);
      expect(harness.checkpoint.header?.position?.lsn).toBe(100n);
      const second = await harness.start();
      expect(second.stream.position.lsn).toBe(100n);
      expect(second.stream.reports).toEqual([[100n, until]]);
      serve(second.stream);
      await saved(harness);
      expect(totals(harness)).toEqual(TOTALS);
    }
  });

  test("fills a view again whose table was dropped meanwhile", async () => {
    for (const isSaved of [true, false]) {
      const harness = new PipelineHarness();
      const first = await harness.start();
      serve(first.stream);
      if (isSaved) await saved(harness);
      else await settled();
      harness.results.views = new Map();
      const second = await harness.start();
      if (!isSaved) serve(second.stream);
      await settled();
      harness.clock.advance(5);
      await settled();
      expect(totals(harness)).toEqual(TOTALS);
    }
  });

  test("fences the one before it, which then ends for good", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    await harness.start();
    serve(first.stream);
    expect(await first.done).toMatchObject({ code: "FENCED" });
    expect(harness.retries).toEqual([]);
    expect(totals(harness)).toEqual([]);
  });

  test("claims the checkpoint before the results, and reads only then", async () => {
    const harness = new PipelineHarness();
    harness.held.add("claim");
    const starting = harness.start();
    await settled();
    expect([harness.waiting, harness.results.progress]).toEqual([["claim"], null]);
    expect(harness.source.streams[0]?.isPaused).toBe(true);
    harness.step("claim").pass();
    expect((await starting).stream.isPaused).toBe(false);
  });

  test("that waited for the slot goes on where the other one ended", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    serve(first.stream, 200n);
    await saved(harness);
    harness.source.beforeOpen = async () => {
      serve(first.stream, 300n);
      await saved(harness);
      await first.runtime.stop();
    };
    const second = await harness.start();
    expect(second.stream.position.lsn).toBe(300n);
    serve(second.stream);
    await saved(harness);
    expect(totals(harness)).toEqual(TOTALS);
  });

  test("replays up to a write that took effect after the run looked first", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    harness.held.add("write");
    serve(first.stream, 300n);
    await settled();
    harness.source.beforeOpen = async () => {
      harness.step("write").pass();
      harness.held.clear();
      await settled();
    };
    const second = await harness.start();
    expect(second.stream.reports[0]?.[1]).toBeGreaterThanOrEqual(200n);
    serve(second.stream, 200n);
    await settled();
    expect(second.runtime.status?.isReplaying).toBe(
      (second.runtime.status?.cursor ?? 0n) < (harness.results.progress?.position.lsn ?? 0n),
    );
    serve(second.stream);
    await saved(harness);
    expect(totals(harness)).toEqual(TOTALS);
  });

  test("with results but no checkpoint is refused", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime } = await harness.start();
    serve(stream);
    await saved(harness);
    await runtime.stop();
    harness.checkpoint.header = null;
    await expect(harness.start()).rejects.toMatchObject({ code: "SLOT_WITHOUT_CHECKPOINT" });
  });

  test("with a checkpoint ahead of the results is refused", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime } = await harness.start();
    serve(stream);
    await saved(harness);
    await runtime.stop();
    harness.results.progress = { position: stream.position, epoch: 1, idleMs: null };
    await expect(harness.start()).rejects.toMatchObject({ code: "DIVERGED" });
  });
});

describe("a failure", () => {
  test("of the first start is thrown at once, even one that may pass", async () => {
    const harness = new PipelineHarness();
    harness.source.failures.push(new TidemarkError("SOURCE_UNREACHABLE", "No answer."));
    await expect(harness.start()).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE" });
    expect(harness.retries).toEqual([]);
  });

  test("after it has read is tried again with growing pauses", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    const gone = () => new TidemarkError("SOURCE_UNREACHABLE", "No answer.");
    harness.source.failures.push(gone(), gone());
    stream.fail(gone());
    await settled();
    for (let attempt = 0; attempt < 2; attempt++) {
      harness.clock.advance(30_000);
      await settled();
    }
    const next = await retried(harness);
    serve(next);
    await saved(harness);
    expect(harness.retries).toHaveLength(3);
    expect(totals(harness)).toEqual(TOTALS);
  });

  test("that does not pass ends the run: an update of an append-only table", async () => {
    const harness = new PipelineHarness();
    const { stream, done } = await harness.start();
    serve(stream, 300n);
    await settled();
    stream.fail(new TidemarkError("APPEND_ONLY", "An UPDATE arrived."));
    expect(await done).toMatchObject({ code: "APPEND_ONLY" });
    expect(harness.clock.pending).toEqual([]);
  });

  test("of the stream lets the write in flight end and begins no other", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("write");
    serve(stream);
    await settled();
    stream.fail(failed());
    await settled();
    harness.step("write").pass();
    await settled();
    expect(harness.results.progress?.position.lsn).toBe(200n);
    expect(harness.waiting).toEqual([]);
    harness.held.clear();
    expect(harness.clock.pending).toEqual([250]);
    const next = await retried(harness);
    serve(next);
    await saved(harness);
    expect(totals(harness)).toEqual(TOTALS);
  });
});

describe("an idle advance", () => {
  const plan = salesPlan({ retain: "1m" });
  const hour = 3_600_000;

  test("whose checkpoint was lost is repeated by the next run", async () => {
    const harness = new PipelineHarness(plan);
    const { stream } = await harness.start();
    serve(stream, 200n);
    await saved(harness);
    harness.held.add("save");
    stream.idle(250n, T0 + hour);
    harness.clock.advance(10_000);
    await settled();
    expect(harness.results.progress).toMatchObject({ idleMs: T0 + hour });
    expect(totals(harness)).toEqual([]);
    harness.step("save").refuse(failed());
    harness.held.clear();
    const next = await retried(harness);
    expect(next.position.lsn).toBe(200n);
    serve(next);
    await saved(harness);
    expect(totals(harness)).toEqual([]);
  });

  test("is not forgotten when a second run fails before its first checkpoint", async () => {
    const harness = new PipelineHarness(plan);
    const first = await harness.start();
    serve(first.stream, 200n);
    await saved(harness);
    harness.held.add("save");
    first.stream.idle(250n, T0 + hour);
    harness.clock.advance(10_000);
    await settled();
    harness.step("save").refuse(failed());
    harness.held.clear();
    const second = await retried(harness);
    sendTransaction(second, 300n, ["a", T0 + 1000], ["new", T0 + hour]);
    await settled();
    expect(harness.results.progress).toMatchObject({ position: { lsn: 300n }, idleMs: null });
    const third = await harness.start();
    expect(third.stream.position.lsn).toBe(250n);
    sendTransaction(third.stream, 300n, ["a", T0 + 1000], ["new", T0 + hour]);
    sendTransaction(third.stream, 400n, ["a", T0 + 2000], ["new", T0 + hour]);
    await saved(harness);
    expect(totals(harness)).toEqual(["new 2 2.00"]);
  });
});
