// Functions that people reach for and do not get, with the reason and the way round.

const VOLATILE: ReadonlySet<string> = new Set([
  ...["random", "random_normal", "setseed", "gen_random_uuid", "uuidv4", "uuidv7"],
  ...["uuid_generate_v4", "clock_timestamp", "timeofday", "nextval", "currval", "lastval"],
  ...["setval", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "txid_current", "pg_notify"],
  ...["pg_current_xact_id", "pg_advisory_lock", "pg_try_advisory_lock", "set_config"],
]);

const SESSION: ReadonlySet<string> = new Set([
  ...["statement_timestamp", "current_setting", "current_user", "session_user", "user", "version"],
  ...["current_database", "current_schema", "current_schemas", "pg_backend_pid"],
  ...["inet_client_addr", "inet_server_addr"],
]);

const INEXACT: ReadonlySet<string> = new Set([
  ...["exp", "ln", "log", "log10", "power", "pow", "cbrt", "sin", "cos", "tan", "cot", "asin"],
  ...["acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc"],
  ...["degrees", "radians", "sind", "cosd", "tand", "gamma", "lgamma"],
]);

const AGGREGATES: ReadonlySet<string> = new Set([
  ...["count", "sum", "avg", "min", "max", "array_agg", "string_agg", "jsonb_agg", "bool_and"],
  ...["bool_or", "every", "stddev", "variance", "json_agg", "jsonb_object_agg"],
]);

/** Why a known function is not supported, as a sentence; null for an unknown one. */
export function unsupportedFunction(name: string): string | null {
  if (VOLATILE.has(name)) {
    const why = "is volatile: a replay would get another result";
    return `${name}() ${why}. Compute it where rows are written.`;
  }
  if (SESSION.has(name)) {
    return `${name}() belongs to a session, which a stream has none of; now() is the commit time.`;
  }
  if (INEXACT.has(name)) {
    const why = "its last digit depends on the mathematics library of the server";
    return `${name}() is not supported: ${why}, so that the answer could differ from PostgreSQL's.`;
  }
  if (AGGREGATES.has(name)) {
    return `${name}() is an aggregate, which a condition on one row cannot have.`;
  }
  if (/^to_(char|number|date)$/.test(name)) {
    return `${name}() is not supported: its formats depend on the locale; use extract() or a cast.`;
  }
  return null;
}
