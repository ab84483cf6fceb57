import { describe, expect, test } from "vitest";
import { count, max, min, sum } from "../../src/pipeline/aggregate-specs.js";
import { pipeline, postgres } from "../../src/pipeline/builder.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { slot } from "../../src/pipeline/specs.js";
import { tumbling, type WindowSpec } from "../../src/pipeline/window-specs.js";
import { PipelineHarness, settled } from "../fixtures/pipeline-harness.js";
import type { ScriptedStream } from "../fixtures/scripted-source.js";
import { batchesOf, messagesOf, type Sale, sale, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);

interface ViewOf {
  readonly window?: WindowSpec;
  readonly value?: "sum" | "min" | "max";
}

/** A pipeline of views over the sales, by name. */
function planOf(
  views: Readonly<Record<string, ViewOf>>,
  from: { readonly outOfOrder?: string; readonly eventTime?: "at" | null } = {},
): Plan {
  const { outOfOrder = "0s", eventTime = "at" } = from;
  return pipeline("shop", { source: slot() }, (table) => {
    const time = eventTime === null ? {} : { eventTime: eventTime as never };
    const rows = table("public.sales" as never, { appendOnly: true, outOfOrder, ...time });
    for (const [name, { window = tumbling("1 minute", "w"), value = "sum" }] of Object.entries(
      views,
    )) {
      const of = { sum, min, max }[value];
      rows
        .groupBy("shop" as never)
        .window(window)
        .aggregate({ n: count(), value: of("amount" as never) })
        .into(postgres.view(name));
    }
  }).plan;
}

function send(stream: ScriptedStream, end: bigint, ...sales: Sale[]): void {
  const changes = [salesRelation, ...sales.map(sale)];
  const parts = { commitLsn: end - 10n, endLsn: end, commitMs: T0 + Number(end), changes };
  for (const batch of batchesOf(messagesOf(parts))) stream.batch(batch);
}

/** A row of shop a in each transaction, and one of shop z, which never comes again. */
async function ran(plan: Plan, isSavedWhole = true): Promise<PipelineHarness> {
  const harness = new PipelineHarness(plan);
  const { stream, runtime } = await harness.start();
  harness.clock.advance(1000);
  send(stream, 200n, ["a", T0, "1.00"], ["z", T0, "9.00"]);
  await settled();
  harness.clock.advance(5);
  send(stream, 300n, ["a", T0, "2.00"]);
  await settled();
  if (isSavedWhole) await runtime.stop();
  return harness;
}

/** Runs the harness's plan over what the server would send, to the end, and stops. */
async function goOn(harness: PipelineHarness): Promise<void> {
  const { stream, runtime } = await harness.start();
  if (stream.position.lsn < 300n) send(stream, 300n, ["a", T0, "2.00"]);
  send(stream, 400n, ["a", T0, "4.00"]);
  await settled();
  await runtime.stop();
}

function rows(harness: PipelineHarness, view: string): string[] {
  const found = harness.results.rows(`public.${view}`);
  return found.map(([shop, , n, value]) => `${shop} ${n} ${value}`).sort();
}

describe("an output that is added", () => {
  test("counts from the checkpoint on, and the others go on", async () => {
    for (const isSavedWhole of [true, false]) {
      const harness = await ran(planOf({ stats: {} }), isSavedWhole);
      harness.plan = planOf({ stats: {}, more: {} });
      await goOn(harness);
      expect(rows(harness, "stats")).toEqual(["a 3 7.00", "z 1 9.00"]);
      expect(rows(harness, "more")).toEqual([isSavedWhole ? "a 1 4.00" : "a 2 6.00"]);
      const from = isSavedWhole ? 300n : 200n;
      expect(harness.restored).toEqual([`window public.more from ${from}`]);
    }
  });

  test("is no news to the run after", async () => {
    const harness = await ran(planOf({ stats: {} }));
    harness.plan = planOf({ stats: {}, more: {} });
    await goOn(harness);
    harness.restored.length = 0;
    const { runtime } = await harness.start();
    await runtime.stop();
    expect(harness.restored).toEqual([]);
    expect(rows(harness, "more")).toEqual(["a 1 4.00"]);
  });

  test("begins with an empty view even where an older one is left", async () => {
    const harness = await ran(planOf({ stats: {}, more: {} }));
    harness.plan = planOf({ stats: {} });
    harness.mayDropState = true;
    await goOn(harness);
    harness.plan = planOf({ stats: {}, more: {} });
    harness.mayDropState = false;
    const { stream, runtime } = await harness.start();
    expect(harness.restored).toEqual(["dropped window public.more", "window public.more from 400"]);
    await settled();
    harness.clock.advance(5);
    await settled();
    expect(rows(harness, "more")).toEqual([]);
    send(stream, 500n, ["b", T0, "1.00"]);
    await runtime.stop();
    expect(rows(harness, "more")).toEqual(["b 1 1.00"]);
    expect(rows(harness, "stats")).toEqual(["a 3 7.00", "b 1 1.00", "z 1 9.00"]);
  });
});

