import { describe, expect, test } from "vitest";
import { TidemarkError } from "../../src/core/errors.js";
import { PipelineHarness, salesPlan, settled } from "../fixtures/pipeline-harness.js";
import type { ScriptedStream } from "../fixtures/scripted-source.js";
import { batchesOf, messagesOf, type Sale, sale, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);
const lost = () => new TidemarkError("SINK_FAILED", "The connection broke.");

/** Messages of one transaction of sales that ends at `end`. */
function transaction(end: bigint, ...sales: Sale[]): Buffer[] {
  const changes = [salesRelation, ...sales.map(sale)];
  return messagesOf({ commitLsn: end - 10n, endLsn: end, commitMs: T0 + Number(end), changes });
}

function send(stream: ScriptedStream, messages: readonly Buffer[], bytes = 100): void {
  for (const batch of batchesOf(messages)) stream.batch(batch, bytes);
}

describe("a flush", () => {
  test("FM18: goes to the results, then to the checkpoint, then to the ack", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    expect(harness.events.splice(0)).toEqual(["ack 100"]);
    harness.held.add("write").add("save");
    harness.clock.advance(1000);
    send(stream, transaction(200n, ["a", T0]));
    await settled();
    expect([harness.waiting, harness.events]).toEqual([["write"], []]);
    harness.step("write").pass();
    await settled();
    expect([harness.waiting, harness.events]).toEqual([["save"], ["write 200"]]);
    harness.step("save").pass();
    await settled();
    expect(harness.events).toEqual(["write 200", "save 200", "ack 200"]);
    expect(stream.reports.at(-1)).toEqual([200n, 200n]);
    await runtime.stop();
    expect(await done).toBe("stopped");
  });

  test("without a checkpoint acknowledges the old one and shows the new results", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    send(stream, transaction(200n, ["a", T0]));
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 200"]);
    expect(stream.reports.at(-1)).toEqual([100n, 200n]);
    harness.clock.advance(999);
    await settled();
    expect(stream.reports.at(-1)).toEqual([100n, 200n]);
    harness.clock.advance(1);
    await settled();
    expect(harness.events.slice(2)).toEqual(["write 200", "save 200", "ack 200"]);
  });

  test("holds what came while a write was under way, for the next one", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("write");
    send(stream, transaction(200n, ["a", T0]));
    send(stream, transaction(300n, ["a", T0 + 1]));
    await settled();
    expect(harness.waiting).toEqual(["write"]);
    harness.step("write").pass();
    await settled();
    expect(harness.results.progress?.position.lsn).toBe(200n);
    expect(harness.results.print("public.stats")).toMatch(/^a \|.*\| 1 \| 1.00/);
    harness.clock.advance(5);
    harness.step("write").pass();
    await settled();
    expect(harness.results.print("public.stats")).toMatch(/^a \|.*\| 2 \| 2.00/);
    expect(harness.events).toEqual(["ack 100", "write 200", "write 300"]);
  });

  test("is not made while nothing happened", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.clock.advance(60_000);
    stream.idle(100n, T0);
    harness.clock.advance(60_000);
    await settled();
    expect(harness.events).toEqual(["ack 100"]);
    expect(harness.clock.pending).toEqual([]);
  });

  test("of a transaction without rows writes nothing before its checkpoint is due", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    send(stream, transaction(200n));
    await settled();
    expect(harness.events).toEqual(["ack 100"]);
    harness.clock.advance(10_000);
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 200", "save 200", "ack 200"]);
  });
});

