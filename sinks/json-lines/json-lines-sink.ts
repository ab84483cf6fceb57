import { assert } from "../../src/core/assert.js";
import type { AppendBatch, OutputBatch, OutputShape, ResultValue } from "../../src/core/output.js";
import type { Position } from "../../src/core/position.js";
import type { Sink, SinkCommit, SinkProgress } from "../../src/core/sink.js";

/** A value as JSON has it; bigint and numeric are text, since a double would not hold them all. */
type JsonCell = string | number | boolean | null;

/**
 * Writes results as lines of JSON, in order: `{"output", "row"}` for a row that is new or replaces
 * the one of its key, `{"output", "removedBefore"}` for windows that were removed. It remembers
 * nothing, so that it serves runs that begin from nothing and are not continued.
 */
export class JsonLinesSink implements Sink {
  readonly #print: (lines: string) => Promise<void>;
  readonly #shapes = new Map<string, OutputShape>();

  /** `print` takes whole lines and resolves when more may come. */
  constructor(print: (lines: string) => Promise<void>) {
    this.#print = print;
  }

  async open(): Promise<SinkProgress | null> {
    return null;
  }

  async prepare(outputs: readonly OutputShape[]): Promise<readonly string[]> {
    for (const shape of outputs) this.#shapes.set(shape.name, shape);
    return outputs.map(({ name }) => name);
  }

  async claim(epoch: number, position: Position): Promise<SinkProgress> {
    return { epoch, position, idleMs: null };
  }

  async stage(batches: readonly AppendBatch[]): Promise<void> {
    for (const batch of batches) await this.#print(this.#lines(batch));
  }

  async write({ outputs }: SinkCommit): Promise<void> {
    for (const batch of outputs) await this.#print(this.#lines(batch));
  }

  async reset(): Promise<void> {}

  async close(): Promise<void> {}

  #lines(batch: OutputBatch): string {
    const { output, removeBeforeMs, rowCount } = batch;
    const shape = this.#shapes.get(output);
    assert(shape !== undefined, "a sink is prepared for the outputs it is given");
    const columns =
      batch.kind === "view"
        ? batch.columns.map((column) => column.map(viewCell))
        : batch.cells.map((cells) => unpacked(cells, rowCount));
    const lines: string[] = [];
    if (removeBeforeMs !== null) {
      lines.push(JSON.stringify({ output, removedBefore: new Date(removeBeforeMs).toISOString() }));
    }
    for (let i = 0; i < rowCount; i++) {
      const cells = shape.columns.map(({ name }, c) => [name, columns[c]?.[i] ?? null]);
      lines.push(JSON.stringify({ output, row: Object.fromEntries(cells) }));
    }
    return lines.map((line) => `${line}\n`).join("");
  }
}

function viewCell(value: ResultValue): JsonCell {
  if (value === null || typeof value === "boolean") return value;
  return typeof value === "number" && Number.isFinite(value) ? value : String(value);
}

/** The texts of PackedCells. */
function unpacked(cells: Uint8Array, count: number): JsonCell[] {
  const bytes = Buffer.from(cells.buffer, cells.byteOffset, cells.length);
  const values: JsonCell[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    const length = bytes.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : bytes.toString("utf8", at, at + length));
    at += Math.max(0, length);
  }
  return values;
}
