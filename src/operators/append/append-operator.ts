import { type Batch, NO_IMAGE, NULL_CELL, Op, UNCHANGED_CELL } from "../../core/batch.js";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, type Lsn } from "../../core/lsn.js";
import type { OperatorState, OutputOperator } from "../../core/operator.js";
import type { AppendBatch, OutputShape } from "../../core/output.js";
import type { PackedCells } from "../../core/packed-cells.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import { StepState } from "../../state/step-state.js";
import { commitTime } from "../commit-time.js";
import { HeldRows } from "./held-rows.js";
import { imageJson } from "./image-json.js";
import { Retention } from "./retention.js";

/** A column of the source that is kept. */
export interface AppendedColumn {
  readonly name: string;
  readonly typeOid: number;
}

/** Settings of {@link AppendOperator}. */
export interface AppendOperatorOptions {
  readonly id: string;
  /** As `appendShape` makes it. */
  readonly shape: OutputShape;
  readonly columns: readonly AppendedColumn[];
  /** Whether only inserts come, so that there is no `_before`. */
  readonly isAppendOnly: boolean;
  /** Rows committed so long before the newest are removed; null keeps all. */
  readonly retainMs: number | null;
}

const UTF8 = new TextEncoder();
const OPS: Readonly<Record<Op, Uint8Array>> = {
  [Op.insert]: UTF8.encode("insert"),
  [Op.update]: UTF8.encode("update"),
  [Op.delete]: UTF8.encode("delete"),
  [Op.truncate]: UTF8.encode("truncate"),
};

/** Places of the columns that every append table begins with. */
const FIELD = { lsn: 0, ordinal: 1, op: 2, time: 3, missing: 4, before: 5 } as const;

/**
 * One result row a change, with its position: the commit LSN and the ordinal, which no other change
 * has. A row is what the log says of a change: the new row of an insert or update, the old one of a
 * delete, nothing of a truncate. A value that the log does not hold (an unchanged TOAST value, all
 * but the key in a delete, a column the message has not) is NULL, and its column is named in
 * `_missing`, so that it cannot be taken for a NULL of the source.
 *
 * There is no state: what is held are the rows since the last collection, as packed bytes, so that
 * `heldBytes` is what they take. The session bounds it.
 */
export class AppendOperator implements OutputOperator {
  readonly id: string;
  readonly state: OperatorState;
  readonly #options: AppendOperatorOptions;
  readonly #held: HeldRows;
  readonly #first: number;
  readonly #retention: Retention;
  #relation: Relation | null = null;
  #indices: number[] = [];
  #absent: readonly string[] = [];
  #lsn: Lsn | null = null;
  #lsnText: Uint8Array = UTF8.encode("");
  #timeText: Uint8Array = UTF8.encode("");
  /** By row of the selection: the columns that the change does not hold. */
  readonly #missing: (string[] | undefined)[] = [];

  constructor(options: AppendOperatorOptions) {
    this.id = options.id;
    this.state = new StepState({ id: options.id, facts: {}, values: [] });
    this.#options = options;
    this.#held = new HeldRows(options.shape.name, options.shape.columns.length);
    this.#first = options.shape.columns.length - options.columns.length;
    this.#retention = new Retention(options.retainMs);
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  onRows(rows: Rows): void {
    if (rows.relation !== this.#relation) this.#bind(rows.relation);
    this.#retention.see(rows.slice.commitMs);
    this.#missing.length = 0;
    const { columns } = this.#options;
    for (let c = 0; c < columns.length; c++) this.#addColumn(rows, c);
    this.#addPositions(rows);
    this.#addMissing(rows);
    if (!this.#options.isAppendOnly) this.#addBefore(rows);
    this.#held.grow(rows.count);
  }

  /** The order is that of the commits; event time does not matter here. */
  onWatermark(): void {}

  /** A truncate is a row like any other change. */
  onClear(): void {}

  collect(): AppendBatch | null {
    return this.#held.take(this.#retention.take());
  }

  /** What was appended once is not kept, so that it cannot be given again. */
  resend(): boolean {
    return false;
  }

  replace(): boolean {
    return false;
  }

  discard(): void {
    this.#held.clear();
  }

  #field(name: keyof typeof FIELD): PackedCells {
    return this.#held.column(FIELD[name]);
  }

  #addColumn({ batch, indices, count, relation }: Rows, c: number): void {
    const index = this.#indices[c] as number;
    const cells = this.#held.column(this.#first + c);
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const at = index < 0 ? -1 : cellOf(batch, i, index);
      const start = at < 0 ? NULL_CELL : (batch.cells[at] as number);
      if (start >= 0) {
        cells.addBytes(batch.bytes[i] as Uint8Array, start, batch.cells[at + 1] as number);
        continue;
      }
      cells.addNull();
      if (index < 0 || batch.ops[i] === Op.insert) continue;
      const column = relation.columns[index];
      const isUnsent = batch.ops[i] === Op.delete && column?.isKey === false;
      if (start !== UNCHANGED_CELL && !isUnsent) continue;
      this.#missing[k] ??= [];
      this.#missing[k]?.push(column?.name ?? "");
    }
  }

