import { randomBytes } from "node:crypto";
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { join } from "node:path";
import type { ErrorCode } from "../../core/error-codes.js";
import { TidemarkError } from "../../core/errors.js";

/** Bytes written in one call, so that no write of a large checkpoint blocks for long. */
const WRITE_BYTES = 2 ** 20;
/** Failures that pass when there is room again; others need a change of rights or of the path. */
const TRANSIENT = new Set(["ENOSPC", "EDQUOT", "EIO", "EMFILE", "ENFILE", "EBUSY", "ESTALE"]);

/** A part of a file. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/**
 * A folder whose files appear whole or not at all: each is written under another name, flushed,
 * given its name, and the folder flushed after it. A crash leaves at most files called `tmp-…`.
 * Failures are CHECKPOINT_FAILED, or CHECKPOINT_REFUSED where waiting does not help.
 */
export class CheckpointFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Creates the folder if need be. */
  async make(): Promise<void> {
    await this.#guard(() => mkdir(this.#path, { recursive: true }));
  }

  exists(): Promise<boolean> {
    return this.#guard(async () => {
      try {
        return (await stat(this.#path)).isDirectory();
      } catch (error) {
        if (codeOf(error) === "ENOENT") return false;
        throw error;
      }
    });
  }

  list(): Promise<string[]> {
    return this.#guard(() => readdir(this.#path));
  }

  /** Null when there is no such file. */
  read(name: string): Promise<Buffer | null> {
    return this.#guard(async () => {
      try {
        return await readFile(join(this.#path, name));
      } catch (error) {
        if (codeOf(error) === "ENOENT") return null;
        throw error;
      }
    });
  }

  /**
   * What `use` makes of each extent's bytes, called as they come: cut short where the file ends,
   * null when there is no file.
   */
  readExtents<E extends Extent, T>(
    name: string,
    extents: readonly E[],
    use: (extent: E, bytes: Buffer | null) => T,
  ): Promise<T[]> {
    return this.#guard(async () => {
      let file: FileHandle;
      try {
        file = await open(join(this.#path, name));
      } catch (error) {
        if (codeOf(error) === "ENOENT") return extents.map((extent) => use(extent, null));
        throw error;
      }
      try {
        const used: T[] = [];
        for (const extent of extents) {
          const bytes = Buffer.allocUnsafeSlow(extent.length);
          const { bytesRead } = await file.read(bytes, 0, extent.length, extent.offset);
          used.push(use(extent, bytes.subarray(0, bytesRead)));
        }
        return used;
      } finally {
        await file.close();
      }
    });
  }

  /** Bytes of each of these files, by name. */
  sizes(names: Iterable<string>): Promise<Map<string, number>> {
    return this.#guard(async () => {
      const sizes = new Map<string, number>();
      for (const name of names) sizes.set(name, (await stat(join(this.#path, name))).size);
      return sizes;
    });
  }

  /**
   * Writes a file; durable when it resolves. Replaces one of the same name. Each part is asked for
   * when the one before is written.
   */
  async write(name: string, parts: Iterable<Uint8Array>): Promise<void> {
    await this.#guard(async () => {
      const temporary = await this.#writeTemporary(parts);
      await rename(temporary, join(this.#path, name));
      await this.#flushFolder();
    });
  }

  /** Writes a file unless there is one of that name; whether it did. Durable when it resolves. */
  create(name: string, content: Uint8Array): Promise<boolean> {
    return this.#guard(async () => {
      const temporary = await this.#writeTemporary([content]);
      try {
        await link(temporary, join(this.#path, name));
      } catch (error) {
        if (codeOf(error) === "EEXIST") return false;
        throw error;
      } finally {
        await rm(temporary, { force: true });
      }
      await this.#flushFolder();
      return true;
    });
  }

  /** Removes files; those that are gone already do not matter. */
  async remove(names: readonly string[]): Promise<void> {
    await this.#guard(async () => {
      for (const name of names) await rm(join(this.#path, name), { force: true });
    });
  }

  async #writeTemporary(parts: Iterable<Uint8Array>): Promise<string> {
    const path = join(this.#path, `tmp-${randomBytes(8).toString("hex")}`);
    const file = await open(path, "wx", 0o600);
    try {
      for (const part of parts) {
        for (let from = 0; from < part.length; from += WRITE_BYTES) {
          await file.writeFile(part.subarray(from, from + WRITE_BYTES));
        }
      }
      await file.datasync();
    } catch (error) {
      await file.close();
      await rm(path, { force: true });
      throw error;
    }
    await file.close();
    return path;
  }

  async #flushFolder(): Promise<void> {
    if (process.platform === "win32") return; // a folder cannot be opened there
    const folder = await open(this.#path);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const system = error instanceof TidemarkError ? "" : codeOf(error);
      if (system === "") throw error;
      const isTransient = TRANSIENT.has(system);
      const code: ErrorCode = isTransient ? "CHECKPOINT_FAILED" : "CHECKPOINT_REFUSED";
      const way = isTransient
        ? "make room or free the disk"
        : "correct file({ dir }) or its rights";
      throw new TidemarkError(
        code,
        `The checkpoint folder ${this.#path} cannot be used (${system}); ${way}. Nothing was ` +
          "acknowledged.",
        { cause: error, detail: { system } },
      );
    }
  }
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
