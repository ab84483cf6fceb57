import { parseArgs } from "node:util";

/** What was asked for on the command line. */
export interface BenchOptions {
  readonly name: string;
  /** Rows to load, or per transaction in `memory`. */
  readonly rows: number;
  /** Keys whose state is saved (checkpoint). */
  readonly keys: number;
  /** Rounds; null leaves the number to the benchmark. */
  readonly runs: number | null;
  /** Seconds a round or a blockade lasts; null leaves it to the benchmark. */
  readonly seconds: number | null;
  /** Where the figures go as JSON. */
  readonly jsonFile: string | null;
  /** Only these consumers or variants; null means all. */
  readonly only: readonly string[] | null;
  /** Whether followers of the log get a core of their own (source-impact). */
  readonly hasSpareCore: boolean;
  /** Whether rates with and without checkpoints are measured (checkpoint). */
  readonly hasFlow: boolean;
  /** Folder for V8 CPU profiles of the consumers; their figures then mean less. */
  readonly profileDir: string | null;
}

/** Reads `<name> [--rows N] ...`; throws a sentence for what it does not understand. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rows: { type: "string", default: "1000000" },
      keys: { type: "string", default: "1000000" },
      runs: { type: "string" },
      seconds: { type: "string" },
      json: { type: "string" },
      only: { type: "string" },
      profile: { type: "string" },
      "spare-core": { type: "boolean", default: false },
      "no-flow": { type: "boolean", default: false },
    },
  });
  const rows = wholeNumber("rows", values.rows) ?? 0;
  if (rows % 100 !== 0) throw new Error("--rows takes a multiple of 100, the rows a transaction.");
  return {
    name: positionals[0] ?? "",
    rows,
    keys: wholeNumber("keys", values.keys) ?? 0,
    runs: wholeNumber("runs", values.runs),
    seconds: wholeNumber("seconds", values.seconds),
    jsonFile: values.json ?? null,
    only: values.only?.split(",") ?? null,
    hasSpareCore: values["spare-core"],
    hasFlow: !values["no-flow"],
    profileDir: values.profile ?? null,
  };
}

function wholeNumber(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text.replaceAll("_", ""));
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`--${option} takes a whole number of at least 1, not "${text}".`);
  }
  return value;
}