  #addPositions({ batch, indices, count, slice }: Rows): void {
    const lsn = this.#field("lsn");
    const ordinal = this.#field("ordinal");
    const op = this.#field("op");
    const time = this.#field("time");
    if (slice.commitLsn !== this.#lsn) {
      this.#lsn = slice.commitLsn;
      this.#lsnText = UTF8.encode(formatLsn(slice.commitLsn));
      this.#timeText = UTF8.encode(commitTime(slice.commitMs));
    }
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      lsn.add(this.#lsnText);
      addInteger(ordinal, slice.firstOrdinal + i - slice.from);
      op.add(OPS[batch.ops[i] as Op]);
      time.add(this.#timeText);
    }
  }

  #addMissing({ batch, indices, count }: Rows): void {
    const cells = this.#field("missing");
    for (let k = 0; k < count; k++) {
      const isTruncate = batch.ops[indices[k] as number] === Op.truncate;
      const names = isTruncate ? [] : [...this.#absent, ...(this.#missing[k] ?? [])];
      if (names.length === 0) cells.addNull();
      else cells.add(UTF8.encode(arrayText(names)));
    }
  }

  #addBefore({ batch, indices, count, relation }: Rows): void {
    const cells = this.#field("before");
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      if (batch.ops[i] !== Op.update || batch.before[i] === NO_IMAGE) cells.addNull();
      else cells.add(UTF8.encode(imageJson(batch, i, { relation, indices: this.#indices })));
    }
  }

  #bind(relation: Relation): void {
    const indices: number[] = [];
    const absent: string[] = [];
    for (const { name, typeOid } of this.#options.columns) {
      const index = columnIndex(relation, name);
      const wasThere = this.#relation !== null && !this.#absent.includes(name);
      const isSame = relation.columns[index]?.typeOid === typeOid;
      if (index < 0 ? wasThere : !isSame) throw schemaChanged(relation, name, index < 0);
      if (index < 0) absent.push(name);
      indices.push(index);
    }
    this.#relation = relation;
    this.#indices = indices;
    this.#absent = absent;
  }
}

/** Place in `cells` of a column's best value in change `i`; -1 when the change has no row. */
function cellOf(batch: Batch, i: number, index: number): number {
  const after = batch.after[i] as number;
  const before = batch.before[i] as number;
  if (after === NO_IMAGE) return before === NO_IMAGE ? -1 : before + 2 * index;
  const at = after + 2 * index;
  // An update that did not send a TOAST value has it in the old row, if it sent that whole.
  const isUnchanged = batch.cells[at] === UNCHANGED_CELL && before !== NO_IMAGE;
  return isUnchanged && (batch.cells[before + 2 * index] as number) >= 0 ? before + 2 * index : at;
}

const digits = new Uint8Array(20);

/** The text of a whole number that is not negative, without a string on the way. */
function addInteger(cells: PackedCells, value: number): void {
  let at = digits.length;
  let rest = value;
  do {
    const tenth = Math.floor(rest / 10);
    digits[--at] = 0x30 + rest - tenth * 10;
    rest = tenth;
  } while (rest > 0);
  cells.addBytes(digits, at, digits.length);
}

/** PostgreSQL's text of a `text[]`. */
function arrayText(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

function schemaChanged(relation: Relation, column: string, isGone: boolean): TidemarkError {
  return new TidemarkError(
    "SOURCE_SCHEMA_CHANGED",
    `Column ${column} of ${relation.qualifiedName}, which an append table keeps, ` +
      `${isGone ? "was dropped or renamed" : "has another type than the table was made for"}. ` +
      "Nothing after the change was acknowledged: give the table another name, or leave the " +
      "column out with append(table, { columns }).",
    { detail: { table: relation.qualifiedName, column } },
  );
}
