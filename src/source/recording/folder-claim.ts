import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../core/errors.js";
import { replaceFile } from "./file-bytes.js";

/** A writer's right to add files to the folder of a recording. */
export interface FolderClaim {
  /** Throws FENCED when a later writer has claimed the folder. */
  check(): Promise<void>;
}

const NAME = "writer";

/**
 * Makes this process the writer of the folder. The slot admits one reader, so that two writers meet
 * only when one was frozen, its connection was taken for dead, and it wakes up beside its
 * successor. Files it has open are no longer in the folder by then; this keeps it from making new
 * ones.
 */
export async function claimFolder(dir: string): Promise<FolderClaim> {
  const token = randomUUID();
  const path = join(dir, NAME);
  await replaceFile(path, Buffer.from(token));
  return {
    async check() {
      if ((await readFile(path, "utf8")) === token) return;
      throw new TidemarkError(
        "FENCED",
        `Another process records into ${dir} now; this one stops and leaves the folder to it.`,
        { detail: { dir } },
      );
    },
  };
}
