import { TidemarkError } from "../../core/errors.js";
import { formatLsn } from "../../core/lsn.js";
import type { OutputOperator } from "../../core/operator.js";
import type { AppendBatch, OutputColumn, OutputShape } from "../../core/output.js";
import { DEAD_LETTERS } from "../../core/poison.js";
import { StepState } from "../../state/step-state.js";
import { HeldRows } from "../append/held-rows.js";
import { BlockedKeys } from "./blocked-keys.js";

/** Beyond, it is the pipeline that is broken and not a row. */
const MAX_LETTERS = 10_000;

const COLUMNS: readonly OutputColumn[] = [
  { name: "pipeline", sqlType: "text", role: "position" },
  { name: "commit_lsn", sqlType: "pg_lsn", role: "position" },
  { name: "ordinal", sqlType: "bigint", role: "position" },
  { name: "step", sqlType: "text", role: "position" },
  { name: "committed_at", sqlType: "timestamp with time zone", role: "time" },
  { name: "table_name", sqlType: "text", role: "value" },
  { name: "op", sqlType: "text", role: "value" },
  { name: "code", sqlType: "text", role: "value" },
  { name: "reason", sqlType: "text", role: "value" },
  { name: "row", sqlType: "jsonb", role: "value" },
];

/** The table of dead letters. */
export const DEAD_LETTER_SHAPE: OutputShape = {
  kind: "append",
  name: DEAD_LETTERS,
  columns: COLUMNS,
};

/** A row that a step could not take. */
export interface DeadLetter {
  readonly commitLsn: bigint;
  readonly ordinal: number;
  readonly committedAt: string;
  readonly step: string;
  readonly table: string;
  readonly op: string;
  /** Null for a row that is held back because its key is blocked. */
  readonly code: string | null;
  readonly reason: string;
  /** JSON: texts by column. */
  readonly row: string;
}

/**
 * Rows that could not be processed, as one more output: they are written with the results of the
 * transaction they came in. Which keys are blocked is state, saved with the rest, so that it lasts
 * over a restart and is the same in a replay.
 */
export class DeadLetters implements OutputOperator {
  readonly id = "dead letters";
  readonly blocked: BlockedKeys = new BlockedKeys();
  readonly state: StepState = new StepState({ id: this.id, facts: {}, values: [this.blocked] });
  /** Since this session began. */
  count = 0;
  readonly #pipeline: string;
  readonly #held = new HeldRows(DEAD_LETTERS, COLUMNS.length);

  constructor(pipeline: string) {
    this.#pipeline = pipeline;
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Takes a letter; POISON_LIMIT when there are too many. */
  add(letter: DeadLetter): void {
    if (++this.count > MAX_LETTERS) throw tooMany();
    const { commitLsn, ordinal, step, committedAt, table, op, code, reason, row } = letter;
    const position = [this.#pipeline, formatLsn(commitLsn), String(ordinal), step, committedAt];
    [...position, table, op, code, reason, row].forEach((text, i) => {
      const cells = this.#held.column(i);
      if (text === null) cells.addNull();
      else cells.add(UTF8.encode(text));
    });
    this.#held.grow(1);
  }

  onRows(): void {}

  onWatermark(): void {}

  onClear(): void {}

  collect(): AppendBatch | null {
    return this.#held.take(null);
  }

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

const UTF8 = new TextEncoder();

function tooMany(): TidemarkError {
  return new TidemarkError(
    "POISON_LIMIT",
    `More than ${MAX_LETTERS} rows became dead letters since the start: it is rather the ` +
      "pipeline that is broken than a row. Look at tidemark.dead_letter for the reason, correct " +
      "it, and start again: nothing after the last checkpoint was acknowledged.",
  );
}