describe("an output that is taken away", () => {
  test("is refused by name, and nothing is lost by that", async () => {
    const harness = await ran(planOf({ stats: {}, more: {} }));
    harness.plan = planOf({ stats: {} });
    await expect(harness.start()).rejects.toMatchObject({
      code: "STATE_MISMATCH",
      message: expect.stringContaining("window public.more (the pipeline has no such step)"),
    });
    harness.plan = planOf({ stats: {}, more: {} });
    await goOn(harness);
    expect(rows(harness, "more")).toEqual(["a 3 7.00", "z 1 9.00"]);
  });

  test("is forgotten when that is allowed: by the next start nobody has to allow it", async () => {
    const harness = await ran(planOf({ stats: {}, more: {} }));
    harness.plan = planOf({ stats: {} });
    harness.mayDropState = true;
    await goOn(harness);
    harness.mayDropState = false;
    const { runtime } = await harness.start();
    await runtime.stop();
    expect(harness.restored).toEqual(["dropped window public.more"]);
    expect(rows(harness, "stats")).toEqual(["a 3 7.00", "z 1 9.00"]);
  });

  test("is forgotten at once, also while nothing happens", async () => {
    const harness = await ran(planOf({ stats: {}, more: {} }));
    harness.plan = planOf({ stats: {} });
    harness.mayDropState = true;
    harness.events.length = 0;
    await harness.start();
    await settled();
    expect(harness.events).toEqual(["save 300", "ack 300"]);
    harness.mayDropState = false;
    await harness.start();
  });

  test("is not forgotten before a checkpoint says so", async () => {
    const harness = await ran(planOf({ stats: {}, more: {} }));
    harness.plan = planOf({ stats: {} });
    harness.mayDropState = true;
    harness.held.add("save");
    void harness.start();
    await settled();
    expect(harness.waiting).toEqual(["save"]);
    harness.held.clear();
    harness.mayDropState = false;
    await expect(harness.start()).rejects.toMatchObject({ code: "STATE_MISMATCH" });
  });
});

describe("an output that is changed", () => {
  const changes: readonly (readonly [title: string, was: ViewOf, is: ViewOf, said: string])[] = [
    [
      "another function of the same column",
      { value: "min" },
      { value: "max" },
      'was "count(*) bigint, min(amount) numeric", is "count(*) bigint, max(amount) numeric"',
    ],
    [
      "another window",
      {},
      { window: tumbling("5 minutes", "w") },
      'was "tumbling, 60000 ms, offset 0 ms", is "tumbling, 300000 ms, offset 0 ms"',
    ],
  ];

  test.each(changes)("%s is refused with the difference", async (_, was, is, said) => {
    const harness = await ran(planOf({ stats: was }));
    harness.plan = planOf({ stats: is });
    await expect(harness.start()).rejects.toMatchObject({
      code: "STATE_MISMATCH",
      message: expect.stringContaining(said),
    });
  });

  test.each(changes)("%s begins anew when that is allowed", async (_, was, is) => {
    for (const isSavedWhole of [true, false]) {
      const harness = await ran(planOf({ stats: was, other: {} }), isSavedWhole);
      harness.plan = planOf({ stats: is, other: {} });
      harness.mayDropState = true;
      await goOn(harness);
      harness.mayDropState = false;
      const { runtime } = await harness.start();
      await runtime.stop();
      const value = is.value === "max" ? "4.00" : isSavedWhole ? "4.00" : "6.00";
      expect(rows(harness, "stats")).toEqual([`a ${isSavedWhole ? 1 : 2} ${value}`]);
      expect(rows(harness, "other")).toEqual(["a 3 7.00", "z 1 9.00"]);
    }
  });

  test("in where its event time comes from is refused, with its source", async () => {
    const harness = await ran(planOf({ stats: {} }));
    harness.plan = planOf({ stats: {} }, { eventTime: null });
    const said = 'event time: was "at", is "commit time"';
    await expect(harness.start()).rejects.toMatchObject({
      code: "STATE_MISMATCH",
      message: expect.stringContaining(
        `window public.stats (${said}), from public.sales (${said})`,
      ),
    });
  });
});

