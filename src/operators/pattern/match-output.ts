import { createHash } from "node:crypto";
import { formatLsn } from "../../core/lsn.js";
import type { OperatorState, OutputOperator } from "../../core/operator.js";
import type { AppendBatch, OutputShape } from "../../core/output.js";
import type { PackedCells } from "../../core/packed-cells.js";
import { Timestamp } from "../../core/timestamp.js";
import { StepState } from "../../state/step-state.js";
import { HeldRows } from "../append/held-rows.js";
import { Retention } from "../append/retention.js";
import { decodeGroupKey } from "../window/group-key.js";
import type { RowEvent, RowKeeper } from "./row-event.js";
import { type Taken, takenOf } from "./run.js";

/** A column of a match's row. */
export interface SelectedColumn {
  /** Index of the step. */
  readonly step: number;
  /** The step's first or last event, or how many there are. */
  readonly of: "first" | "last" | "count";
  /** Index among the kept columns; of no meaning for a count. */
  readonly column: number;
}

/** Settings of {@link MatchOutput}. */
export interface MatchOutputOptions {
  readonly id: string;
  /** Stable name of the pattern: part of the match's id. */
  readonly pattern: string;
  /** Id, time, key columns, selected columns, events: as `matchShape` makes it. */
  readonly shape: OutputShape;
  readonly keyCount: number;
  readonly select: readonly SelectedColumn[];
  readonly steps: readonly string[];
  readonly keeper: RowKeeper;
  readonly retainMs: number | null;
}

/** A match, or a partial one whose time was over. */
export interface FoundMatch {
  readonly last: Taken<RowEvent>;
  /** When it was complete or over, milliseconds since the Unix epoch. */
  readonly ms: number;
  /** The key's bytes. */
  readonly key: Uint8Array;
}

const UTF8 = new TextEncoder();

/**
 * Matches as rows of an append table, each with an id that follows from the pattern, the key and
 * the positions of its events: the same match has the same id in every replay and on every machine.
 */
export class MatchOutput implements OutputOperator {
  readonly id: string;
  readonly state: OperatorState;
  readonly #options: MatchOutputOptions;
  readonly #held: HeldRows;
  readonly #retention: Retention;

  constructor(options: MatchOutputOptions) {
    this.id = options.id;
    this.state = new StepState({ id: options.id, facts: {}, values: [] });
    this.#options = options;
    this.#held = new HeldRows(options.shape.name, options.shape.columns.length);
    this.#retention = new Retention(options.retainMs);
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Rows reach it as matches. */
  onRows(): void {}

  /** Patterns are looked for among what was inserted, which a truncate does not undo. */
  onClear(): void {}

  onWatermark(watermarkMs: number): void {
    this.#retention.see(watermarkMs);
  }

  add({ last, ms, key }: FoundMatch): void {
    const chain = takenOf(last);
    const { pattern, steps, keyCount, select, keeper } = this.#options;
    const id = createHash("sha256").update(pattern).update("\0").update(key).update("\0");
    for (const { step, event } of chain) {
      id.update(`${steps[step]} ${formatLsn(event.commitLsn)} ${event.ordinal}\n`);
    }
    this.#held.grow(1);
    let c = 0;
    const next = (): PackedCells => this.#held.column(c++);
    next().add(UTF8.encode(id.digest("hex").slice(0, 32)));
    next().add(UTF8.encode(Timestamp.of(ms).toString()));
    for (const value of decodeGroupKey(key, keyCount)) addText(next(), value);
    for (const column of select) addSelected(next(), column, { chain, keeper });
    next().add(UTF8.encode(eventsJson(chain, steps)));
  }

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
}

function addText(cells: PackedCells, value: string | null): void {
  if (value === null) cells.addNull();
  else cells.add(UTF8.encode(value));
}

function addSelected(
  cells: PackedCells,
  { step, of, column }: SelectedColumn,
  { chain, keeper }: { readonly chain: readonly Taken<RowEvent>[]; readonly keeper: RowKeeper },
): void {
  const taken = chain.filter((one) => one.step === step);
  if (of === "count") {
    cells.add(UTF8.encode(String(taken.length)));
    return;
  }
  const chosen = of === "first" ? taken[0] : taken.at(-1);
  const bytes = chosen === undefined ? null : keeper.cell(chosen.event.packed, column);
  if (bytes === null) cells.addNull();
  else cells.add(bytes);
}

/** Which events they were and where they stand, in the order they came. */
function eventsJson(chain: readonly Taken<RowEvent>[], steps: readonly string[]): string {
  return JSON.stringify(
    chain.map(({ step, event }) => ({
      step: steps[step],
      commit_lsn: formatLsn(event.commitLsn),
      ordinal: event.ordinal,
      xid: event.xid,
      at: Timestamp.of(event.ms).toString(),
    })),
  );
}