describe("a checkpoint that is not yet durable where it lives", () => {
  test("is acknowledged when it is, and holds nothing else up", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("settle");
    harness.clock.advance(1000);
    send(stream, transaction(200n, ["a", T0]));
    await settled();
    send(stream, transaction(300n, ["a", T0]));
    harness.clock.advance(1000);
    await settled();
    expect(harness.checkpoint.header?.position?.lsn).toBe(300n);
    expect(stream.reports.at(-1)).toEqual([100n, 300n]);
    harness.step("settle").pass();
    await settled();
    expect(stream.reports.at(-1)).toEqual([200n, 300n]);
    harness.step("settle").pass();
    await settled();
    expect(stream.reports.at(-1)).toEqual([300n, 300n]);
  });

  test("is not acknowledged by a run that only loads it", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    harness.clock.advance(1000);
    harness.held.add("settle");
    send(first.stream, transaction(200n, ["a", T0]));
    await settled();
    const second = await harness.start();
    await settled();
    expect(second.stream.reports).toEqual([]);
    expect(harness.waiting).toEqual(["settle", "settle"]);
  });

  test("and never will be ends the session", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("settle");
    harness.clock.advance(1000);
    send(stream, transaction(200n, ["a", T0]));
    await settled();
    harness.step("settle").refuse(new TidemarkError("CHECKPOINT_FAILED", "It is gone."));
    await settled();
    expect(harness.retries).toEqual(["CHECKPOINT_FAILED 250"]);
    expect(stream.reports.at(-1)).toEqual([100n, 200n]);
  });

  test("keeps a stop waiting for a second", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    harness.held.add("settle");
    harness.clock.advance(1000);
    send(stream, transaction(200n, ["a", T0]));
    await settled();
    const stopping = runtime.stop();
    await settled();
    expect(stream.isClosed).toBe(false);
    harness.clock.advance(1000);
    await stopping;
    expect(await done).toBe("stopped");
    expect(stream.reports.at(-1)).toEqual([100n, 200n]);
  });
});

describe("a damaged checkpoint", () => {
  test("is replaced by the one before while the slot stands there, and loses nothing", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    for (const end of [200n, 300n]) {
      harness.clock.advance(1000);
      send(first.stream, transaction(end, ["a", T0]));
      await settled();
    }
    const [newest] = harness.checkpoint.generations;
    if (newest !== undefined) newest.isDamaged = true;
    harness.source.beginAt = 200n;
    const { stream } = await harness.start();
    expect(harness.passedOver).toEqual(["CHECKPOINT_CORRUPT"]);
    send(stream, transaction(300n, ["a", T0]));
    send(stream, transaction(400n, ["a", T0]));
    harness.clock.advance(100);
    await settled();
    expect(harness.results.print("public.stats")).toMatch(/^a \|.*\| 3 \| 3.00/);
  });

  test("stops the run when the stream begins after the one before", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    harness.clock.advance(1000);
    send(first.stream, transaction(200n, ["a", T0]));
    await settled();
    const [newest] = harness.checkpoint.generations;
    if (newest !== undefined) newest.isDamaged = true;
    await expect(harness.start()).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
  });
});

describe("a keepalive", () => {
  const whole = transaction(200n, ["a", T0], ["b", T0]);
  const [open, rest] = batchesOf(whole, (i) => i === 2);

  test("moves the ack when the position was idle for the interval", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    stream.idle(500n, T0);
    await settled();
    expect(harness.events).toEqual(["ack 100"]);
    harness.clock.advance(10_000);
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 500", "save 500", "ack 500"]);
  });

  test("that the server waits for is saved at once", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.clock.advance(100);
    stream.idle(500n, T0, true);
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 500", "save 500", "ack 500"]);
  });

  test("does not advance the ack while a transaction is open", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    if (open !== undefined) stream.batch(open);
    harness.clock.advance(20_000);
    stream.idle(900n, T0, true);
    harness.clock.advance(20_000);
    await settled();
    expect(harness.events).toEqual(["ack 100"]);
    if (rest !== undefined) stream.batch(rest);
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 200", "save 200", "ack 200"]);
  });

  test("does not advance the ack while a write is in flight", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("write");
    send(stream, whole);
    stream.idle(900n, T0, true);
    harness.clock.advance(20_000);
    stream.idle(900n, T0, true);
    await settled();
    expect([harness.waiting, harness.events]).toEqual([["write"], ["ack 100"]]);
    harness.step("write").pass();
    await settled();
    harness.step("write").pass();
    await settled();
    expect(harness.events.slice(1)).toEqual([
      ...["write 200"],
      ...["write 900", "save 900", "ack 900"],
    ]);
  });

  test("at a position that was passed moves nothing back", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.clock.advance(1000);
    send(stream, whole);
    await settled();
    stream.idle(150n, T0, true);
    harness.clock.advance(60_000);
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 200", "save 200", "ack 200"]);
  });
});

