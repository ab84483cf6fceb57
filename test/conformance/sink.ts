import { expect } from "vitest";
import { Numeric } from "../../src/core/numeric.js";
import type {
  AppendBatch,
  OutputBatch,
  OutputShape,
  ResultValue,
  ViewBatch,
} from "../../src/core/output.js";
import { PackedCells } from "../../src/core/packed-cells.js";
import type { Position } from "../../src/core/position.js";
import type { Sink, SinkCommit } from "../../src/core/sink.js";
import { Timestamp } from "../../src/core/timestamp.js";

/** One pipeline's place in a sink. */
export interface SinkFixture {
  /** One more sink on the same place, as the next process would make it. */
  readonly make: () => Sink;
  /** Names an output that no other case uses. */
  readonly output: (name: string) => string;
  /** The rows of an output as text, sorted; none when it does not exist. */
  readonly rows: (output: string) => Promise<(string | null)[][]>;
}

export const position = (lsn: bigint): Position => ({
  systemId: "7000000000000000001",
  timeline: 3,
  lsn,
});
const ZONED = "timestamp with time zone";

/** A view of one text group, a window and a value. */
export function viewShape(
  name: string,
  valueType = "numeric",
  timeType: string = ZONED,
): OutputShape {
  return {
    kind: "view",
    name,
    columns: [
      { name: "k", sqlType: "text", role: "group" },
      { name: "at", sqlType: timeType, role: "time" },
      { name: 'the "value"', sqlType: valueType, role: "value" },
    ],
  };
}

/** A batch of rows of three cells. */
export function batchOf(
  output: string,
  rows: readonly (readonly ResultValue[])[],
  removeBeforeMs: number | null = null,
): ViewBatch {
  const columns = [0, 1, 2].map((c) => rows.map((row) => row[c] ?? null));
  const given = { output, rowCount: rows.length, columns, removeBeforeMs };
  return { kind: "view", ...given, gone: null, isWhole: false };
}

/** A batch of keys whose rows are to go. */
export function goneOf(output: string, keys: readonly (readonly ResultValue[])[]): ViewBatch {
  const gone = [0, 1].map((c) => keys.map((key) => key[c] ?? null));
  return { ...batchOf(output, []), gone };
}

/** An append table of a text position, a time and a value. */
export function appendShape(name: string, valueType = "numeric"): OutputShape {
  return {
    kind: "append",
    name,
    columns: [
      { name: "k", sqlType: "text", role: "position" },
      { name: "at", sqlType: ZONED, role: "time" },
      { name: 'the "value"', sqlType: valueType, role: "value" },
    ],
  };
}

/** Rows to append, of three cells. */
export function appendOf(
  output: string,
  rows: readonly (readonly (string | Timestamp | null)[])[],
  removeBeforeMs: number | null = null,
): AppendBatch {
  const cells = [0, 1, 2].map((c) => {
    const column = new PackedCells();
    for (const row of rows) {
      const cell = row[c] ?? null;
      if (cell === null) column.addNull();
      else column.add(Buffer.from(String(cell)));
    }
    return column.take();
  });
  return { kind: "append", output, rowCount: rows.length, cells, removeBeforeMs };
}

export function commitAt(
  lsn: bigint,
  outputs: readonly OutputBatch[],
  more: Partial<SinkCommit> = {},
): SinkCommit {
  const given = { epoch: 1, position: position(lsn), watermarkMs: null, idleMs: null, outputs };
  return { ...given, mustBeDurable: true, ...more };
}

async function ready(fixture: SinkFixture, ...shapes: OutputShape[]): Promise<Sink> {
  const sink = fixture.make();
  await sink.open();
  await sink.prepare(shapes);
  await sink.claim(1, position(100n));
  return sink;
}

const noon = Timestamp.of(Date.UTC(2026, 10, 23, 12));
const later = Timestamp.of(Date.UTC(2026, 10, 23, 13), 7);

