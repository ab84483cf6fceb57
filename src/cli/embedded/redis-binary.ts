import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { TidemarkError } from "../../core/errors.js";

/**
 * The path of a redis-server or valkey-server on the PATH.
 *
 * Under root on a Debian-like machine a missing one is installed with apt-get; elsewhere
 * SERVICE_START_FAILED says what to run.
 */
export function findRedis(): string {
  const found = findOnPath("redis-server") ?? findOnPath("valkey-server");
  if (found !== undefined) return found;
  if (process.getuid?.() === 0 && findOnPath("apt-get") !== undefined) {
    console.error("Installing redis-server with apt-get ...");
    installRedis();
    const installed = findOnPath("redis-server");
    if (installed !== undefined) return installed;
  }
  throw new TidemarkError(
    "SERVICE_START_FAILED",
    "No redis-server or valkey-server is on the PATH. Install one, for example with: " +
      (process.platform === "darwin" ? "brew install redis" : "sudo apt-get install redis-server"),
  );
}

function findOnPath(name: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

function installRedis(): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "-qq", "--no-install-recommends", "redis-server"];
  try {
    for (const args of [["update", "-qq"], install]) {
      execFileSync("apt-get", args, { env, stdio: "ignore", timeout: 300_000 });
    }
  } catch (cause) {
    throw new TidemarkError(
      "SERVICE_START_FAILED",
      "apt-get could not install redis-server. Install redis-server or valkey-server yourself.",
      { cause },
    );
  }
}
