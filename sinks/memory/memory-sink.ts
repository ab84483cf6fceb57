import { assert } from "../../src/core/assert.js";
import { TidemarkError } from "../../src/core/errors.js";
import { type Lsn, ZERO_LSN } from "../../src/core/lsn.js";
import type { AppendBatch, OutputBatch, OutputShape, ResultValue } from "../../src/core/output.js";
import { unpackCells } from "../../src/core/packed-cells.js";
import type { Position } from "../../src/core/position.js";
import type { ResultsFate, Sink, SinkCommit, SinkProgress } from "../../src/core/sink.js";
import { daysFromCivil, Timestamp } from "../../src/core/timestamp.js";

type MemoryRow = readonly ResultValue[];

interface MemoryView {
  readonly shape: OutputShape;
  /** By the text of the columns that name a row. */
  readonly rows: ReadonlyMap<string, MemoryRow>;
}

/** What the sinks of one pipeline share. It outlives each of them, as a database would. */
export class MemoryResults {
  progress: SinkProgress | null = null;
  /** Up to here a crash of the sink would lose nothing. */
  durableLsn: Lsn = ZERO_LSN;
  watermarkMs: number | null = null;
  views: ReadonlyMap<string, MemoryView> = new Map();

  /** The rows of a view as text, in an order that depends on nothing but the rows. */
  rows(output: string): (string | null)[][] {
    const rows = [...(this.views.get(output)?.rows.values() ?? [])].map((row) => row.map(cellText));
    return rows
      .map((row) => [JSON.stringify(row), row] as const)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([, row]) => row);
  }

  /** {@link rows}, a line each. */
  print(output: string): string {
    return this.rows(output)
      .map((row) => row.map((cell) => cell ?? "NULL").join(" | "))
      .join("\n");
  }
}

/**
 * Views and append tables in memory, for tests. A new sink on the same {@link MemoryResults} finds
 * what the one before it has written.
 */
export class MemorySink implements Sink {
  readonly #shared: MemoryResults;
  readonly #prepared = new Map<string, OutputShape>();
  #isOpen = false;
  #staged: readonly AppendBatch[] = [];

  constructor(shared: MemoryResults) {
    this.#shared = shared;
  }

  async open(): Promise<SinkProgress | null> {
    this.#isOpen = true;
    return this.#opened().progress;
  }

  async prepare(outputs: readonly OutputShape[]): Promise<readonly string[]> {
    const shared = this.#opened();
    const isEmpty = (name: string): boolean => (shared.views.get(name)?.rows.size ?? 0) === 0;
    const empty = outputs.map(({ name }) => name).filter(isEmpty);
    for (const shape of outputs) {
      this.#prepared.set(shape.name, shape);
      const rows = shared.views.get(shape.name)?.rows ?? new Map();
      shared.views = new Map(shared.views).set(shape.name, { shape, rows });
    }
    return empty;
  }

  async claim(epoch: number, position: Position, isAnew = false): Promise<SinkProgress> {
    const shared = this.#opened();
    const { progress } = shared;
    if (progress !== null && progress.epoch >= epoch) throw fenced();
    shared.progress = { position, idleMs: null, ...(isAnew ? null : progress), epoch };
    shared.durableLsn = shared.progress.position.lsn;
    return shared.progress;
  }

  async stage(batches: readonly AppendBatch[]): Promise<void> {
    this.#opened();
    this.#staged = [...this.#staged, ...batches];
  }

  async write(commit: SinkCommit): Promise<void> {
    const shared = this.#opened();
    const { epoch, position, idleMs, watermarkMs } = commit;
    const outputs = [...this.#staged, ...commit.outputs];
    this.#staged = [];
    const current = shared.progress;
    const isWriter = current?.epoch === epoch && current.position.systemId === position.systemId;
    if (!isWriter || current.position.lsn > position.lsn) throw fenced();
    const views = new Map(shared.views);
    for (const batch of outputs) {
      const view = views.get(batch.output);
      assert(
        view !== undefined && this.#prepared.has(batch.output),
        "a sink is prepared for the outputs it is given",
      );
      views.set(batch.output, applied(view, batch));
    }
    shared.views = views;
    shared.progress = { epoch, position, idleMs };
    if (commit.mustBeDurable) shared.durableLsn = position.lsn;
    shared.watermarkMs = watermarkMs;
  }

  async reset(outputs: readonly string[], fate: ResultsFate = "drop"): Promise<void> {
    const shared = this.#opened();
    shared.progress = null;
    shared.watermarkMs = null;
    const views = new Map(shared.views);
    for (const name of outputs) {
      const view = views.get(name);
      if (view === undefined || fate === "keep") continue;
      if (fate === "empty") views.set(name, { ...view, rows: new Map() });
      else views.delete(name);
    }
    shared.views = views;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#staged = [];
  }

  #opened(): MemoryResults {
    assert(this.#isOpen, "a sink is opened before it is used");
    return this.#shared;
  }
}

function applied({ shape, rows: before }: MemoryView, batch: OutputBatch): MemoryView {
  const time = shape.columns.findIndex((column) => column.role === "time");
  const { removeBeforeMs } = batch;
  const kept = batch.kind === "view" && batch.isWhole ? [] : [...before];
  const rows = new Map(
    kept.filter(
      ([, row]) => removeBeforeMs === null || !(epochMs(row[time] ?? null) < removeBeforeMs),
    ),
  );
  const gone = (batch.kind === "view" ? batch.gone : null) ?? [];
  for (let i = 0; i < (gone[0]?.length ?? 0); i++) {
    rows.delete(JSON.stringify(gone.map((column) => cellText(column[i] ?? null))));
  }
  const columns = batch.kind === "append" ? batch.cells.map(unpackCells) : batch.columns;
  for (let i = 0; i < batch.rowCount; i++) {
    const row = columns.map((column) => column[i] ?? null);
    const key = JSON.stringify(row.filter((_, c) => isKey(shape, c)).map(cellText));
    assert(
      batch.kind === "view" || !rows.has(key),
      "a change is appended once: its position is a unique key",
    );
    rows.set(key, row);
  }
  return { shape, rows };
}

function isKey(shape: OutputShape, column: number): boolean {
  const role = shape.columns[column]?.role;
  return shape.kind === "append" ? role === "position" : role !== "value";
}

function cellText(value: ResultValue): string | null {
  if (value === null) return null;
  return Object.is(value, -0) ? "-0" : String(value);
}

const LOCAL_TIME = /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d(?:\.\d+)?)(?:\+00)?( BC)?$/;

/** Milliseconds of a time column's value: a Timestamp, or the text of a local one. NaN for NULL. */
function epochMs(value: ResultValue): number {
  if (value instanceof Timestamp) return value.epochMs;
  if (value === "infinity") return Number.POSITIVE_INFINITY;
  if (value === "-infinity") return Number.NEGATIVE_INFINITY;
  const match = LOCAL_TIME.exec(String(value));
  if (match === null) return Number.NaN;
  const part = (i: number): number => Number(match[i]);
  const days = daysFromCivil(match[7] === undefined ? part(1) : 1 - part(1), part(2), part(3));
  return days * 86_400_000 + (part(4) * 3600 + part(5) * 60) * 1000 + part(6) * 1000;
}

function fenced(): TidemarkError {
  return new TidemarkError(
    "FENCED",
    "Another instance of the pipeline has taken over its results; this one stops.",
  );
}
