import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TidemarkError } from "../../core/errors.js";
import type { PostgresVersion } from "./postgres-binaries.js";
import type { UnixAccount } from "./supervise.js";

/** A data folder to be filled by initdb. */
export interface ClusterOptions {
  readonly initdb: string;
  readonly version: PostgresVersion;
  readonly dataDir: string;
  readonly account: UnixAccount | undefined;
}

const passwordFile = "tidemark-password";

/**
 * Makes `dataDir` a PostgreSQL data folder unless it is one, and returns the password of its
 * superuser `postgres`, which is kept in the folder. Throws SERVICE_START_FAILED when the folder
 * holds something else or another major version.
 */
export function prepareCluster(options: ClusterOptions): string {
  const { dataDir, version, account } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const names = readdirSync(dataDir);
  if (names.length === 0) {
    if (account !== undefined) chownSync(dataDir, account.uid, account.gid);
    return initializeCluster(options);
  }
  const present = names.includes("PG_VERSION")
    ? readFileSync(join(dataDir, "PG_VERSION"), "utf8").trim()
    : "";
  if (present === String(version) && names.includes(passwordFile)) {
    return readFileSync(join(dataDir, passwordFile), "utf8");
  }
  throw new TidemarkError(
    "SERVICE_START_FAILED",
    present === "" || present === String(version)
      ? `The folder ${dataDir} holds files that Tidemark did not make. Name an empty folder.`
      : `The folder ${dataDir} belongs to PostgreSQL ${present}, not ${version}. Name another one.`,
  );
}

function initializeCluster({ initdb, version, dataDir, account }: ClusterOptions): string {
  const password = randomBytes(16).toString("hex");
  const scratch = mkdtempSync(join(tmpdir(), "tidemark-initdb-"));
  const scratchPassword = join(scratch, "password");
  try {
    writeFileSync(scratchPassword, password, { mode: 0o600 });
    if (account !== undefined) {
      for (const path of [scratch, scratchPassword]) chownSync(path, account.uid, account.gid);
    }
    execFileSync(initdb, initdbArguments(version, dataDir, scratchPassword), {
      ...account,
      cwd: "/",
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (cause) {
    // A half-made folder would look like a stranger's at the next start.
    for (const name of readdirSync(dataDir)) {
      rmSync(join(dataDir, name), { recursive: true, force: true });
    }
    throw initializationFailed(dataDir, cause);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  writeFileSync(join(dataDir, passwordFile), password, { mode: 0o600 });
  return password;
}

// The collation is C in every version and on every system, so that results never depend on the
// machine's locales. The builtin provider came with version 17.
function initdbArguments(version: PostgresVersion, dataDir: string, pwfile: string): string[] {
  return [
    `--pgdata=${dataDir}`,
    "--username=postgres",
    `--pwfile=${pwfile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--no-instructions",
    "--no-sync",
    ...(version >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : []),
  ];
}

function initializationFailed(dataDir: string, cause: unknown): TidemarkError {
  const output = String((cause as { stderr?: unknown }).stderr ?? cause).trim();
  return new TidemarkError(
    "SERVICE_START_FAILED",
    `initdb could not fill ${dataDir}. The account that runs PostgreSQL must be able to enter ` +
      `every folder above it; under root, a folder below /var/tmp will do. initdb said:\n${output}`,
    { cause },
  );
}
