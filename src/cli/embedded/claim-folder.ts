import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { TidemarkError } from "../../core/errors.js";
import { programOf, readPidFile } from "./process-table.js";

const patienceMs = 5_000;

/**
 * Makes sure that no other server uses a data folder, judging by its pid file.
 *
 * A server that an ended run left behind is given five seconds to finish, then SERVICE_START_FAILED
 * names it. A pid file whose number now belongs to an unrelated program is removed; one whose
 * process is gone is left to the server, which also checks for orphaned children.
 */
export async function claimFolder(
  dataDir: string,
  pidFile: string,
  programs: readonly string[],
): Promise<void> {
  const path = join(dataDir, pidFile);
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const pid = readPidFile(path);
    const program = pid === undefined ? undefined : programOf(pid);
    if (pid === undefined || program === undefined) return;
    if (!programs.some((name) => program.includes(name))) {
      rmSync(path, { force: true });
      return;
    }
    if (performance.now() > deadline) {
      throw new TidemarkError(
        "SERVICE_START_FAILED",
        `The folder ${dataDir} is in use by the server with process id ${pid}. ` +
          `Stop it (kill ${pid}), or name another folder.`,
        { detail: { pid } },
      );
    }
    await pause(100);
  }
}
