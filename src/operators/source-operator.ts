import { type Batch, COPY_XID, NULL_CELL, Op, type TransactionSlice } from "../core/batch.js";
import { TidemarkError } from "../core/errors.js";
import type { Operator } from "../core/operator.js";
import { columnIndex, type Relation } from "../core/relation.js";
import { emptyRows, pushRow, type Rows } from "../core/rows.js";
import { StateNumber } from "../state/state-number.js";
import { StepState } from "../state/step-state.js";
import { KeptRows } from "./kept-rows.js";
import type { PoisonGate } from "./poison/poison-gate.js";

/**
 * What a table's changes become. `inserts`: rows; any other change stops the pipeline. `changes`:
 * each change as it is. `images`, `kept`: rows that come in and rows that leave, where an update is
 * both; what leaves is the old row that the log carries (REPLICA IDENTITY FULL), or the row that is
 * kept here.
 */
export type SourceMode = "inserts" | "changes" | "images" | "kept";

/** Settings of {@link SourceOperator}. */
export interface SourceOperatorOptions {
  readonly id: string;
  /** `schema.name`. */
  readonly table: string;
  /** Column that says when a row happened; null takes the commit's time. */
  readonly eventTimeColumn: string | null;
  /** How far behind the newest event time a row may still come, in milliseconds. */
  readonly outOfOrderMs: number;
  /** Whether the rows of a copy are for this step. */
  readonly isCopied: boolean;
  /** What passes: see SourceMode. */
  readonly mode: SourceMode;
  /** In mode "kept": columns that are kept of each row. */
  readonly keptColumns?: readonly string[];
  /** In mode "kept": names of the replica identity's columns, as `KeptRows.keyOf` gives them. */
  readonly keyColumns?: string;
  /** Columns that operators downstream read: they must keep existing. */
  readonly columns: readonly string[];
  /** Keeps poison rows from the steps behind; null lets them stop the pipeline. */
  readonly gate: PoisonGate | null;
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
  /** Rows that leave, in mode "images". */
  readonly #left: Rows = emptyRows();
  readonly #kept: KeptRows | null;
  #relation: Relation | null = null;
  #eventTime = -1;
  readonly #maxEventMs = new StateNumber(Number.NEGATIVE_INFINITY);
  readonly #watermarkMs = new StateNumber(Number.NEGATIVE_INFINITY);

