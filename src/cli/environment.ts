import { readFileSync } from "node:fs";
import { TidemarkError } from "../core/errors.js";
import type { Environment } from "../pipeline/settings.js";

/**
 * Looks `NAME` up in the environment, or the first line of the file that `NAME_FILE` names, so that
 * secrets can be mounted as files.
 */
export const environment: Environment = (name) => {
  const value = process.env[name];
  if (value !== undefined) return value;
  const path = process.env[`${name}_FILE`];
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8").split("\n", 1)[0]?.trim();
  } catch (error) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      `${name}_FILE names a file that cannot be read: ${path}. Correct the path or its rights.`,
      { cause: error },
    );
  }
};