/** What every sink does, by a title that says it. Each case has a pipeline of its own. */
export const sinkCases: Readonly<Record<string, (fixture: SinkFixture) => Promise<void>>> = {
  "open is null while nothing was written": async ({ make }) => {
    const sink = make();
    expect(await sink.open()).toBeNull();
    await sink.close();
  },

  "a claim records its position once and returns the progress that stands": async ({ make }) => {
    const sink = make();
    await sink.open();
    const first = { epoch: 1, position: position(100n), idleMs: null };
    expect(await sink.claim(1, position(100n))).toEqual(first);
    await sink.write(commitAt(200n, [], { idleMs: 12.5 }));
    const next = make();
    expect(await next.open()).toEqual({ epoch: 1, position: position(200n), idleMs: 12.5 });
    const claimed = { epoch: 6, position: position(200n), idleMs: 12.5 };
    expect(await next.claim(6, position(999n))).toEqual(claimed);
    await Promise.all([sink.close(), next.close()]);
  },

  "a claim sees what was written after open": async ({ make }) => {
    const [old, young] = [make(), make()];
    await old.open();
    await old.claim(1, position(100n));
    expect(await young.open()).toMatchObject({ position: { lsn: 100n } });
    await old.write(commitAt(300n, []));
    expect(await young.claim(2, position(100n))).toMatchObject({ position: { lsn: 300n } });
    await Promise.all([old.close(), young.close()]);
  },

  "a claim with an equal or smaller epoch is fenced": async ({ make }) => {
    const sink = make();
    await sink.open();
    await sink.claim(5, position(100n));
    await expect(sink.claim(5, position(100n))).rejects.toMatchObject({ code: "FENCED" });
    await expect(sink.claim(4, position(100n))).rejects.toMatchObject({ code: "FENCED" });
    await sink.close();
  },

  "of two claims of one epoch exactly one wins": async ({ make }) => {
    const sinks = [make(), make(), make()];
    await Promise.all(sinks.map((sink) => sink.open()));
    const claims = await Promise.allSettled(sinks.map((sink) => sink.claim(1, position(100n))));
    expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await Promise.all(sinks.map((sink) => sink.close()));
  },

  "a write by an epoch that lost the claim is fenced and leaves nothing": async (fixture) => {
    const view = fixture.output("fenced");
    const old = await ready(fixture, viewShape(view));
    const young = fixture.make();
    await young.open();
    await young.claim(2, position(100n));
    const late = commitAt(200n, [batchOf(view, [["a", noon, 1]])]);
    await expect(old.write(late)).rejects.toMatchObject({ code: "FENCED" });
    expect(await fixture.rows(view)).toEqual([]);
    expect(await young.claim(3, position(100n))).toMatchObject({ position: { lsn: 100n } });
    await Promise.all([old.close(), young.close()]);
  },

  "the position never moves back, nor to another system": async (fixture) => {
    const view = fixture.output("back");
    const sink = await ready(fixture, viewShape(view));
    await sink.write(commitAt(300n, []));
    const outputs = [batchOf(view, [["a", noon, 1]])];
    await expect(sink.write(commitAt(299n, outputs))).rejects.toThrow();
    const strange = { ...position(400n), systemId: "1" };
    await expect(sink.write(commitAt(400n, outputs, { position: strange }))).rejects.toThrow();
    expect(await fixture.rows(view)).toEqual([]);
    await sink.write(commitAt(300n, []));
    await sink.close();
  },

  "an output that fails leaves neither results nor progress": async (fixture) => {
    const view = fixture.output("whole");
    const sink = await ready(fixture, viewShape(view));
    const good = batchOf(view, [["a", noon, 1]]);
    const bad = batchOf(fixture.output("nobody_prepared"), [["a", noon, 1]]);
    await expect(sink.write(commitAt(200n, [good, bad]))).rejects.toThrow();
    expect(await fixture.rows(view)).toEqual([]);
    const next = fixture.make();
    expect(await next.open()).toMatchObject({ position: { lsn: 100n } });
    await sink.write(commitAt(200n, [good]));
    expect(await fixture.rows(view)).toEqual([["a", noon.toString(), "1"]]);
    await Promise.all([sink.close(), next.close()]);
  },

  "a row replaces the row of its key, in the group and in the window": async (fixture) => {
    const view = fixture.output("upsert");
    const sink = await ready(fixture, viewShape(view));
    const rows = [["a", noon, 1] as const, ["a", later, 2] as const, ["b", noon, 3] as const];
    await sink.write(commitAt(200n, [batchOf(view, rows)]));
    await sink.write(commitAt(300n, [batchOf(view, [["a", later, null]])]));
    expect(await fixture.rows(view)).toEqual([
      ["a", noon.toString(), "1"],
      ["a", later.toString(), null],
      ["b", noon.toString(), "3"],
    ]);
    await sink.close();
  },

  "rows whose keys are gone leave, those with NULLs too, before new ones come": async (fixture) => {
    const view = fixture.output("gone");
    const sink = await ready(fixture, viewShape(view));
    const keys = [["a", noon] as const, ["a", null] as const, [null, noon] as const];
    const rows = [...keys, ["b", noon] as const].map(([k, at]) => [k, at, 1] as const);
    await sink.write(commitAt(200n, [batchOf(view, rows)]));
    const gone = goneOf(view, [...keys, ["never", noon]]).gone;
    await sink.write(commitAt(300n, [{ ...batchOf(view, [["a", noon, 2]]), gone }]));
    expect(await fixture.rows(view)).toEqual([
      ["a", noon.toString(), "2"],
      ["b", noon.toString(), "1"],
    ]);
    await sink.close();
  },

  "NULL is a group and a window like any other": async (fixture) => {
    const view = fixture.output("nulls");
    const sink = await ready(fixture, viewShape(view));
    for (const [lsn, value] of [
      [200n, 1],
      [300n, 2],
    ] as const) {
      const rows = [[null, noon, value] as const, ["", noon, value] as const];
      const windows = [["a", null, value] as const, [null, null, value] as const];
      await sink.write(commitAt(lsn, [batchOf(view, [...rows, ...windows])]));
    }
    expect(await fixture.rows(view)).toEqual([
      ["", noon.toString(), "2"],
      ["a", null, "2"],
      [null, noon.toString(), "2"],
      [null, null, "2"],
    ]);
    await sink.close();
  },

  "texts come back as they are": async (fixture) => {
    const view = fixture.output("texts");
    const sink = await ready(fixture, viewShape(view, "text"));
    const texts = [
      ...["", " ", "NULL", "null", "{}", "{a,b}", '"', "'", "\\", "\\\\N", 'a"b,c\\d', "\n\t\r"],
      ...["äöü", "漢字", "🌊", "\ufeffbom", "e\u0301", "\u0001", "x".repeat(2500)],
    ];
    await sink.write(
      commitAt(200n, [
        batchOf(
          view,
          texts.map((text) => [text, noon, text] as const),
        ),
      ]),
    );
    const found = await fixture.rows(view);
    expect(found).toHaveLength(texts.length);
    expect(new Set(found.map(([key]) => key))).toEqual(new Set(texts));
    for (const [key, , value] of found) expect(value).toBe(key);
    await sink.close();
  },

  "numerics keep every digit, NaN and the infinities": async (fixture) => {
    const view = fixture.output("numerics");
    const sink = await ready(fixture, viewShape(view));
    const texts = ["0.00", "-0.10", "NaN", "Infinity", "-Infinity", `9${"0".repeat(90)}.000000001`];
    const rows = texts.map((text) => [text, noon, Numeric.parse(text)] as const);
    await sink.write(commitAt(200n, [batchOf(view, [...rows, ["big", noon, 2n ** 70n]])]));
    for (const [key, , value] of await fixture.rows(view)) {
      expect(value).toBe(key === "big" ? String(2n ** 70n) : key);
    }
    await sink.close();
  },

  "doubles keep the sign of zero, NaN and the infinities": async (fixture) => {
    const view = fixture.output("doubles");
    const sink = await ready(fixture, viewShape(view, "double precision"));
    const values = [0, -0, Number.NaN, Infinity, -Infinity, 0.1, -1.7976931348623157e308, 5e-324];
    const rows = values.map((value, i) => [`${i}`, noon, value] as const);
    await sink.write(commitAt(200n, [batchOf(view, rows)]));
    const found = (await fixture.rows(view)).map(([, , value]) => String(value));
    found.forEach((text, i) => {
      expect(Object.is(Number(text), values[i]), `${values[i]} came back as ${text}`).toBe(true);
    });
    await sink.close();
  },

  "times keep microseconds, BC and the infinities": async (fixture) => {
    const view = fixture.output("times");
    const sink = await ready(fixture, viewShape(view));
    const times = [
      Timestamp.of(Date.UTC(-4712, 0, 1)),
      Timestamp.of(Date.UTC(275_759, 11, 31, 23, 59, 59, 999), 999),
      Timestamp.of(-1, 999),
      Timestamp.of(Infinity),
      Timestamp.of(-Infinity),
    ];
    await sink.write(
      commitAt(200n, [
        batchOf(
          view,
          times.map((time) => ["a", time, 1] as const),
        ),
      ]),
    );
    const found = (await fixture.rows(view)).map(([, time]) => time);
    expect(new Set(found)).toEqual(new Set(times.map(String)));
    await sink.close();
  },

  "windows before a time are removed first, NULL and later ones stay": async (fixture) => {
    for (const type of [ZONED, "timestamp without time zone"]) {
      const view = fixture.output(`removal_${type.length}`);
      const sink = await ready(fixture, viewShape(view, "numeric", type));
      const time = (ms: number) => {
        const value = Timestamp.of(ms);
        return type === ZONED ? value : value.toLocalString();
      };
      const windows = [-Infinity, -1e13, noon.epochMs - 1, noon.epochMs, Infinity].map(time);
      const rows = [...windows, null].map((window) => ["a", window, 1] as const);
      const lsn = type === ZONED ? 200n : 300n;
      await sink.write(commitAt(lsn, [batchOf(view, rows)]));
      const again = [["a", time(-1e13), 2] as const];
      await sink.write(commitAt(lsn, [batchOf(view, again, noon.epochMs)]));
      const left = (await fixture.rows(view)).map(([, at, value]) => `${at} ${value}`);
      const kept = [`${time(-1e13)} 2`, `${time(noon.epochMs)} 1`, `${time(Infinity)} 1`, "null 1"];
      expect(new Set(left)).toEqual(new Set(kept));
      await sink.close();
      if (type === ZONED) await sink.open().then(() => sink.reset([]));
      await sink.close();
    }
  },

  "a removal before the oldest time there is removes only -infinity": async (fixture) => {
    const view = fixture.output("oldest");
    const sink = await ready(fixture, viewShape(view));
    const oldest = Timestamp.of(Date.UTC(-4712, 0, 1));
    const rows = [["a", Timestamp.of(-Infinity), 1] as const, ["a", oldest, 1] as const];
    await sink.write(commitAt(200n, [batchOf(view, rows)], { watermarkMs: oldest.epochMs - 1e12 }));
    await sink.write(commitAt(300n, [batchOf(view, [], oldest.epochMs - 1e12)]));
    expect((await fixture.rows(view)).map(([, time]) => time)).toEqual([oldest.toString()]);
    await sink.close();
  },

  "25,000 rows are one write, and the next one replaces them": async (fixture) => {
    const view = fixture.output("many");
    const sink = await ready(fixture, viewShape(view));
    for (const [lsn, value] of [
      [200n, 1],
      [300n, 2],
    ] as const) {
      const rows = Array.from({ length: 25_000 }, (_, i) => [`k${i}`, noon, value] as const);
      await sink.write(commitAt(lsn, [batchOf(view, rows)]));
    }
    const found = await fixture.rows(view);
    expect(found).toHaveLength(25_000);
    expect(new Set(found.map(([, , value]) => value))).toEqual(new Set(["2"]));
    await sink.close();
  },

  "prepare is idempotent and keeps what is there": async (fixture) => {
    const view = fixture.output("again");
    const sink = await ready(fixture, viewShape(view));
    await sink.write(commitAt(200n, [batchOf(view, [["a", noon, 1]])]));
    await sink.prepare([viewShape(view)]);
    await sink.close();
    const next = fixture.make();
    await next.open();
    await next.prepare([viewShape(view)]);
    expect(await fixture.rows(view)).toEqual([["a", noon.toString(), "1"]]);
    await next.close();
  },

  "prepare tells which views are empty, also those that a lost run has made": async (fixture) => {
    const [full, empty] = [fixture.output("full"), fixture.output("empty")];
    const sink = await ready(fixture, viewShape(full), viewShape(empty));
    await sink.write(commitAt(200n, [batchOf(full, [["a", noon, 1]])]));
    await sink.close();
    const next = fixture.make();
    await next.open();
    expect(await next.prepare([viewShape(full), viewShape(empty)])).toEqual([empty]);
    await next.close();
  },

  "a batch that is whole replaces every row": async (fixture) => {
    const view = fixture.output("whole");
    const sink = await ready(fixture, viewShape(view));
    const rows = [
      ["a", noon, 1],
      ["b", noon, 1],
      ["a", null, 1],
      ["a", Timestamp.of(Number.POSITIVE_INFINITY), 1],
    ] as const;
    await sink.write(commitAt(200n, [batchOf(view, rows)]));
    await sink.write(commitAt(300n, [{ ...batchOf(view, [["b", noon, 2]]), isWhole: true }]));
    expect(await fixture.rows(view)).toEqual([["b", noon.toString(), "2"]]);
    await sink.write(commitAt(400n, [{ ...batchOf(view, []), isWhole: true }]));
    expect(await fixture.rows(view)).toEqual([]);
    await sink.close();
  },

  "reset removes progress and results": async (fixture) => {
    const view = fixture.output("reset");
    const sink = await ready(fixture, viewShape(view));
    await sink.write(commitAt(200n, [batchOf(view, [["a", noon, 1]])]));
    await sink.reset([view]);
    await sink.close();
    const next = await (async () => {
      const made = fixture.make();
      expect(await made.open()).toBeNull();
      await made.prepare([viewShape(view)]);
      return made;
    })();
    expect(await fixture.rows(view)).toEqual([]);
    await next.claim(1, position(5n));
    await next.close();
  },

  "a reset may empty the outputs, or keep their rows": async (fixture) => {
    const [emptied, kept] = [fixture.output("emptied"), fixture.output("kept")];
    const sink = await ready(fixture, viewShape(emptied), viewShape(kept));
    const batches = [emptied, kept].map((view) => batchOf(view, [["a", noon, 1]]));
    await sink.write(commitAt(200n, batches));
    await sink.reset([kept], "keep");
    await sink.reset([emptied], "empty");
    expect(await fixture.rows(emptied)).toEqual([]);
    expect(await fixture.rows(kept)).toHaveLength(1);
    await sink.close();
    const next = fixture.make();
    expect(await next.open()).toBeNull();
    expect(await next.prepare([viewShape(emptied), viewShape(kept)])).toEqual([emptied]);
    await next.claim(1, position(5n));
    await next.close();
  },
};
