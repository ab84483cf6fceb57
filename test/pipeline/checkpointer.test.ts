import { describe, expect, test } from "vitest";
import { TidemarkError } from "../../src/core/errors.js";
import { PipelineHarness, salesPlan, settled } from "../fixtures/pipeline-harness.js";
import type { ScriptedStream } from "../fixtures/scripted-source.js";
import { batchesOf, messagesOf, type Sale, sale, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);
const lost = () => new TidemarkError("SINK_FAILED", "The connection broke.");

function send(stream: ScriptedStream, end: bigint, ...sales: Sale[]): void {
  const changes = [salesRelation, ...sales.map(sale)];
  const parts = { commitLsn: end - 10n, endLsn: end, commitMs: T0 + Number(end), changes };
  for (const batch of batchesOf(messagesOf(parts))) stream.batch(batch);
}

const shops = Array.from({ length: 3000 }, (_, i): Sale => [`shop ${i}`, T0]);

function counts(harness: PipelineHarness): Map<unknown, unknown> {
  return new Map(harness.results.rows("public.stats").map(([shop, , n]) => [shop, n]));
}

describe("while a checkpoint is saved", () => {
  test("results go on being written, and the ack stays where it was", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("save");
    harness.clock.advance(1000);
    send(stream, 200n, ["a", T0]);
    await settled();
    harness.clock.advance(5);
    send(stream, 300n, ["a", T0]);
    await settled();
    harness.clock.advance(5);
    send(stream, 400n, ["a", T0]);
    await settled();
    expect(harness.events).toEqual(["ack 100", "write 200", "write 300", "write 400"]);
    expect(stream.reports.at(-1)).toEqual([100n, 400n]);
    harness.step("save").pass();
    await settled();
    expect(harness.events.slice(4)).toEqual(["save 200", "ack 200"]);
    expect(stream.reports.at(-1)).toEqual([200n, 400n]);
  });

  test("the next one waits for it, however long it takes", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("save");
    harness.clock.advance(1000);
    send(stream, 200n, ["a", T0]);
    await settled();
    for (let end = 300n; end <= 500n; end += 100n) {
      send(stream, end, ["a", T0]);
      harness.clock.advance(1000);
      await settled();
    }
    expect(harness.waiting).toEqual(["save"]);
    harness.held.clear();
    harness.step("save").pass();
    await settled();
    expect(harness.events.slice(-5)).toEqual([
      ...["save 200", "write 500", "ack 200"],
      ...["save 500", "ack 500"],
    ]);
  });

  test("a kill leaves results ahead of it, and nothing is counted twice", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    harness.held.add("save");
    harness.clock.advance(1000);
    send(first.stream, 200n, ["a", T0]);
    await settled();
    harness.clock.advance(5);
    send(first.stream, 300n, ["a", T0]);
    await settled();
    harness.held.clear();
    const second = await harness.start();
    expect([second.stream.position.lsn, harness.results.progress?.position.lsn]).toEqual([
      100n,
      300n,
    ]);
    send(second.stream, 200n, ["a", T0]);
    send(second.stream, 300n, ["a", T0]);
    send(second.stream, 400n, ["a", T0]);
    await settled();
    harness.clock.advance(5);
    await settled();
    expect(counts(harness)).toEqual(new Map([["a", "3"]]));
  });

  test("a stop waits for it and for the one after", async () => {
    const harness = new PipelineHarness();
    const { stream, runtime, done } = await harness.start();
    harness.held.add("save");
    harness.clock.advance(1000);
    send(stream, 200n, ["a", T0]);
    await settled();
    send(stream, 300n, ["a", T0]);
    const stopping = runtime.stop();
    await settled();
    expect(stream.isClosed).toBe(false);
    harness.held.clear();
    harness.step("save").pass();
    await stopping;
    expect(await done).toBe("stopped");
    expect(harness.checkpoint.header?.position?.lsn).toBe(300n);
    expect(stream.reports.at(-1)).toEqual([300n, 300n]);
    expect(harness.clock.pending).toEqual([]);
  });

  test("its failure ends the session, and the next one starts from the one before", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.held.add("save");
    harness.clock.advance(1000);
    send(stream, 200n, ["a", T0]);
    await settled();
    harness.step("save").refuse(lost());
    harness.held.clear();
    await settled();
    expect(harness.retries).toEqual(["SINK_FAILED 250"]);
    const next = harness.source.nextStream();
    harness.clock.advance(250);
    expect((await next).position.lsn).toBe(100n);
  });
});

