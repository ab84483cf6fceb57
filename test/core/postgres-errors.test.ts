import { expect, test } from "vitest";
import type { ErrorCode } from "../../src/core/error-codes.js";
import { TidemarkError } from "../../src/core/errors.js";
import { fromPostgres, isShutdown, postgresCode } from "../../src/core/postgres-errors.js";

function failure(code: string, message = "something happened"): Error {
  return Object.assign(new Error(message), code === "" ? {} : { code });
}

const ofSource: readonly (readonly [code: string, message: string, ours: ErrorCode])[] = [
  ["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1", "SOURCE_UNREACHABLE"],
  ["ECONNRESET", "read ECONNRESET", "SOURCE_UNREACHABLE"],
  ["ENOTFOUND", "getaddrinfo ENOTFOUND nowhere", "SOURCE_UNREACHABLE"],
  ["", "Connection terminated unexpectedly", "SOURCE_UNREACHABLE"],
  ["", "timeout expired", "SOURCE_UNREACHABLE"],
  ["57P01", "terminating connection due to administrator command", "SOURCE_UNREACHABLE"],
  ["57P03", "the database system is starting up", "SOURCE_UNREACHABLE"],
  ["08006", "connection failure", "SOURCE_UNREACHABLE"],
  ["53300", "sorry, too many clients already", "SOURCE_UNREACHABLE"],
  ["28P01", 'password authentication failed for user "x"', "SOURCE_AUTH"],
  ["28000", "no pg_hba.conf entry for replication connection", "SOURCE_AUTH"],
  ["", "SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string", "SOURCE_AUTH"],
  ["3D000", 'database "x" does not exist', "CONFIG_INVALID"],
  ["42501", "permission denied to start WAL sender", "SOURCE_PRIVILEGE"],
  ["53400", "all replication slots are in use", "SLOT_LIMIT"],
  [
    "53300",
    'number of requested standby connections exceeds "max_wal_senders" (currently 0)',
    "SLOT_LIMIT",
  ],
  ["55006", 'replication slot "x" is active for PID 1', "SLOT_ACTIVE"],
  ["55000", 'logical decoding requires "wal_level" >= "logical"', "SOURCE_WAL_LEVEL"],
  ["55000", 'can no longer access replication slot "x"', "SLOT_LOST"],
  ["55000", 'can no longer get changes from replication slot "x"', "SLOT_LOST"],
  ["55000", "This slot has been invalidated because it exceeded the size", "SLOT_LOST"],
  ["58P01", "requested WAL segment 00000001 has already been removed", "SLOT_LOST"],
  ["42704", 'publication "x" does not exist', "PUBLICATION_MISSING"],
  ["42704", 'replication slot "x" does not exist', "SLOT_MISSING"],
  ["42704", 'replication slot "publication" does not exist', "SLOT_MISSING"],
  ["XX000", "could not rename file", "SOURCE_UNREACHABLE"],
];

test.each(ofSource)("from the source, %s %s is %s", (code, message, ours) => {
  const cause = failure(code, message);
  const error = fromPostgres(cause, "source");
  expect(error.code).toBe(ours);
  expect(error.cause).toBe(cause);
  expect(error.message).toContain(message);
  expect(error.detail).toEqual({ role: "source", sqlstate: code });
});

test.each([
  ["ECONNREFUSED", "", true],
  ["57P01", "", true],
  ["57P03", "", true],
  ["08003", "", true],
  ["40001", "could not serialize", true],
  ["40P01", "deadlock detected", true],
  ["55P03", "lock not available", true],
  ["53100", "disk full", true],
  ["", "Connection terminated", true],
  ["42501", "permission denied", false],
  ["23505", "duplicate key", false],
  ["42P01", "relation does not exist", false],
  ["22003", "numeric field overflow", false],
] as const)("from the results, %s %s is tried again: %s", (code, message, again) => {
  expect(fromPostgres(failure(code, message), "results").code).toBe(
    again ? "SINK_FAILED" : "SINK_REFUSED",
  );
  expect(fromPostgres(failure(code, message), "checkpoint").code).toBe(
    again ? "CHECKPOINT_FAILED" : "SINK_REFUSED",
  );
});

test("a host with several addresses that all refuse is unreachable", () => {
  const refused = ["::1", "127.0.0.1"].map((host) => failure("ECONNREFUSED", `refused ${host}`));
  const error = fromPostgres(new AggregateError(refused), "results");
  expect(error.code).toBe("SINK_FAILED");
  expect(error.message).toContain("::1");
  expect(error.message).toContain("127.0.0.1");
});

test("an error that has a code of ours already stays itself", () => {
  const error = new TidemarkError("SLOT_LOST", "gone");
  expect(fromPostgres(error, "results")).toBe(error);
});

test("things that are no Error become one", () => {
  expect(fromPostgres("boom", "source").message).toContain("boom");
  expect(postgresCode(null)).toBe("");
  expect(postgresCode({ code: 7 })).toBe("");
});

test.each([
  ["57P01", true],
  ["57P02", true],
  ["57P03", true],
  ["57014", false],
  ["", false],
])("%j is a shutdown: %s", (code, expected) => {
  expect(isShutdown(failure(code))).toBe(expected);
});
