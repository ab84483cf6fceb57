import { readFileSync } from "node:fs";
import { TidemarkError } from "../../core/errors.js";
import type { UnixAccount } from "./supervise.js";

/**
 * The account PostgreSQL runs under when this process is root, which PostgreSQL refuses:
 * `postgres`, else `nobody`. `undefined` when this process is not root and its own account serves.
 */
export function unprivilegedAccount(): UnixAccount | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const wanted of ["postgres", "nobody"]) {
    const [, , uid, gid] = accounts.find(([name]) => name === wanted) ?? [];
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new TidemarkError(
    "SERVICE_START_FAILED",
    "PostgreSQL does not run as root, and this machine has neither a postgres nor a nobody " +
      "account. Run the command as another user.",
  );
}
