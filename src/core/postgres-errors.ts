import type { ErrorCode } from "./error-codes.js";
import { TidemarkError } from "./errors.js";

// The one file that knows SQLSTATEs and matches on the text of other people's errors.
// SQLSTATE classes: manual, Appendix A.

/** What was being talked to when the error came. */
export type PostgresRole = "source" | "results" | "checkpoint";

const NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
const TEXT_OF_LOST_CONNECTION =
  /connection (terminated|ended|closed)|timeout expired|not queryable/i;
const TEXT_OF_LOST_SLOT =
  /can no longer (access|get changes)|has been invalidated|WAL segment .* has already been removed/i;

/** SQLSTATE or system code of an error, or an empty string. */
export function postgresCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/** Whether the server ended the session because it is shutting down (57P01 to 57P03). */
export function isShutdown(error: unknown): boolean {
  return /^57P0[123]$/.test(postgresCode(error));
}

/**
 * Whether a notice says that changes were left out because the publication did not exist when they
 * were made (PostgreSQL 18; before, that is an error). Its text may be in any language.
 */
export function isPublicationSkipped(
  notice: { readonly code?: string | undefined; readonly message?: string | undefined },
  publication: string,
): boolean {
  return notice.code === "55000" && (notice.message ?? "").includes(`"${publication}"`);
}

/** Whether an output plugin does not know an option that it was given (22023). */
export function isUnknownOption(error: unknown): boolean {
  return postgresCode(error) === "22023";
}

/** Gives an error from `pg` a code of ours. A TidemarkError comes back as it is. */
export function fromPostgres(error: unknown, role: PostgresRole): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const code = codeFor(error, role);
  const state = postgresCode(error);
  return new TidemarkError(code, `${sentence(code, role, state)} (${describe(error)})`, {
    cause: error,
    detail: { role, sqlstate: state },
  });
}

function codeFor(error: unknown, role: PostgresRole): ErrorCode {
  const state = postgresCode(error);
  const message = error instanceof Error ? error.message : String(error);
  const isTransient =
    NETWORK.has(state) ||
    /^(08|53|57P0|40|25P0|25006|57014)/.test(state) ||
    state === "55P03" ||
    TEXT_OF_LOST_CONNECTION.test(message) ||
    (state === "" && isAggregateOfNetwork(error));
  if (role === "results") return isTransient ? "SINK_FAILED" : "SINK_REFUSED";
  if (role === "checkpoint") return isTransient ? "CHECKPOINT_FAILED" : "SINK_REFUSED";
  if (TEXT_OF_LOST_SLOT.test(message)) return "SLOT_LOST";
  if (/^28/.test(state) || /password must be a string|SASL/.test(message)) return "SOURCE_AUTH";
  if (state === "3D000") return "CONFIG_INVALID";
  if (state === "42501") return "SOURCE_PRIVILEGE";
  if (state === "53400" || /max_wal_senders|replication slots are in use/.test(message)) {
    return "SLOT_LIMIT";
  }
  if (state === "55006") return "SLOT_ACTIVE";
  if (/wal_level/.test(message)) return "SOURCE_WAL_LEVEL";
  if (state === "42704")
    return /^publication/.test(message) ? "PUBLICATION_MISSING" : "SLOT_MISSING";
  return "SOURCE_UNREACHABLE";
}

/** Node reports a host with several addresses as one AggregateError. */
function isAggregateOfNetwork(error: unknown): boolean {
  return error instanceof AggregateError && error.errors.some((e) => NETWORK.has(postgresCode(e)));
}

function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join("; ");
  const message = error instanceof Error ? error.message : String(error);
  const state = postgresCode(error);
  return state === "" || message.includes(state) ? message : `${state} ${message}`;
}

const SENTENCES: Partial<Record<ErrorCode, string>> = {
  SOURCE_UNREACHABLE:
    "The source does not answer; check host, port and that the server runs, then try again",
  SOURCE_AUTH:
    "The source refuses the login; correct user and password in the source URL, or pg_hba.conf",
  CONFIG_INVALID: "The database in the source URL does not exist; correct the URL or create it",
  SOURCE_PRIVILEGE:
    "The role may not do this on the source; tidemark check prints the GRANT that is missing",
  SLOT_LIMIT:
    "No replication slot or walsender is free; raise max_replication_slots and max_wal_senders, " +
    "or drop an unused slot with pg_drop_replication_slot",
  SLOT_ACTIVE: "Another connection reads the slot; stop it or choose another slot name",
  SOURCE_WAL_LEVEL:
    "The source cannot decode its log; run ALTER SYSTEM SET wal_level = logical and restart it",
  SLOT_LOST: "The server has discarded the slot's changes; start from nothing with --reset",
  SLOT_MISSING: "The replication slot does not exist any more; start from nothing with --reset",
  PUBLICATION_MISSING: "The publication does not exist; create it or let Tidemark create it",
  SINK_FAILED: "The results could not be written; nothing was acknowledged",
  SINK_REFUSED: "The database refuses the write; mend what it names, nothing was acknowledged",
  CHECKPOINT_FAILED: "The checkpoint could not be saved; nothing was acknowledged",
};

function sentence(code: ErrorCode, role: PostgresRole, state: string): string {
  if (code === "SINK_REFUSED" && state === "42501") {
    return (
      `The role lacks a privilege in the ${role} database; tidemark check prints the GRANT that ` +
      "is missing, nothing was acknowledged"
    );
  }
  return SENTENCES[code] ?? `The ${role} database reported an error`;
}
