import { Row } from "../src/core/row.js";
import type { Rows } from "../src/core/rows.js";

/** A step of a sequence as the naive matcher knows it. */
export interface NaiveStep {
  readonly where: (row: Row) => boolean;
  readonly isStrict: boolean;
  readonly isLoop: boolean;
}

interface Partial {
  readonly step: number;
  readonly startMs: number;
  readonly rows: readonly Record<string, unknown>[];
}

/**
 * What one writes first: an array of partial matches a key, rows as plain objects, each tried on
 * every row. The baseline of the pattern benchmark.
 */
export class NaiveMatcher {
  matches = 0;
  readonly #steps: readonly NaiveStep[];
  readonly #withinMs: number;
  readonly #key: string;
  readonly #partials = new Map<unknown, Partial[]>();

  constructor(steps: readonly NaiveStep[], withinMs: number, key: string) {
    this.#steps = steps;
    this.#withinMs = withinMs;
    this.#key = key;
  }

  onRows(rows: Rows): void {
    const { batch, relation, indices, images, eventMs } = rows;
    for (let k = 0; k < rows.count; k++) {
      const bytes = batch.bytes[indices[k] as number] as Uint8Array;
      const row = Row.of(relation, bytes, batch.cells, images[k] as number);
      const object = Row.toObject(row, relation);
      this.#offer(object[this.#key], row, { object, ms: eventMs[k] as number });
    }
  }

  #offer(
    key: unknown,
    row: Row,
    { object, ms }: { readonly object: Record<string, unknown>; readonly ms: number },
  ): void {
    const kept: Partial[] = [];
    const start: Partial = { step: 0, startMs: ms, rows: [] };
    for (const partial of [...(this.#partials.get(key) ?? []), start]) {
      if (ms - partial.startMs >= this.#withinMs) continue;
      const step = this.#steps[partial.step] as NaiveStep;
      const fits = step.where(row);
      const grown = { ...partial, rows: [...partial.rows, object] };
      const before = this.#steps[partial.step - 1];
      if (before?.isLoop && before.where(row)) kept.push(grown);
      if (fits && partial.step + 1 === this.#steps.length) this.matches++;
      else if (fits) kept.push({ ...grown, step: partial.step + 1 });
      else if (partial !== start && !step.isStrict && !before?.isLoop) kept.push(partial);
    }
    if (kept.length > 0) this.#partials.set(key, kept);
    else this.#partials.delete(key);
  }
}