describe("back-pressure", () => {
  test("stops reading past maxInFlightBytes and goes on after the write", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("write");
    send(stream, transaction(200n, ["a", T0]), 20_000);
    await settled();
    expect(stream.isPaused).toBe(false);
    send(stream, transaction(300n, ["a", T0]), 10_000);
    expect(stream.isPaused).toBe(false);
    send(stream, transaction(400n, ["a", T0]), 1);
    send(stream, transaction(500n, ["a", T0]), 1);
    expect(stream.pauses).toEqual([false, true]);
    harness.step("write").pass();
    await settled();
    expect(stream.pauses).toEqual([false, true, false]);
  });

  test("more state than maxStateBytes ends the run with STATE_LIMIT", async () => {
    const harness = new PipelineHarness(salesPlan(), { maxStateBytes: 1_048_576 });
    const { stream, done } = await harness.start();
    const sales = Array.from({ length: 9000 }, (_, i): Sale => [`shop ${i}`, T0]);
    harness.clock.advance(1000);
    send(stream, transaction(200n, ["a", T0]));
    await settled();
    send(stream, transaction(300n, ...sales));
    expect(await done).toMatchObject({ code: "STATE_LIMIT" });
    expect(stream.isClosed).toBe(true);
    expect(harness.events.slice(0, 4)).toEqual(["ack 100", "write 200", "save 200", "ack 200"]);
    expect(harness.checkpoint.header?.position?.lsn).toBe(200n);
  });
});

describe("a stop", () => {
  const whole = transaction(200n, ["a", T0], ["b", T0]);
  const [open, rest] = batchesOf(whole, (i) => i === 2);

  test("in mid-transaction waits for its commit, saves and acknowledges it", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    harness.clock.advance(100);
    if (open !== undefined) stream.batch(open);
    const stopping = runtime.stop();
    await settled();
    expect([stream.isClosed, harness.events]).toEqual([false, ["ack 100"]]);
    if (rest !== undefined) stream.batch(rest);
    await stopping;
    expect(await done).toBe("stopped");
    expect(harness.events).toEqual(["ack 100", "write 200", "save 200", "ack 200"]);
    expect(harness.clock.pending).toEqual([]);
  });

  test("in mid-transaction gives up at the deadline and acknowledges nothing of it", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    if (open !== undefined) stream.batch(open);
    const stopping = runtime.stop();
    harness.clock.advance(14_999);
    await settled();
    expect(stream.isClosed).toBe(false);
    harness.clock.advance(1);
    await stopping;
    expect(await done).toBe("stopped");
    expect(harness.events).toEqual(["ack 100"]);
  });

  test("waits for the write that is under way and for its checkpoint", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    harness.held.add("write");
    send(stream, whole);
    const stopping = runtime.stop();
    await settled();
    expect(stream.isClosed).toBe(false);
    harness.step("write").pass();
    await settled();
    harness.step("write").pass();
    await stopping;
    expect(await done).toBe("stopped");
    expect(harness.events.slice(1)).toEqual([
      ...["write 200"],
      ...["write 200", "save 200", "ack 200"],
    ]);
  });

  test("whose write fails ends, and leaves no timer behind", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    harness.held.add("write");
    send(stream, whole);
    const stopping = runtime.stop();
    await settled();
    harness.step("write").refuse(lost());
    await stopping;
    expect(await done).toBe("stopped");
    expect(harness.clock.pending).toEqual([]);
    expect(harness.events).toEqual(["ack 100"]);
  });

  test("during the pause before another attempt ends the run", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    stream.fail(lost());
    await settled();
    expect(harness.retries).toEqual(["SINK_FAILED 250"]);
    await runtime.stop();
    expect(await done).toBe("stopped");
    expect(harness.clock.pending).toEqual([]);
  });
});
