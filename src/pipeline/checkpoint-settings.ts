import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { TidemarkError } from "../core/errors.js";
import { check, type PostgresSpec } from "./specs.js";

/** A folder on this machine for checkpoints. */
export interface FileOptions {
  /** Each pipeline has a folder of its own name in it. */
  readonly dir: string;
}

export interface FileSpec {
  readonly kind: "file";
  readonly options: FileOptions;
}

/** Where checkpoints go, as written. */
export type CheckpointSpec = PostgresSpec | FileSpec;

/** Where checkpoints go, complete. */
export type CheckpointSettings =
  | { readonly kind: "postgres"; readonly url: string }
  | { readonly kind: "file"; readonly dir: string };

const FILE_OPTIONS = z.strictObject({ dir: z.string().min(1) });

/** Checkpoints in a folder on this machine: for one machine and its disk. */
export function file(options: FileOptions): FileSpec {
  return Object.freeze({ kind: "file", options: check("file", FILE_OPTIONS, options) });
}

/** What the checkpoints of a pipeline need beside what is written. */
export interface CheckpointDefaults {
  readonly pipeline: string;
  /** TIDEMARK_CHECKPOINT_URL: `postgresql:` or `file:`. */
  readonly url: string | undefined;
  readonly resultsUrl: string;
}

/** Completes `checkpoint`. Throws CONFIG_INVALID for a URL of an unknown kind. */
export function resolveCheckpoint(
  spec: CheckpointSpec,
  { pipeline, url, resultsUrl }: CheckpointDefaults,
): CheckpointSettings {
  if (spec.kind === "file") return { kind: "file", dir: resolve(spec.options.dir, pipeline) };
  if (spec.options.url !== undefined) return { kind: "postgres", url: spec.options.url };
  if (url === undefined) return { kind: "postgres", url: resultsUrl };
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: "postgres", url };
  if (/^file:\/\/\//.test(url)) return { kind: "file", dir: resolve(fileURLToPath(url), pipeline) };
  throw new TidemarkError(
    "CONFIG_INVALID",
    'TIDEMARK_CHECKPOINT_URL takes a URL such as "postgresql://user@host/database" or ' +
      '"file:///var/lib/tidemark".',
  );
}
