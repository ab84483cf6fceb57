import { TidemarkError } from "../../core/errors.js";
import { isPoison } from "../../core/poison.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import { commitTime } from "../commit-time.js";
import type { DeadLetters } from "./dead-letters.js";

/** Settings of {@link PoisonGate}. */
export interface PoisonGateOptions {
  /** Id of the source it stands behind. */
  readonly source: string;
  readonly letters: DeadLetters;
  /** Columns that steps behind it read without asking for the row. */
  readonly columns: readonly string[];
  /** Columns whose values a letter does not show. */
  readonly mask: readonly string[];
  /** Columns that name what is blocked after a row failed; null blocks nothing. */
  readonly blockBy: readonly string[] | null;
}

/**
 * Keeps from a source's steps the rows that they could not take. Cells are read here once before,
 * since a step that fails half-way through a selection has already counted a part of it.
 */
export class PoisonGate {
  readonly #options: PoisonGateOptions;
  #relation: Relation | null = null;
  #columns: readonly number[] = [];
  #key: readonly number[] = [];

  constructor(options: PoisonGateOptions) {
    this.#options = options;
  }

  /**
   * Whether a row can block those after it, which must then come one by one, so that it does not
   * matter how they were cut into batches.
   */
  get isKeyed(): boolean {
    return this.#options.blockBy !== null;
  }

  /** Whether row `k` may pass; otherwise it has become a dead letter. */
  admits(rows: Rows, k: number): boolean {
    if (rows.relation !== this.#relation) this.#bind(rows.relation);
    const { source, letters } = this.#options;
    if (this.isKeyed && letters.blocked.has(source, this.#keyOf(rows, k))) {
      const reason = "held back: an earlier row of its key became a dead letter";
      this.#write(rows, k, { step: source, code: null, reason });
      return false;
    }
    try {
      for (const column of this.#columns) readCell(rows, k, column);
    } catch (error) {
      this.divert(rows, k, { step: source, error });
      return false;
    }
    return true;
  }

  /** Makes a dead letter of row `k`, for which `step` failed; other errors are thrown on. */
  divert(
    rows: Rows,
    k: number,
    { step, error }: { readonly step: string; readonly error: unknown },
  ): void {
    if (!(error instanceof TidemarkError) || !isPoison(error.code)) throw error;
    this.#write(rows, k, { step, code: error.code, reason: error.message });
    if (!this.isKeyed) return;
    this.#options.letters.blocked.add(this.#options.source, this.#keyOf(rows, k));
  }

  #write(
    rows: Rows,
    k: number,
    why: { readonly step: string; readonly code: string | null; readonly reason: string },
  ): void {
    const { relation, slice } = rows;
    this.#options.letters.add({
      ...why,
      commitLsn: slice.commitLsn,
      ordinal: slice.firstOrdinal + (rows.indices[k] as number) - slice.from,
      committedAt: commitTime(slice.commitMs),
      table: relation.qualifiedName,
      op: "insert",
      row: this.#json(rows, k),
    });
  }

  #json(rows: Rows, k: number): string {
    const { mask } = this.#options;
    const row: [string, string | null][] = rows.relation.columns.map(({ name }, index) => {
      return [name, mask.includes(name) ? "***" : cellText(rows, k, index)];
    });
    const parts = row.map(([name, text]) => `${JSON.stringify(name)}:${JSON.stringify(text)}`);
    return `{${parts.join(",")}}`;
  }

  #keyOf(rows: Rows, k: number): string {
    return JSON.stringify(this.#key.map((index) => cellText(rows, k, index)));
  }

  #bind(relation: Relation): void {
    const { columns, blockBy } = this.#options;
    const indexOf = (name: string): number => columnIndex(relation, name);
    this.#columns = columns.map(indexOf).filter((index) => index >= 0);
    this.#key = (blockBy ?? []).map(indexOf);
    this.#relation = relation;
  }
}

function readCell(rows: Rows, k: number, column: number): void {
  const { batch, indices, images, relation } = rows;
  const at = (images[k] as number) + 2 * column;
  const start = batch.cells[at] as number;
  if (start < 0) return;
  const bytes = batch.bytes[indices[k] as number] as Uint8Array;
  relation.columns[column]?.codec.decode(bytes, start, batch.cells[at + 1] as number);
}

function cellText(rows: Rows, k: number, column: number): string | null {
  const { batch, indices, images } = rows;
  const at = (images[k] as number) + 2 * column;
  const start = batch.cells[at] as number;
  if (start < 0) return null;
  const bytes = batch.bytes[indices[k] as number] as Uint8Array;
  return UTF8.decode(bytes.subarray(start, batch.cells[at + 1] as number));
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
