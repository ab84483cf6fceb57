import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchDatabase, openDatabase } from "./database.js";
import type { BenchOptions } from "./options.js";
import type { DecodeOrder, DecodeReport, HeldReport } from "./processes/order.js";
import { runProcess } from "./processes.js";
import { type BenchResult, describeMachine, fixed, progress, type Table, whole } from "./report.js";

const DEFAULT_RUNS = 5;
/** Rows of a shape: enough to take longer than a timer's step, few enough to stay in memory. */
const ROWS = 40_000;
const HELD_ROWS = 1_000_000;

/** A table, and the columns that a reader of three touches. */
interface Shape {
  readonly name: string;
  readonly columns: readonly string[];
  readonly values: readonly string[];
  readonly touched: readonly string[];
}

const EVENT = {
  columns: [
    ...["id bigint", "event_type text", "user_id int", "amount numeric(12,2)"],
    ...["data jsonb", "created_at timestamptz"],
  ],
  touched: ["event_type", "amount", "created_at"],
} as const;

/** The benchmarks' table, with a jsonb that makes the row about so many bytes long. */
function events(bytes: number): Shape {
  const pad = Math.max(0, bytes - 100);
  return {
    name: `6 columns, about ${bytes} bytes`,
    ...EVENT,
    values: [
      "n",
      "(array['login', 'view', 'cart', 'purchase', 'logout'])[1 + n % 5]",
      "n * 7919 % 10000",
      "(n * 104729 % 1000000) / 100.0",
      pad === 0
        ? "jsonb_build_object('m', n % 3 = 0)"
        : `jsonb_build_object('m', n % 3 = 0, 'pad', repeat('x', ${pad}))`,
      "clock_timestamp()",
    ],
  };
}

const SHAPES: readonly Shape[] = [
  ...[100, 200, 400, 1600].map(events),
  {
    name: "100 columns",
    columns: Array.from({ length: 100 }, (_, i) => `c${i} ${["int", "text", "numeric"][i % 3]}`),
    values: Array.from({ length: 100 }, (_, i) =>
      i % 3 === 1 ? "'value ' || n" : i % 3 === 0 ? `n + ${i}` : `n + ${i}.25`,
    ),
    touched: ["c0", "c1", "c2"],
  },
];

/** The cost of decoding alone: the same recorded messages through each reader, in one process. */
export async function decode(options: BenchOptions): Promise<BenchResult> {
  const db = await openDatabase();
  const folder = mkdtempSync(join(tmpdir(), "tidemark-decode-"));
  try {
    const inputs: DecodeOrder["inputs"][number][] = [];
    for (const [n, shape] of SHAPES.entries()) {
      progress(`Recording ${shape.name} ...`);
      inputs.push(await record(db, shape, join(folder, String(n))));
    }
    const runs = options.runs ?? DEFAULT_RUNS;
    const nodeFlags =
      options.profileDir === null ? [] : ["--cpu-prof", "--cpu-prof-dir", options.profileDir];
    progress("Decoding ...");
    const decoded = await runProcess<DecodeReport>({
      script: "decode-bytes",
      order: { inputs, runs } satisfies DecodeOrder,
      nodeFlags: ["--expose-gc", ...nodeFlags],
    });
    progress("Holding a streamed transaction ...");
    const held = await runProcess<HeldReport>({
      script: "held-transaction",
      order: { file: inputs[1]?.text, rows: HELD_ROWS, directory: folder },
    });
    return {
      method: method(runs),
      machine: await describeMachine(db.sql),
      tables: tablesOf(decoded, held),
      figures: { decoded, held },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await db.close();
  }
}

/** Inserts the rows of a shape and keeps the messages a slot gives of them, in both forms. */
async function record(
  db: BenchDatabase,
  shape: Shape,
  path: string,
): Promise<DecodeOrder["inputs"][number]> {
  const { sql } = db;
  await sql(`create table decoded (${shape.columns.join(", ")})`);
  await sql("create publication decoded for table decoded");
  await sql("select pg_create_logical_replication_slot('decoded', 'pgoutput')");
  const values = shape.values.join(", ");
  await sql(`insert into decoded select ${values} from generate_series(1::bigint, ${ROWS}) n`);
  const files: string[] = [];
  for (const form of ["text", "binary"] as const) {
    const rows = await sql(
      `select data from pg_logical_slot_peek_binary_changes('decoded', null, null,
         'proto_version', '1', 'publication_names', 'decoded', 'binary', $1)`,
      [String(form === "binary")],
    );
    const messages = rows.map(({ data }) => data as Buffer);
    writeFileSync(`${path}.${form}`, Buffer.concat(messages.flatMap(framed)));
    files.push(`${path}.${form}`);
  }
  await sql("select pg_drop_replication_slot('decoded')");
  await sql("drop publication decoded");
  await sql("drop table decoded");
  const [text = "", binary = ""] = files;
  return { name: shape.name, text, binary, rows: ROWS, touched: shape.touched };
}

/** UInt32 length, then the message. */
function framed(message: Buffer): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return [length, message];
}

function tablesOf({ results, keptBytes }: DecodeReport, held: HeldReport): Table[] {
  return [
    {
      title: "CPU a row (microseconds, the best round) and rows a second of one core",
      head: ["rows", "reader", "CPU µs", "rows/s", "÷ stock", "all rounds"],
      rows: results.map(({ input, reader, microsPerRow }) => {
        const best = Math.min(...microsPerRow);
        const stock = results.find((r) => r.input === input && r.reader === "stock parser");
        const ratio = best / Math.min(...(stock?.microsPerRow ?? [Number.NaN]));
        const rounds = microsPerRow.map((micros) => fixed(micros, 3)).join(" ");
        return [input, reader, fixed(best, 3), whole(1e6 / best), fixed(ratio, 3), rounds];
      }),
    },
    {
      title: "Memory",
      head: ["what", "figure"],
      rows: [
        ["a kept row of 200 bytes as a plain object, bytes on the heap", whole(keptBytes)],
        [`a streamed transaction of ${whole(held.rows)} rows: message bytes, MiB`, whole(held.mib)],
        ["spilled, MiB", whole(held.spilledMiB)],
        ["peak RSS while it is held and delivered, MiB", whole(held.peakRssMiB)],
        ["delivery, rows/s", whole(held.rowsPerSecond)],
      ],
    },
  ];
}

function method(runs: number): string[] {
  return [
    `${ROWS} inserts of each shape in one transaction, recorded from a slot in text and binary ` +
      `form; the same bytes go through each reader in one process, ${runs} rounds interleaved.`,
    "The stock parser is PgoutputPlugin.parse of pg-logical-replication, which decodes every " +
      "column and knows text alone. CPU is user and system time of the process.",
    "The streamed transaction is made of the recorded inserts of 200-byte rows, held by the " +
      "decoder with its default bound, spilled to files, and delivered in parts.",
  ];
}
