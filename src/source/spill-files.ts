import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TidemarkError } from "../core/errors.js";
import type { SpillArea, SpillStore } from "../core/spill.js";

/** Where held transactions go that memory shall not hold. */
export interface SpillFilesOptions {
  readonly directory: string;
  /** Bytes of all of them together; more is SPILL_FAILED. */
  readonly maxBytes: number;
}

/**
 * A file for each transaction, readable by this user alone, whose name is removed as soon as it is
 * open: the system frees it whatever way the process ends. Reads and writes are synchronous and go
 * to the page cache; nothing is flushed, because nothing of it outlives the connection.
 */
export class SpillFiles implements SpillStore {
  readonly #options: SpillFilesOptions;
  #bytes = 0;
  #opened = 0;

  constructor(options: SpillFilesOptions) {
    this.#options = options;
  }

  open(): SpillArea {
    const name = `tidemark-spill-${process.pid}-${this.#opened++}-${process.hrtime.bigint()}`;
    const path = join(this.#options.directory, name);
    const file = attempt(() => {
      const opened = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      return opened;
    });
    let length = 0;
    return {
      append: (bytes) => {
        this.#reserve(bytes.length);
        attempt(() => {
          for (let done = 0; done < bytes.length; ) {
            done += writeSync(file, bytes, done, bytes.length - done, length + done);
          }
        });
        length += bytes.length;
      },
      read: (offset, count) => {
        const bytes = Buffer.allocUnsafeSlow(count);
        attempt(() => {
          for (let done = 0; done < count; ) {
            const read = readSync(file, bytes, done, count - done, offset + done);
            if (read === 0) throw new Error("the file is shorter than what was written to it");
            done += read;
          }
        });
        return bytes;
      },
      close: () => {
        this.#bytes -= length;
        closeSync(file);
      },
    };
  }

  #reserve(bytes: number): void {
    const { maxBytes, directory } = this.#options;
    this.#bytes += bytes;
    if (this.#bytes <= maxBytes) return;
    throw new TidemarkError(
      "SPILL_FAILED",
      `Transactions in progress take more than maxSpillBytes (${maxBytes}) in ${directory}. ` +
        "Raise it, or set streaming: false so that the server keeps them itself.",
      { detail: { maxBytes, directory } },
    );
  }
}

function attempt<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new TidemarkError(
      "SPILL_FAILED",
      `Transactions in progress could not be kept on disk (${code}). Give slot an option ` +
        "spillDirectory with a folder that is writable and has room, or set streaming: false.",
      { cause: error, detail: { code } },
    );
  }
}