describe("an idle advance", () => {
  test("holds results back until it is saved, and reading once too much came", async () => {
    const harness = new PipelineHarness(salesPlan({ retain: "1m" }));
    const { stream } = await harness.start();
    send(stream, 200n, ["a", T0]);
    harness.clock.advance(1000);
    await settled();
    harness.held.add("save");
    stream.idle(250n, T0 + 3_600_000);
    harness.clock.advance(10_000);
    await settled();
    expect(harness.waiting).toEqual(["save"]);
    send(stream, 300n, ["b", T0 + 3_600_000]);
    stream.bytesReceived += 10_000;
    send(stream, 400n, ["b", T0 + 3_600_000]);
    harness.clock.advance(1000);
    await settled();
    expect(harness.events.at(-1)).toBe("write 250");
    expect(stream.isPaused).toBe(true);
    harness.held.clear();
    harness.step("save").pass();
    await settled();
    expect(stream.isPaused).toBe(false);
    expect(counts(harness)).toEqual(new Map([["b", "2"]]));
  });
});

describe("results after an idle advance whose checkpoint is saved and not settled", () => {
  test.each([
    ["wait where it settles soon", false, "save 250"],
    ["go on where it settles late", true, "write 300"],
  ])("%s", async (_, settlesLate, last) => {
    const harness = new PipelineHarness(salesPlan({ retain: "1m" }));
    harness.settlesLate = settlesLate;
    const { stream } = await harness.start();
    harness.held.add("settle");
    stream.idle(250n, T0 + 3_600_000);
    harness.clock.advance(10_000);
    await settled();
    send(stream, 300n, ["b", T0 + 3_600_000]);
    harness.clock.advance(100);
    await settled();
    expect(harness.events.at(-1)).toBe(last);
    harness.held.clear();
    harness.step("settle").pass();
    await settled();
    harness.clock.advance(1000);
    await settled();
    expect(counts(harness)).toEqual(new Map([["b", "1"]]));
  });
});

describe("a large state", () => {
  test("is written out in steps between which rows and results go on", async () => {
    const harness = new PipelineHarness();
    const first = await harness.start();
    harness.clock.advance(1000);
    harness.clock.msPerLook = 1.5;
    send(first.stream, 200n, ...shops);
    await new Promise(setImmediate);
    expect(harness.events.at(-1)).toBe("write 200");
    harness.clock.advance(5);
    send(first.stream, 300n, ...shops.slice(0, 2000));
    await settled();
    expect(harness.events.at(-1)).toBe("write 300");
    while (harness.events.at(-1) !== "ack 200") await settled();
    // Killed here: what is saved has to be the state at 200.
    harness.clock.msPerLook = 0;
    const second = await harness.start();
    expect(second.stream.position.lsn).toBe(200n);
    send(second.stream, 300n, ...shops.slice(0, 2000));
    send(second.stream, 400n, ...shops);
    await settled();
    harness.clock.advance(5);
    await settled();
    const seen = counts(harness);
    expect([seen.size, seen.get("shop 0"), seen.get("shop 2999")]).toEqual([3000, "3", "2"]);
  });

  test("is given up when the session ends before it is written out", async () => {
    const harness = new PipelineHarness();
    const { stream } = await harness.start();
    harness.clock.advance(1000);
    harness.clock.msPerLook = 1.5;
    send(stream, 200n, ...shops);
    await new Promise(setImmediate);
    stream.fail(lost());
    while (harness.retries.length === 0) await settled();
    expect(harness.events).toEqual(["ack 100", "write 200"]);
    expect(harness.checkpoint.header?.position?.lsn).toBe(100n);
  });
});
