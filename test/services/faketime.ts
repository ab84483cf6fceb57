import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A wall clock for other programs that can be moved while they run; timers are as they are. */
export interface FakeClock {
  /** For the environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  /** How far from the true time it is, such as "+1h" or "-90". */
  move(offset: string): void;
}

/** The library that is preloaded (Debian: package faketime); null where there is none. */
export const FAKETIME: string | null = find();

/** A clock that is right until it is moved. */
export function fakeClock(): FakeClock {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-clock-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "offset");
  const move = (offset: string): void => writeFileSync(file, `${offset}\n`, { mode: 0o644 });
  move("+0");
  return {
    move,
    env: {
      LD_PRELOAD: FAKETIME ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
  };
}

function find(): string | null {
  const roots = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].filter((root) => existsSync(root));
  const folders = roots.flatMap((root) => [
    join(root, "faketime"),
    ...readdirSync(root).map((name) => join(root, name, "faketime")),
  ]);
  const files = folders.map((folder) => join(folder, "libfaketimeMT.so.1"));
  return files.find((file) => existsSync(file)) ?? null;
}
