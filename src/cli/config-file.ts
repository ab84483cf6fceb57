import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { TidemarkError } from "../core/errors.js";
import type { PipelineDefinition } from "../pipeline/builder.js";

const DEFAULT_NAMES = ["tidemark.config.ts", "tidemark.config.js", "tidemark.config.mjs"];

/**
 * Loads the pipeline that a configuration file exports by default. `tidemark` inside the file is
 * this very installation, wherever the file lies.
 */
export async function loadPipeline(path: string | undefined): Promise<PipelineDefinition> {
  const file = findFile(path);
  let module: { default?: unknown };
  try {
    const door = fileURLToPath(new URL("../index.js", import.meta.url));
    const jiti = createJiti(import.meta.url, { alias: { tidemark: door }, moduleCache: false });
    module = await jiti.import(file);
  } catch (error) {
    if (isTidemarkError(error)) throw new TidemarkError(error.code, `${file}: ${error.message}`);
    throw new TidemarkError(
      "CONFIG_INVALID",
      `${file} cannot be loaded, correct it: ${oneLine(error)}`,
      { cause: error },
    );
  }
  const exported = module.default as { pipeline?: unknown } | undefined;
  const definition = exported?.pipeline ?? exported;
  if (!isDefinition(definition)) {
    throw new TidemarkError(
      "CONFIG_NOT_FOUND",
      `${file} has no pipeline: it must say "export default defineConfig(pipeline(...))".`,
    );
  }
  return definition;
}

function findFile(path: string | undefined): string {
  const candidates = path === undefined ? DEFAULT_NAMES : [path];
  const found = candidates.map((name) => resolve(name)).find((name) => existsSync(name));
  if (found !== undefined) return found;
  throw new TidemarkError(
    "CONFIG_NOT_FOUND",
    path === undefined
      ? `There is no ${DEFAULT_NAMES[0]} here; write one, or name it: tidemark run my.config.ts.`
      : `${path} does not exist; name an existing configuration file.`,
  );
}

/** Parsers print the place on lines of its own. */
function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s+/g, " ").trim();
}

/** Errors thrown inside the file may come from another copy of the class. */
function isTidemarkError(error: unknown): error is TidemarkError {
  return error instanceof Error && error.name === "TidemarkError" && "code" in error;
}

function isDefinition(value: unknown): value is PipelineDefinition {
  return typeof value === "object" && value !== null && "plan" in value && "source" in value;
}
