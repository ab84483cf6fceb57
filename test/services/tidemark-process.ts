import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startTidemark, type TidemarkOptions, type TidemarkProcess } from "./tidemark-child.js";

export type { Ending, LogLine, TidemarkOptions, TidemarkProcess } from "./tidemark-child.js";

/** Starts `tidemark <args>`, to be killed when its test is over. */
export function tidemark(args: readonly string[], options: TidemarkOptions = {}): TidemarkProcess {
  const process = startTidemark(args, options);
  onTestFinished(() => process.signal("SIGKILL"));
  return process;
}

/** A file of this text in a folder of its own, removed after the test. */
export function fileWith(text: string, name = "tidemark.config.ts"): string {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
