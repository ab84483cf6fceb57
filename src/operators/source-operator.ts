import { type Batch, Op, type TransactionSlice } from "../core/batch.js";
import { TidemarkError } from "../core/errors.js";
import type { Operator } from "../core/operator.js";
import { columnIndex, type Relation } from "../core/relation.js";
import { emptyRows, type Rows } from "../core/rows.js";
import { StateNumber } from "../state/state-number.js";
import { StepState } from "../state/step-state.js";

/** Settings of {@link SourceOperator}. */
export interface SourceOperatorOptions {
  readonly id: string;
  /** `schema.name`. */
  readonly table: string;
  /** Column that says when a row happened; null takes the commit's time. */
  readonly eventTimeColumn: string | null;
  /** How far behind the newest event time a row may still come, in milliseconds. */
  readonly outOfOrderMs: number;
  /** Whether an update, delete or truncate stops the pipeline instead of passing as a change. */
  readonly isAppendOnly: boolean;
  /** Columns that operators downstream read: they must keep existing. */
  readonly columns: readonly string[];
  readonly next: readonly Operator[];
}

/**
 * Where a table's changes enter the pipeline: picks its rows out of a transaction, gives each its
 * event time, and draws the watermark.
 *
 * The watermark follows the greatest event time seen, less the bound, at each commit. An event time
 * ahead of its own commit (a wrong clock) does not move it past the commit, so that one bad row
 * cannot declare everything after it late.
 */
export class SourceOperator {
  readonly id: string;
  readonly table: string;
  readonly state: StepState;
  readonly #options: SourceOperatorOptions;
  readonly #rows: Rows = emptyRows();
  #relation: Relation | null = null;
  #eventTime = -1;
  readonly #maxEventMs = new StateNumber(Number.NEGATIVE_INFINITY);
  readonly #watermarkMs = new StateNumber(Number.NEGATIVE_INFINITY);

  constructor(options: SourceOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.table = options.table;
    // The bound is no fact: made smaller or larger, the watermark goes on from where it stands.
    this.state = new StepState({
      id: options.id,
      facts: { "event time": options.eventTimeColumn ?? "commit time" },
      values: [this.#maxEventMs, this.#watermarkMs],
    });
  }

  /** -Infinity before the first commit. */
  get watermarkMs(): number {
    return this.#watermarkMs.value;
  }

  /** Takes the changes of one slice that belong to this table. */
  onSlice(batch: Batch, slice: TransactionSlice): void {
    const { table, isAppendOnly } = this.#options;
    let relation: Relation | null = null;
    let isOurs = false;
    for (let i = slice.from; i < slice.to; i++) {
      const current = batch.relations[i] as Relation;
      if (current !== relation) {
        this.#flush(batch, slice);
        relation = current;
        isOurs = current.qualifiedName === table;
        if (isOurs) this.#bind(current);
      }
      if (!isOurs) continue;
      if (isAppendOnly && batch.ops[i] !== Op.insert) {
        throw notAppendOnly(table, batch.ops[i] as Op);
      }
      this.#push(i);
    }
    this.#flush(batch, slice);
  }

  /** The transaction is whole: the watermark may move. */
  onCommit(commitMs: number): void {
    const newest =
      this.#options.eventTimeColumn === null
        ? commitMs
        : Math.min(this.#maxEventMs.value, commitMs);
    this.#advance(newest - this.#options.outOfOrderMs);
  }

  /** The server's clock reached `serverMs` and nothing was open. */
  onIdle(serverMs: number): void {
    this.#advance(serverMs - this.#options.outOfOrderMs);
  }

  /** Tells the steps after it, whose state was restored, where the watermark stands. */
  announce(): void {
    for (const next of this.#options.next) next.onWatermark(this.#watermarkMs.value);
  }

  #advance(watermarkMs: number): void {
    if (!(watermarkMs > this.#watermarkMs.value)) return;
    this.#watermarkMs.value = watermarkMs;
    this.announce();
  }

  #push(i: number): void {
    const rows = this.#rows;
    if (rows.count === rows.indices.length) {
      const larger = new Int32Array(Math.max(512, rows.count * 2));
      larger.set(rows.indices);
      rows.indices = larger;
      rows.eventMs = new Float64Array(larger.length);
    }
    rows.indices[rows.count++] = i;
  }

  /** Sends what was selected so far: rows of one relation version. */
  #flush(batch: Batch, slice: TransactionSlice): void {
    const rows = this.#rows;
    if (rows.count === 0) return;
    rows.batch = batch;
    rows.relation = this.#relation as Relation;
    rows.slice = slice;
    if (this.#eventTime < 0) rows.eventMs.fill(Math.floor(slice.commitMs), 0, rows.count);
    else this.#readEventTimes(rows);
    for (const next of this.#options.next) next.onRows(rows);
    rows.count = 0;
  }

  #readEventTimes(rows: Rows): void {
    const { batch, indices, eventMs, count } = rows;
    const codec = rows.relation.columns[this.#eventTime]?.codec;
    let newest = this.#maxEventMs.value;
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const cell = (batch.after[i] as number) + 2 * this.#eventTime;
      const start = batch.cells[cell] as number;
      if (start < 0) {
        eventMs[k] = Number.NaN;
        continue;
      }
      const end = batch.cells[cell + 1] as number;
      const ms = codec?.readEpochMs?.(batch.bytes[i] as Uint8Array, start, end) ?? Number.NaN;
      eventMs[k] = ms;
      if (ms > newest) newest = ms;
    }
    this.#maxEventMs.value = newest;
  }

  #bind(relation: Relation): void {
    if (relation === this.#relation) return;
    for (const name of this.#options.columns) {
      const index = columnIndex(relation, name);
      const before = this.#relation?.columns.find((column) => column.name === name);
      const isSame = before === undefined || before.typeOid === relation.columns[index]?.typeOid;
      if (index < 0 || !isSame) throw schemaChanged(relation, name, index < 0);
    }
    this.#relation = relation;
    const { eventTimeColumn } = this.#options;
    this.#eventTime = eventTimeColumn === null ? -1 : columnIndex(relation, eventTimeColumn);
  }
}

function schemaChanged(relation: Relation, column: string, isGone: boolean): TidemarkError {
  const what = isGone
    ? "is gone from the stream (dropped, renamed, or left out of the publication's column list)"
    : "has another type now";
  return new TidemarkError(
    "SOURCE_SCHEMA_CHANGED",
    `Column ${column} of ${relation.qualifiedName}, which the pipeline uses, ${what}. ` +
      "Adapt the pipeline and run it with --reset, or undo the change; nothing after it was " +
      "acknowledged.",
    { detail: { table: relation.qualifiedName, column } },
  );
}

function notAppendOnly(table: string, op: Op): TidemarkError {
  const what =
    op === Op.update ? "An UPDATE of" : op === Op.delete ? "A DELETE from" : "A TRUNCATE of";
  return new TidemarkError(
    "APPEND_ONLY",
    `${what} ${table} arrived, but the pipeline declares that table append-only. If such changes ` +
      "are to be ignored, publish only inserts: ALTER PUBLICATION ... SET (publish = 'insert'); " +
      "then run with --reset. Nothing from that transaction on was acknowledged.",
    { detail: { table } },
  );
}
