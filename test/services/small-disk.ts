import { execFileSync } from "node:child_process";
import { appendFileSync, chownSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { unprivilegedAccount } from "../../src/cli/embedded/unprivileged-account.js";

/** A file system of a test's own, so small that it can be filled. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes all room but this. */
  fill(leaveBytes?: number): void;
  /** Gives it back. */
  free(): void;
}

/** Says why this machine has none, or nothing when it has. */
export const NO_SMALL_DISK: string | null = whyNot();

/** A small disk that is gone after the test; servers may write to it. */
export function smallDisk(megabytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tidemark-test", folder]);
  onTestFinished(() => unmount(folder));
  const account = unprivilegedAccount();
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  const filler = join(folder, "filler");
  return {
    folder,
    fill: (leaveBytes = 0) => {
      const free = (): number => statfsSync(folder).bavail * statfsSync(folder).bsize - leaveBytes;
      while (free() > 0) {
        try {
          appendFileSync(filler, Buffer.alloc(Math.min(free(), 2 ** 20)));
        } catch {
          return; // whoever else writes there was faster: it is full
        }
      }
    },
    free: () => rmSync(filler, { force: true }),
  };
}

function unmount(folder: string): void {
  // Lazily: a server that is being stopped may still have files there.
  execFileSync("umount", ["--lazy", folder]);
  rmSync(folder, { recursive: true, force: true });
}

function whyNot(): string | null {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tidemark-test", folder], {
      stdio: "pipe",
    });
    unmount(folder);
    return null;
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return "this machine or account may not mount a tmpfs, so no disk can be filled";
  }
}
