import type { OutputShape, ResultValue, ViewBatch } from "../../core/output.js";
import type { AggregateList } from "./aggregate-list.js";
import { decodeGroupKey } from "./group-key.js";

/** What names a row of a view besides its group, and what follows from that. */
export interface WindowCells {
  /** Cells of the columns that belong to the row's name; none without windows. */
  readonly names: readonly ResultValue[];
  /** Cells behind them that the name determines, such as a window's end. */
  readonly others: readonly ResultValue[];
}

/** The result of a window of a group. */
export interface WindowResult {
  /** Its number, by which windows leave the view. */
  readonly window: number;
  readonly cells: WindowCells;
  /** Where its aggregates stand. */
  readonly slot: number;
}

/** Settings of {@link ViewRows}. */
export interface ViewRowsOptions {
  readonly shape: OutputShape;
  readonly keyCount: number;
  readonly aggregates: AggregateList;
}

/** The rows that a view gets and loses at one collection. */
export class ViewRows {
  readonly #options: ViewRowsOptions;
  #columns: ResultValue[][] = [];
  #windows: number[] = [];
  /** Names of rows that are gone, a list a column; null when there are none. */
  #gone: ResultValue[][] | null = null;

  constructor(options: ViewRowsOptions) {
    this.#options = options;
    this.#columns = options.shape.columns.map(() => []);
  }

  /** How many rows there are. */
  get rowCount(): number {
    return this.#windows.length;
  }

  /** The row of the group with these key bytes and this window has the results of `slot`. */
  put(key: Uint8Array, { window, slot, cells: { names, others } }: WindowResult): void {
    const columns = this.#columns;
    let c = this.#pushName(columns, key, names);
    for (const cell of others) (columns[c++] as ResultValue[]).push(cell);
    this.#options.aggregates.pushResults(slot, columns, c);
    this.#windows.push(window);
  }

  /** The row has to leave the view, if it is there. */
  remove(key: Uint8Array, { names }: WindowCells): void {
    const { columns } = this.#options.shape;
    this.#gone ??= columns.filter(({ role }) => role !== "value").map(() => []);
    this.#pushName(this.#gone, key, names);
  }

  /**
   * Everything since the last call as one batch; null when it says nothing. Rows of windows before
   * `removeBeforeMs` are left out: they have come and gone.
   */
  take(removeBeforeMs: number | null, isWhole: boolean): ViewBatch | null {
    if (removeBeforeMs !== null) this.#leaveOut(removeBeforeMs);
    const { shape } = this.#options;
    const [columns, rowCount, gone] = [this.#columns, this.rowCount, this.#gone];
    this.clear();
    const isNothing = rowCount === 0 && gone === null && removeBeforeMs === null;
    if (isNothing && !isWhole) return null;
    return { kind: "view", output: shape.name, rowCount, columns, gone, removeBeforeMs, isWhole };
  }

  clear(): void {
    this.#columns = this.#options.shape.columns.map(() => []);
    this.#windows = [];
    this.#gone = null;
  }

  #leaveOut(beforeMs: number): void {
    const windows = this.#windows;
    if (!windows.some((window) => window < beforeMs)) return;
    const isKept = (_: unknown, i: number): boolean => !((windows[i] as number) < beforeMs);
    this.#columns = this.#columns.map((column) => column.filter(isKept));
    this.#windows = windows.filter(isKept);
  }

  /** Appends key and names; returns how many columns that were. */
  #pushName(columns: ResultValue[][], key: Uint8Array, names: readonly ResultValue[]): number {
    let c = 0;
    for (const value of decodeGroupKey(key, this.#options.keyCount)) {
      (columns[c++] as ResultValue[]).push(value);
    }
    for (const name of names) (columns[c++] as ResultValue[]).push(name);
    return c;
  }
}
