import { describe, expect, test } from "vitest";
import { MemoryResults, MemorySink } from "../../../sinks/memory/memory-sink.js";
import { Timestamp } from "../../../src/core/timestamp.js";
import { appendCases } from "../../conformance/append-sink.js";
import { batchOf, commitAt, position, sinkCases, viewShape } from "../../conformance/sink.js";

describe("the sink in memory", () => {
  test.each(Object.entries({ ...sinkCases, ...appendCases }))("%s", async (_, run) => {
    const results = new MemoryResults();
    const make = () => new MemorySink(results);
    await run({ make, output: (name) => name, rows: async (name) => results.rows(name) });
  });

  test("a view prints as sorted lines", async () => {
    const results = new MemoryResults();
    const sink = new MemorySink(results);
    await sink.open();
    await sink.prepare([viewShape("v")]);
    await sink.claim(1, position(1n));
    const rows = [["b", Timestamp.of(0), 1] as const, ["a", null, null] as const];
    await sink.write(commitAt(2n, [batchOf("v", rows)], { watermarkMs: 17 }));
    expect(results.print("v")).toBe("a | NULL | NULL\nb | 1970-01-01 00:00:00+00 | 1");
    expect(results.watermarkMs).toBe(17);
  });
});
