import { z } from "zod";
import type { ValueParser, ValueParsers } from "../core/decoder.js";
import { type Duration, parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";

// What users write as options. Everything is checked where it is written, so that a mistake names
// the call it was made in. Defaults are in settings.ts, in one place.

/** A logical replication slot on a publication. */
export interface SlotOptions {
  /** Connection URL. Default: TIDEMARK_SOURCE_URL. */
  readonly url?: string | undefined;
  /** Default: `tidemark_<pipeline>`. Created for the pipeline's tables if it does not exist. */
  readonly publication?: string | undefined;
  /** Default: `tidemark_<pipeline>`. Created if neither slot nor checkpoint exist. */
  readonly slot?: string | undefined;
  /** Default: true. */
  readonly createPublication?: boolean | undefined;
  /** wal_sender_timeout of our session. Default: 20s. */
  readonly walSenderTimeout?: Duration | undefined;
  /** How long to wait while another connection reads the slot. Default: 30s. */
  readonly slotWait?: Duration | undefined;
  /** Large transactions are sent while they run, and kept here until they commit. Default: true. */
  readonly streaming?: boolean | undefined;
  /** Folder for what memory shall not hold of them. Default: the system's temporary folder. */
  readonly spillDirectory?: string | undefined;
  /** Bytes they may take there; beyond, SPILL_FAILED. Default: 16 GiB. */
  readonly maxSpillBytes?: number | undefined;
  /** Values in binary form, where every type of the tables is read in it. Default: false. */
  readonly binary?: boolean | undefined;
  /** The output plugin; "wal2json" where a server has it and policy asks. Default: "pgoutput". */
  readonly plugin?: "pgoutput" | "wal2json" | undefined;
  /** How values of a type, or of one column (`schema.table.column`), are made for your code. */
  readonly parsers?: ValueParsers | undefined;
}

/** A PostgreSQL database for results or checkpoints. */
export interface PostgresOptions {
  /** Connection URL. */
  readonly url?: string | undefined;
}

/** A recording of the stream, kept beside the results. */
export interface RecordOptions {
  /** Folder; made if it does not exist. One pipeline records into it at a time. */
  readonly dir: string;
  /** How blocks are stored. Default: "deflate". */
  readonly compression?: "deflate" | "none" | undefined;
  /** A file that has reached this many bytes is followed by another one. Default: 64 MiB. */
  readonly segmentBytes?: number | undefined;
  /** Bytes on disk; beyond, the oldest files are removed. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** Files finished longer ago than this are removed. Default: no limit. */
  readonly maxAge?: Duration | undefined;
}

/** Bounds what the slot keeps on the source while results cannot be written. */
export interface WalBudgetOptions {
  /** Bytes of WAL that the slot may keep because they are not confirmed. */
  readonly bytes: number;
  /** How long it may keep more without getting nearer to it. Default: 30s. */
  readonly patience?: Duration | undefined;
  /** Where the stream goes then. Without it the pipeline stops with WAL_BUDGET. */
  readonly detour?: WalDetourOptions | undefined;
}

/** A recording that stands in for the slot until results are written again. */
export interface WalDetourOptions {
  /** Folder, on a disk that survives a crash; pipelines have a folder each in it. */
  readonly dir: string;
  /** Bytes on disk, compressed. Default: 16 GiB. */
  readonly maxBytes?: number | undefined;
  /**
   * When these are used up and the slot is beyond its budget again: stop with WAL_BUDGET, or wait
   * and let the slot keep it. Default: "stop".
   */
  readonly whenFull?: "stop" | "wait" | undefined;
}

/** How a pipeline runs. */
export interface RunOptions {
  /** Longest wait before results of a busy stream are written. Default: 100ms. */
  readonly flushInterval?: Duration | undefined;
  /** How often state is saved while rows come; bounds what a restart replays. Default: 5s. */
  readonly checkpointInterval?: Duration | undefined;
  /** How often the position is saved while no rows come. Default: 10s. */
  readonly idleCheckpointInterval?: Duration | undefined;
  /** Bytes read ahead while a write of results is under way. Default: 64 MiB. */
  readonly maxInFlightBytes?: number | undefined;
  /** Bytes of rows for append tables that are held before they are sent. Default: 16 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** Bytes of window state; beyond, the pipeline stops with STATE_LIMIT. Default: 1 GiB. */
  readonly maxStateBytes?: number | undefined;
  /** Keeps the stream in a folder, so that it can be replayed. Default: none. */
  readonly record?: RecordOptions | undefined;
  /** What happens when the slot keeps too much WAL. Default: it keeps what it has to. */
  readonly walBudget?: WalBudgetOptions | undefined;
}

export interface SlotSpec {
  readonly kind: "slot";
  readonly options: SlotOptions;
}

export interface PostgresSpec {
  readonly kind: "postgres";
  readonly options: PostgresOptions;
}

const duration = z.union([z.string(), z.number()]);
const url = z
  .string()
  .regex(/^postgres(ql)?:\/\//, 'a URL such as "postgresql://user@host:5432/database"');

const SLOT_OPTIONS = z.strictObject({
  url: url.optional(),
  publication: z.string().min(1).max(63).optional(),
  slot: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/, "1 to 63 lower-case letters, digits and underscores")
    .optional(),
  createPublication: z.boolean().optional(),
  walSenderTimeout: duration.optional(),
  slotWait: duration.optional(),
  streaming: z.boolean().optional(),
  spillDirectory: z.string().min(1).optional(),
  maxSpillBytes: z.number().int().min(1_048_576).optional(),
  binary: z.boolean().optional(),
  plugin: z.enum(["pgoutput", "wal2json"]).optional(),
  parsers: z.record(z.string(), z.custom<ValueParser>(isParser, "takes parser(...)")).optional(),
});

const POSTGRES_OPTIONS = z.strictObject({ url: url.optional() });

const RECORD_OPTIONS = z.strictObject({
  dir: z.string().min(1),
  compression: z.enum(["deflate", "none"]).optional(),
  segmentBytes: z.number().int().min(1_048_576).optional(),
  maxBytes: z.number().int().min(1_048_576).optional(),
  maxAge: duration.optional(),
});

const WAL_BUDGET_OPTIONS = z.strictObject({
  bytes: z.number().int().min(1_048_576),
  patience: duration.optional(),
  detour: z
    .strictObject({
      dir: z.string().min(1),
      maxBytes: z.number().int().min(1_048_576).optional(),
      whenFull: z.enum(["stop", "wait"]).optional(),
    })
    .optional(),
});

const RUN_OPTIONS = z.strictObject({
  flushInterval: duration.optional(),
  checkpointInterval: duration.optional(),
  idleCheckpointInterval: duration.optional(),
  maxInFlightBytes: z.number().int().min(65_536).optional(),
  maxOutputBytes: z.number().int().min(65_536).optional(),
  maxStateBytes: z.number().int().min(1_048_576).optional(),
  record: RECORD_OPTIONS.optional(),
  walBudget: WAL_BUDGET_OPTIONS.optional(),
});

function isParser(value: unknown): boolean {
  return typeof value === "object" && value !== null && "parse" in value && "tsType" in value;
}

/** Makes values of a type or column from PostgreSQL's text: `parser("number", Number)`. */
export function parser<T>(tsType: string, parse: (text: string) => T): ValueParser {
  return Object.freeze({ tsType, parse });
}

/** Reads from a replication slot, made if need be. */
export function slot(options: SlotOptions = {}): SlotSpec {
  const checked = check("slot", SLOT_OPTIONS, options);
  for (const name of ["walSenderTimeout", "slotWait"] as const) {
    const value = checked[name];
    if (value !== undefined) parseDuration(value, `slot({ ${name} })`);
  }
  return Object.freeze({ kind: "slot", options: checked });
}

/** Options of a database. */
export function checkPostgres(options: PostgresOptions): PostgresSpec {
  return Object.freeze({ kind: "postgres", options: check("postgres", POSTGRES_OPTIONS, options) });
}

/** Checks the options of a run. */
export function checkRunOptions(options: RunOptions): RunOptions {
  const checked = check("pipeline", RUN_OPTIONS, options);
  for (const name of ["flushInterval", "checkpointInterval", "idleCheckpointInterval"] as const) {
    const value = checked[name];
    if (value !== undefined) parseDuration(value, name);
  }
  if (checked.record?.maxAge !== undefined) parseDuration(checked.record.maxAge, "record.maxAge");
  const { patience } = checked.walBudget ?? {};
  if (patience !== undefined && parseDuration(patience, "walBudget.patience") < 1_000) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "pipeline(): option walBudget.patience takes at least 1s; recording needs as long to begin.",
    );
  }
  return checked;
}

/** Validates options of `call`, or throws CONFIG_INVALID with the option's name and the fix. */
export function check<T>(call: string, schema: z.ZodType<T>, options: unknown): T {
  const result = schema.safeParse(options);
  if (result.success) return Object.freeze(result.data);
  const [issue] = result.error.issues;
  const path = issue?.path.join(".") ?? "";
  throw new TidemarkError("CONFIG_INVALID", `${call}(): ${explain(issue, path, schema)}`, {
    detail: { call, option: path },
  });
}

function explain(issue: z.core.$ZodIssue | undefined, path: string, schema: unknown): string {
  if (issue?.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const [name, place] = path === "" ? [key, "it"] : [`${path}.${key}`, path];
    return `unknown option ${name}; ${place} takes ${optionsAt(schema, issue.path).join(", ")}.`;
  }
  if (issue?.code === "invalid_format") return `option ${path} takes ${issue.message}.`;
  return `option ${path}: ${issue?.message ?? "is not valid"}.`;
}

/** The names of the options in the object at `path`. */
function optionsAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional) return optionsAt(schema.unwrap(), path);
  if (!(schema instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined
    ? Object.keys(schema.shape)
    : optionsAt(schema.shape[String(first)], rest);
}