  constructor(options: SourceOperatorOptions) {
    const { mode, keptColumns = [] } = options;
    this.#options = options;
    this.id = options.id;
    this.table = options.table;
    this.#left.weight = -1;
    this.#kept = mode === "kept" ? new KeptRows(keptColumns) : null;
    const eventTime = { "event time": options.eventTimeColumn ?? "commit time" };
    // The bound is no fact: made smaller or larger, the watermark goes on from where it stands.
    this.state = new StepState({
      id: options.id,
      facts: this.#kept === null ? eventTime : { ...eventTime, kept: keptColumns.join(", ") },
      values: [this.#maxEventMs, this.#watermarkMs],
      ...(this.#kept === null ? {} : { keyed: this.#kept.keyed }),
    });
  }

  /** -Infinity before the first commit. */
  get watermarkMs(): number {
    return this.#watermarkMs.value;
  }

  /** Takes the changes of one slice that belong to this table. */
  onSlice(batch: Batch, slice: TransactionSlice): void {
    const { table, isCopied } = this.#options;
    if (slice.xid === COPY_XID && !isCopied) return;
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
      if (isOurs) this.#take(batch, slice, i);
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

  /** Selects what change `i` brings and takes away. */
  #take(batch: Batch, slice: TransactionSlice, i: number): void {
    const { mode, table } = this.#options;
    const op = batch.ops[i] as Op;
    const after = batch.after[i] as number;
    if (op === Op.insert && mode !== "kept") pushRow(this.#rows, i, after);
    else if (mode === "inserts") throw notAppendOnly(table, op);
    else if (mode === "changes") pushRow(this.#rows, i, after);
    else if (op === Op.truncate) this.#clear(batch, slice);
    else if (this.#kept !== null) this.#takeKept(this.#kept, batch, i);
    else {
      pushRow(this.#left, i, batch.before[i] as number);
      if (op === Op.update) pushRow(this.#rows, i, after);
    }
  }

  #takeKept(kept: KeptRows, batch: Batch, i: number): void {
    const op = batch.ops[i] as Op;
    if (op === Op.delete) kept.delete(batch, i);
    else if (op === Op.insert) kept.insert(batch, i);
    else if (kept.update(batch, i)) return; // the row is complete in `filled`
    if (op !== Op.delete) pushRow(this.#rows, i, batch.after[i] as number);
  }

  #clear(batch: Batch, slice: TransactionSlice): void {
    this.#flush(batch, slice);
    this.#kept?.keyed.removeAll();
    for (const next of this.#options.next) next.onClear();
  }

  /**
   * Sends what was selected so far: rows of one relation version. What comes in is sent before what
   * leaves, so that a row that did both within the transaction is never missing.
   */
  #flush(batch: Batch, slice: TransactionSlice): void {
    const kept = this.#kept;
    this.#rows.batch = batch;
    this.#left.batch = batch;
    this.#send(this.#rows, slice);
    this.#send(this.#left, slice);
    if (kept === null) return;
    this.#send(kept.filled, slice);
    this.#send(kept.left, slice);
    kept.begin();
  }

  #send(rows: Rows, slice: TransactionSlice): void {
    if (rows.count === 0) return;
    rows.relation = this.#relation as Relation;
    rows.slice = slice;
    const { gate } = this.#options;
    if (gate === null) this.#pass(rows);
    else if (gate.isKeyed) this.#passOneByOne(rows, gate);
    else this.#passAdmitted(rows, gate);
    rows.count = 0;
  }

  #passAdmitted(rows: Rows, gate: PoisonGate): void {
    const { count } = rows;
    rows.count = 0;
    for (let k = 0; k < count; k++) {
      if (!gate.admits(rows, k)) continue;
      pushRow(rows, rows.indices[k] as number, rows.images[k] as number);
    }
    if (rows.count > 0) this.#pass(rows);
  }

  #passOneByOne(rows: Rows, gate: PoisonGate): void {
    const [indices, images] = [new Int32Array(1), new Int32Array(1)];
    const one: Rows = { ...rows, indices, images, eventMs: new Float64Array(1), count: 1 };
    for (let k = 0; k < rows.count; k++) {
      indices[0] = rows.indices[k] as number;
      images[0] = rows.images[k] as number;
      if (gate.admits(one, 0)) this.#pass(one);
    }
  }

  #pass(rows: Rows): void {
    if (this.#eventTime < 0) rows.eventMs.fill(Math.floor(rows.slice.commitMs), 0, rows.count);
    else this.#readEventTimes(rows);
    for (const next of this.#options.next) next.onRows(rows);
  }

  #readEventTimes(rows: Rows): void {
    const { batch, indices, images, eventMs, count } = rows;
    const codec = rows.relation.columns[this.#eventTime]?.codec;
    let newest = this.#maxEventMs.value;
    for (let k = 0; k < count; k++) {
      const image = images[k] as number;
      const cell = image + 2 * this.#eventTime;
      const start = image < 0 ? NULL_CELL : (batch.cells[cell] as number);
      if (start < 0) {
        eventMs[k] = Number.NaN;
        continue;
      }
      const bytes = batch.bytes[indices[k] as number] as Uint8Array;
      const ms = codec?.readEpochMs?.(bytes, start, batch.cells[cell + 1] as number) ?? Number.NaN;
      eventMs[k] = ms;
      if (ms > newest) newest = ms;
    }
    this.#maxEventMs.value = newest;
  }

  /** Old rows come from where the plan was made for, or the views would be wrong in silence. */
  #refuseIdentity(relation: Relation): void {
    const { mode, keyColumns } = this.#options;
    const isFull = relation.replicaIdentity === "full";
    if (mode === "images" && !isFull) throw identityChanged(relation, "FULL");
    if (mode !== "kept") return;
    const key = KeptRows.keyOf(relation);
    if (isFull || key !== keyColumns) throw identityChanged(relation, `(${keyColumns})`);
  }

  #bind(relation: Relation): void {
    if (relation === this.#relation) return;
    for (const name of this.#options.columns) {
      const index = columnIndex(relation, name);
      const before = this.#relation?.columns.find((column) => column.name === name);
      const isSame = before === undefined || before.typeOid === relation.columns[index]?.typeOid;
      if (index < 0 || !isSame) throw schemaChanged(relation, name, index < 0);
    }
    this.#refuseIdentity(relation);
    this.#relation = relation;
    this.#kept?.bind(relation);
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

function identityChanged(relation: Relation, wanted: string): TidemarkError {
  return new TidemarkError(
    "SOURCE_SCHEMA_CHANGED",
    `The replica identity of ${relation.qualifiedName} is no longer ${wanted}, from which the ` +
      "pipeline takes the old rows of updates and deletes. Undo the change, or run with --reset; " +
      "nothing after it was acknowledged.",
    { detail: { table: relation.qualifiedName } },
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
