import { writeFile } from "node:fs/promises";
import { pgoutputWith } from "../../../decoders/pgoutput/pgoutput-factory.js";
import { EXIT } from "../../core/error-codes.js";
import { TidemarkError } from "../../core/errors.js";
import type { SlotOptions } from "../../pipeline/specs.js";
import { sqlConnect } from "../../source/sql-client.js";
import { environment } from "../environment.js";
import { generateTypes, isStale } from "./generate-types.js";

/** Options as the command line gives them. */
export interface TypesCommandOptions {
  /** Configuration file that `source` comes from. */
  readonly config?: string;
  readonly publication?: string;
  readonly table?: readonly string[];
  /** File to write, `-` for stdout. */
  readonly out: string;
  readonly check?: boolean;
}

/**
 * Writes the types of the source's tables, or with `check` says whether the file is up to date.
 * Returns the exit code. The URL of a `source` without one comes from the environment.
 */
export async function typesCommand(
  source: SlotOptions,
  options: TypesCommandOptions,
): Promise<number> {
  const url = source.url ?? environment("TIDEMARK_SOURCE_URL");
  if (url === undefined) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "No source: set TIDEMARK_SOURCE_URL, or name a configuration file: tidemark types my.config.ts.",
    );
  }
  const { config, publication, table, out } = options;
  const session = await sqlConnect({ url, role: "source", applicationName: "tidemark types" })();
  let generated: string;
  try {
    generated = await generateTypes(session, {
      // Both decoders make the same values.
      decoder: pgoutputWith(source.parsers ?? {}),
      ...(config === undefined ? {} : { config }),
      ...(publication === undefined ? {} : { publication }),
      ...(table === undefined ? {} : { tables: table }),
    });
  } finally {
    await session.end();
  }
  if (options.check === true) {
    const stale = await isStale(out, generated);
    process.stdout.write(
      stale ? `${out} is stale: run tidemark types.\n` : `${out} is up to date.\n`,
    );
    return stale ? EXIT.config : EXIT.ok;
  }
  if (out === "-") process.stdout.write(generated);
  else {
    await writeFile(out, generated);
    process.stdout.write(`${out} written.\n`);
  }
  return EXIT.ok;
}
