import type { CatalogColumn } from "../../core/catalog.js";
import { formatLsn, type Lsn } from "../../core/lsn.js";
import type { OperatorState, OutputOperator } from "../../core/operator.js";
import type { AppendBatch, OutputColumn, OutputShape } from "../../core/output.js";
import type { PackedCells } from "../../core/packed-cells.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import { StepState } from "../../state/step-state.js";
import { HeldRows } from "../append/held-rows.js";
import { Retention } from "../append/retention.js";
import { commitTime } from "../commit-time.js";

const UTF8 = new TextEncoder();
const CAME = UTF8.encode("came");
const LEFT = UTF8.encode("left");

const OWN_COLUMNS: readonly OutputColumn[] = [
  { name: "_commit_lsn", sqlType: "pg_lsn", role: "position" },
  { name: "_sequence", sqlType: "bigint", role: "position" },
  { name: "_change", sqlType: "text", role: "value" },
  { name: "_committed_at", sqlType: "timestamp with time zone", role: "time" },
];

/** The columns of a table of late rows: where they stood, and what the window reads of them. */
export function lateShape(table: string, columns: readonly CatalogColumn[]): OutputShape {
  const values = columns.map(({ name, typeName }): OutputColumn => {
    return { name, sqlType: typeName, role: "value" };
  });
  return { kind: "append", name: table, columns: [...OWN_COLUMNS, ...values] };
}

/** Settings of {@link LateRows}. */
export interface LateRowsOptions {
  readonly id: string;
  readonly shape: OutputShape;
  readonly retainMs: number | null;
}

/**
 * Rows that some window they belong to no longer took, as one more output: with the commit they
 * came in, a number that counts them within it, and whether they came into the table or left it.
 */
export class LateRows implements OutputOperator {
  readonly id: string;
  readonly state: OperatorState;
  readonly #options: LateRowsOptions;
  readonly #held: HeldRows;
  readonly #retention: Retention;
  #lsn: Lsn | null = null;
  #sequence = 0;
  #relation: Relation | null = null;
  #columns: readonly number[] = [];

  constructor(options: LateRowsOptions) {
    this.id = options.id;
    this.state = new StepState({ id: options.id, facts: {}, values: [] });
    this.#options = options;
    this.#held = new HeldRows(options.shape.name, options.shape.columns.length);
    this.#retention = new Retention(options.retainMs);
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Takes row `k`. */
  add(rows: Rows, k: number): void {
    const { batch, relation, slice, weight } = rows;
    if (relation !== this.#relation) this.#bind(relation);
    if (slice.commitLsn !== this.#lsn) {
      this.#lsn = slice.commitLsn;
      this.#sequence = 0;
    }
    const bytes = batch.bytes[rows.indices[k] as number] as Uint8Array;
    const image = rows.images[k] as number;
    let c = 0;
    const next = (): PackedCells => this.#held.column(c++);
    next().add(UTF8.encode(formatLsn(slice.commitLsn)));
    next().add(UTF8.encode(String(this.#sequence++)));
    next().add(weight > 0 ? CAME : LEFT);
    next().add(UTF8.encode(commitTime(slice.commitMs)));
    for (const column of this.#columns) {
      const start = batch.cells[image + 2 * column] as number;
      if (start < 0) next().addNull();
      else next().addBytes(bytes, start, batch.cells[image + 2 * column + 1] as number);
    }
    this.#held.grow(1);
  }

  onRows(): void {}

  onWatermark(watermarkMs: number): void {
    this.#retention.see(watermarkMs);
  }

  onClear(): void {}

  collect(): AppendBatch | null {
    return this.#held.take(this.#retention.take());
  }

  /** What was given out once is not kept, so that it cannot be given again. */
  resend(): boolean {
    return false;
  }

  replace(): boolean {
    return false;
  }

  discard(): void {
    this.#held.clear();
  }

  #bind(relation: Relation): void {
    this.#relation = relation;
    const own = OWN_COLUMNS.length;
    this.#columns = this.#options.shape.columns
      .slice(own)
      .map(({ name }) => columnIndex(relation, name));
  }
}
