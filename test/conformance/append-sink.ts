import { expect } from "vitest";
import type { Sink } from "../../src/core/sink.js";
import { Timestamp } from "../../src/core/timestamp.js";
import { appendOf, appendShape, commitAt, position, type SinkFixture } from "./sink.js";

async function ready(fixture: SinkFixture, output: string, valueType?: string): Promise<Sink> {
  const sink = fixture.make();
  await sink.open();
  await sink.prepare([appendShape(output, valueType)]);
  await sink.claim(1, position(100n));
  return sink;
}

const noon = Timestamp.of(Date.UTC(2026, 10, 23, 12));
const later = Timestamp.of(Date.UTC(2026, 10, 23, 13), 7);

/** What every sink does with rows that are only added, by a title that says it. */
export const appendCases: Readonly<Record<string, (fixture: SinkFixture) => Promise<void>>> = {
  "appended rows join those that are there": async (fixture) => {
    const table = fixture.output("join");
    const sink = await ready(fixture, table);
    await sink.write(commitAt(200n, [appendOf(table, [["a", noon, "1"]])]));
    const more = [["b", later, null] as const, ["c", noon, "-0.10"] as const];
    await sink.write(commitAt(300n, [appendOf(table, more)]));
    expect(await fixture.rows(table)).toEqual([
      ["a", noon.toString(), "1"],
      ["b", later.toString(), null],
      ["c", noon.toString(), "-0.10"],
    ]);
    await sink.close();
  },

  "a change that was appended is not appended again, nor anything with it": async (fixture) => {
    const table = fixture.output("twice");
    const sink = await ready(fixture, table);
    await sink.write(commitAt(200n, [appendOf(table, [["a", noon, "1"]])]));
    const again = [["b", noon, "2"] as const, ["a", noon, "3"] as const];
    await expect(sink.write(commitAt(300n, [appendOf(table, again)]))).rejects.toThrow();
    expect(await fixture.rows(table)).toEqual([["a", noon.toString(), "1"]]);
    await sink.close();
    const next = fixture.make();
    expect(await next.open()).toMatchObject({ position: { lsn: 200n } });
    await next.close();
  },

  "appended texts come back as they are": async (fixture) => {
    const table = fixture.output("append_texts");
    const sink = await ready(fixture, table, "text");
    const texts = [
      ...["", " ", "NULL", "null", "{}", "{a,b}", '"', "'", "\\", "\\\\N", 'a"b,c\\d', "\n\t\r"],
      ...["äöü", "漢字", "🌊", "\ufeffbom", "e\u0301", "\u0001", "x".repeat(2500)],
    ];
    const rows = texts.map((text) => [text, noon, text] as const);
    await sink.write(commitAt(200n, [appendOf(table, rows)]));
    const found = await fixture.rows(table);
    expect(new Set(found.map(([key]) => key))).toEqual(new Set(texts));
    for (const [key, , value] of found) expect(value).toBe(key);
    await sink.close();
  },

  "rows before a time are removed, those of the same write are not": async (fixture) => {
    const table = fixture.output("append_removal");
    const sink = await ready(fixture, table);
    const rows = [["a", noon, "1"] as const, ["b", later, "2"] as const];
    await sink.write(commitAt(200n, [appendOf(table, rows)]));
    await sink.write(commitAt(300n, [appendOf(table, [["c", noon, "3"]], later.epochMs)]));
    await sink.write(commitAt(400n, [appendOf(table, [], noon.epochMs)]));
    expect((await fixture.rows(table)).map(([key]) => key)).toEqual(["b", "c"]);
    await sink.close();
  },

  "staged rows are seen with the write that follows, and not before": async (fixture) => {
    const table = fixture.output("staged");
    const sink = await ready(fixture, table);
    await sink.stage([appendOf(table, [["a", noon, "1"]])]);
    await sink.stage([appendOf(table, [["b", noon, "2"]])]);
    expect(await fixture.rows(table)).toEqual([]);
    await sink.write(commitAt(200n, [appendOf(table, [["c", noon, "3"]])]));
    expect((await fixture.rows(table)).map(([key]) => key)).toEqual(["a", "b", "c"]);
    await sink.stage([appendOf(table, [["d", noon, "4"]])]);
    await sink.write(commitAt(300n, []));
    expect(await fixture.rows(table)).toHaveLength(4);
    await sink.close();
  },

  "staged rows without their write are as if never sent": async (fixture) => {
    const table = fixture.output("unstaged");
    const sink = await ready(fixture, table);
    await sink.stage([appendOf(table, [["a", noon, "1"]])]);
    await sink.close();
    const next = fixture.make();
    expect(await next.open()).toMatchObject({ position: { lsn: 100n } });
    await next.prepare([appendShape(table)]);
    await next.claim(2, position(100n));
    await next.write(commitAt(200n, [appendOf(table, [["b", noon, "2"]])], { epoch: 2 }));
    expect((await fixture.rows(table)).map(([key]) => key)).toEqual(["b"]);
    await next.close();
  },

  "staged rows of an epoch that lost the claim leave nothing": async (fixture) => {
    const table = fixture.output("staged_fenced");
    const old = await ready(fixture, table);
    await old.stage([appendOf(table, [["a", noon, "1"]])]);
    const young = fixture.make();
    await young.open();
    await young.claim(2, position(100n));
    await expect(old.write(commitAt(200n, []))).rejects.toMatchObject({ code: "FENCED" });
    expect(await fixture.rows(table)).toEqual([]);
    // What failed takes nothing of the transaction with it into the next one.
    await expect(old.write(commitAt(200n, []))).rejects.toMatchObject({ code: "FENCED" });
    await Promise.all([old.close(), young.close()]);
  },
};
