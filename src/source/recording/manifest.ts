import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CatalogTable, CatalogType } from "../../core/catalog.js";
import type { DecoderFactory } from "../../core/decoder.js";
import { TidemarkError } from "../../core/errors.js";
import { replaceFile } from "./file-bytes.js";

type RecordedColumn = Omit<CatalogTable["columns"][number], "codec">;
type RecordedTable = Omit<CatalogTable, "columns"> & { readonly columns: RecordedColumn[] };

/** What a recording says of itself, so that it can be read where there is no server. */
export interface RecordingManifest {
  /** Of the file's format. */
  readonly format: 1;
  /** Output plugin whose messages are recorded. */
  readonly plugin: string;
  readonly publication: string;
  /** Options the stream was started with. */
  readonly streamOptions: Readonly<Record<string, string>>;
  /** The tables by the catalogue of the time when recording began or went on last. */
  readonly tables: readonly RecordedTable[];
  /** Their types that are not PostgreSQL's own. */
  readonly types?: readonly CatalogType[];
}

const NAME = "recording.json";

/** The manifest of the recording in `dir`, or null when there is none. */
export async function readManifest(dir: string): Promise<RecordingManifest | null> {
  const path = join(dir, NAME);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw recordingFailed(dir, error);
  }
  try {
    const manifest = JSON.parse(text) as RecordingManifest;
    if (manifest.format === 1 && Array.isArray(manifest.tables)) return manifest;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new TidemarkError(
    "RECORDING_CORRUPT",
    `${path} is not the description of a recording that this version reads. Restore the file ` +
      "from a copy, or use the version that wrote it.",
    { detail: { file: NAME, offset: 0 } },
  );
}

/** Makes the folder and writes the manifest into it, durably. */
export async function writeManifest(dir: string, manifest: RecordingManifest): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await replaceFile(join(dir, NAME), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  } catch (error) {
    throw recordingFailed(dir, error);
  }
}

/** Tables without what cannot be written down: how their cells are read. */
export function recordedTables(tables: readonly CatalogTable[]): RecordedTable[] {
  return tables.map((table) => ({
    ...table,
    columns: table.columns.map(({ codec: _, ...column }) => column),
  }));
}

/** The tables that are asked for, as when they were recorded. Throws SOURCE_TABLE_MISSING. */
export function catalogOf(
  manifest: RecordingManifest,
  names: readonly string[],
  codecOf: DecoderFactory["codecOf"],
): CatalogTable[] {
  return names.map((name) => {
    const table = manifest.tables.find((t) => t.qualifiedName === name);
    if (table === undefined) {
      const recorded = manifest.tables.map((t) => t.qualifiedName).join(", ");
      throw new TidemarkError(
        "SOURCE_TABLE_MISSING",
        `The recording has no table ${name}; it has ${recorded}. Correct the pipeline, or take ` +
          "another recording.",
        { detail: { table: name } },
      );
    }
    const columns = table.columns.map((column) => ({
      ...column,
      codec: codecOf(column.typeOid, `${table.qualifiedName}.${column.name}`),
    }));
    return { ...table, columns };
  });
}

/** RECORDING_FAILED with the system's reason: the folder or its disk does not do what it should. */
export function recordingFailed(dir: string, cause: unknown): TidemarkError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TidemarkError(
    "RECORDING_FAILED",
    `The recording in ${dir} could not be written or read (${reason}). Nothing was acknowledged ` +
      "that is not on disk; make room or correct the folder's rights.",
    { cause, detail: { dir } },
  );
}