describe("a change that is taken back before its first checkpoint with results is saved", () => {
  async function changed(): Promise<{ harness: PipelineHarness; goBack: () => Promise<string[]> }> {
    const was = planOf({ stats: {} });
    const harness = await ran(was);
    harness.plan = planOf({ stats: { window: tumbling("5 minutes", "w") } });
    harness.mayDropState = true;
    harness.held.add("save");
    const goBack = async (): Promise<string[]> => {
      harness.held.clear();
      harness.plan = was;
      harness.mayDropState = false;
      harness.restored.length = 0;
      await goOn(harness);
      return rows(harness, "stats");
    };
    return { harness, goBack };
  }

  test("goes on as if it had not been, while the state was not forgotten yet", async () => {
    const { harness, goBack } = await changed();
    void harness.start();
    await settled();
    expect(harness.waiting).toEqual(["save"]);
    expect(await goBack()).toEqual(["a 3 7.00", "z 1 9.00"]);
    expect(harness.restored).toEqual([]);
  });

  // The old state must not go on below a view that the changed pipeline has emptied.
  test("begins anew by name once results were written", async () => {
    const { harness, goBack } = await changed();
    const starting = harness.start();
    await settled();
    harness.step("save").pass();
    const { stream } = await starting;
    send(stream, 400n, ["a", T0, "4.00"]);
    harness.clock.advance(1000);
    await settled();
    expect(harness.waiting).toEqual(["save"]);
    expect(rows(harness, "stats")).toEqual(["a 1 4.00"]);
    expect(await goBack()).toEqual(["a 1 4.00"]);
    expect(harness.restored).toEqual(["window public.stats from 300"]);
  });
});

test("results from before the first state are not left to a changed pipeline", async () => {
  const harness = new PipelineHarness(planOf({ stats: {} }));
  harness.held.add("save");
  const first = await harness.start();
  send(first.stream, 200n, ["a", T0, "1.00"], ["z", T0 + 60_000, "9.00"]);
  await settled();
  expect(harness.results.progress?.position.lsn).toBe(200n);
  expect(harness.checkpoint.generations.every(({ blocks }) => blocks.size === 0)).toBe(true);
  harness.held.clear();
  harness.plan = planOf({ stats: { window: tumbling("5 minutes", "w") } });
  const { stream, runtime } = await harness.start();
  send(stream, 200n, ["a", T0, "1.00"], ["z", T0 + 60_000, "9.00"]);
  await settled();
  await runtime.stop();
  expect(harness.results.rows("public.stats").map(([shop, at]) => `${shop} ${at}`)).toEqual([
    "a 2026-11-23 12:00:00+00",
    "z 2026-11-23 12:00:00+00",
  ]);
});

// A crash in between would leave a step that is known, above a view that is not its own.
test("a replayed idle advance is saved after the rows that a changed pipeline gives", async () => {
  const harness = await ran(planOf({ stats: {} }));
  harness.held.add("save");
  const second = await harness.start();
  harness.clock.advance(20_000);
  second.stream.idle(350n, T0 + 120_000);
  await settled();
  expect(harness.results.progress).toMatchObject({ position: { lsn: 350n } });
  harness.held.clear();
  harness.plan = planOf({ stats: { window: tumbling("5 minutes", "w") } });
  harness.mayDropState = true;
  const { stream, runtime } = await harness.start();
  harness.events.length = 0;
  stream.idle(360n, T0 + 120_001);
  await settled();
  expect(harness.events.filter((event) => !event.startsWith("ack"))).toEqual([
    "write 350",
    "save 350",
  ]);
  expect(rows(harness, "stats")).toEqual([]);
  await runtime.stop();
});

test("a longer bound for late rows fits, and the watermark stays where it is", async () => {
  const harness = await ran(planOf({ stats: {} }));
  const before = harness.results.watermarkMs;
  harness.plan = planOf({ stats: {} }, { outOfOrder: "1h" });
  await goOn(harness);
  expect(rows(harness, "stats")).toEqual(["a 3 7.00", "z 1 9.00"]);
  expect(harness.results.watermarkMs).toBe(before);
  expect(before).not.toBeNull();
});
