// What a condition in SQL costs a row, next to the same written by hand and in CEL.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parse as celParse } from "@marcbachmann/cel-js";
import type { Relation } from "../src/core/relation.js";
import { openDatabase } from "./database.js";
import type { BenchOptions } from "./options.js";
import {
  type ExpressionCase,
  expressionCases,
  type MeasuredRow,
} from "./processes/expression-cases.js";
import {
  type BenchResult,
  describeMachine,
  fixed,
  progress,
  WrongResult,
  whole,
} from "./report.js";

// The built files: what runs TypeScript directly names every closure when it is made, which costs
// more than the closures do.
const built = <M>(path: string): Promise<M> =>
  import(new URL(`../dist/${path}`, import.meta.url).href);
const { codecOf } = await built<typeof import("../decoders/types/codecs.js")>(
  "decoders/types/codecs.js",
);
const { Numeric } = await built<typeof import("../src/core/numeric.js")>("src/core/numeric.js");
const { Row } = await built<typeof import("../src/core/row.js")>("src/core/row.js");
const { checkCondition } = await built<
  typeof import("../src/expression/check/check-expression.js")
>("src/expression/check/check-expression.js");
const { compileCondition } = await built<
  typeof import("../src/expression/compile/compile-expression.js")
>("src/expression/compile/compile-expression.js");
const { emptyFrame, rowReader } = await built<
  typeof import("../src/expression/compile/row-reader.js")
>("src/expression/compile/row-reader.js");
const { loadGrammar } = await built<typeof import("../src/expression/grammar.js")>(
  "src/expression/grammar.js",
);
const { rowScope } =
  await built<typeof import("../src/expression/scope.js")>("src/expression/scope.js");

const ROWS = 2000;
const ROUNDS = 7;
const COLUMNS = [
  { name: "event_type", typeOid: 25, typeName: "text" },
  { name: "amount", typeOid: 1700, typeName: "numeric" },
  { name: "quantity", typeOid: 23, typeName: "integer" },
  { name: "data", typeOid: 3802, typeName: "jsonb" },
  { name: "created_at", typeOid: 1184, typeName: "timestamp with time zone" },
];
const RELATION: Relation = {
  ...{ oid: 1, schema: "public", name: "events", qualifiedName: "public.events" },
  replicaIdentity: "default",
  columns: COLUMNS.map((column) => ({
    ...{ ...column, typeModifier: -1, isKey: false, codec: codecOf(column.typeOid) },
  })),
};

/** All rows in one buffer, as a socket read has them. */
interface Cells {
  readonly bytes: Buffer;
  readonly cells: Int32Array;
}

function makeRows(): Cells {
  const texts = Array.from({ length: ROWS }, (_, n) => [
    ["alert", "purchase", "login", "logout"][n % 4] as string,
    `${(n * 37) % 250}.${String(n % 100).padStart(2, "0")}`,
    String(n % 50),
    `{"id": ${n}, "tags": ["a", "b"], "level": "${["high", "low", "none"][n % 3]}", "note": "n${n}"}`,
    `2026-11-23 ${String(n % 24).padStart(2, "0")}:07:14.${String(n).padStart(6, "0")}+00`,
  ]).flat();
  const cells = new Int32Array(2 * texts.length);
  let at = 0;
  texts.forEach((text, i) => {
    cells[2 * i] = at;
    at += Buffer.byteLength(text);
    cells[2 * i + 1] = at;
  });
  return { bytes: Buffer.from(texts.join("")), cells };
}

/** Best nanoseconds a row of several rounds, and how many rows passed. */
function measure(passes: (n: number) => boolean): { nanos: number; passed: number } {
  let best = Number.POSITIVE_INFINITY;
  let passed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const repeats = 40;
    const started = process.hrtime.bigint();
    for (let repeat = 0; repeat < repeats; repeat++) {
      passed = 0;
      for (let n = 0; n < ROWS; n++) if (passes(n)) passed++;
    }
    const nanos = Number(process.hrtime.bigint() - started) / (repeats * ROWS);
    best = Math.min(best, nanos);
  }
  return { nanos: best, passed };
}

interface Figures {
  readonly title: string;
  readonly sqlNs: number;
  readonly byHandNs: number;
  readonly celNs: number;
}

const scope = rowScope({ table: "events", columns: COLUMNS, collation: "C", hasNow: true });
const grammar = await loadGrammar();

function measureCase(one: ExpressionCase, { bytes, cells }: Cells): Figures {
  const width = 2 * COLUMNS.length;
  const frame = emptyFrame();
  frame.bytes = bytes;
  frame.cells = cells;
  const condition = compileCondition(
    checkCondition(grammar, one.sql, scope),
    one.sql,
    rowReader(RELATION),
  );
  const inSql = measure((n) => {
    frame.base = n * width;
    return condition(frame);
  });
  const rowAt = (n: number): MeasuredRow =>
    Row.of(RELATION, bytes, cells, n * width) as unknown as MeasuredRow;
  const byHand = measure((n) => one.byHand(rowAt(n)));
  const cel = celParse(one.cel);
  const plain = Array.from({ length: ROWS }, (_, n) => celRow(rowAt(n)));
  const inCel = measure((n) => cel(plain[n]) === true);
  if (inSql.passed !== byHand.passed) {
    throw new WrongResult(
      `${one.title}: ${inSql.passed} rows pass in SQL, ${byHand.passed} by hand`,
    );
  }
  return { title: one.title, sqlNs: inSql.nanos, byHandNs: byHand.nanos, celNs: inCel.nanos };
}

/** What CEL gets is decoded beforehand: its figure has no decoding in it. */
function celRow(row: MeasuredRow): Record<string, unknown> {
  return {
    event_type: row.event_type,
    amount: row.amount.toNumber(),
    quantity: row.quantity,
    data: row.data,
    created_at: BigInt(row.created_at.epochMs),
  };
}

/** Milliseconds to parse, check and compile so many different conditions. */
function compileMs(count: number): number {
  const texts = Array.from(
    { length: count },
    (_, n) => `amount > ${n} AND event_type = 'kind ${n}' AND data ->> 'level' IN ('a', 'b')`,
  );
  const started = performance.now();
  for (const text of texts) {
    compileCondition(checkCondition(grammar, text, scope), text, rowReader(RELATION));
  }
  return performance.now() - started;
}

/** Milliseconds to load the grammar, in a process that has not. */
function grammarLoadMs(): number {
  const file = fileURLToPath(new URL("../dist/src/expression/grammar.js", import.meta.url));
  const script = `
    const { loadGrammar } = await import(${JSON.stringify(file)});
    const started = performance.now();
    await loadGrammar();
    console.log(performance.now() - started);`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  return Number(stdout);
}

export async function expression(_options: BenchOptions): Promise<BenchResult> {
  progress("Measuring five conditions ...");
  const rows = makeRows();
  const figures = expressionCases(Numeric).map((one) => measureCase(one, rows));
  progress("Compiling 10,000 conditions ...");
  compileMs(100);
  const [one, many] = [compileMs(1), compileMs(10_000)];
  const loadMs = grammarLoadMs();
  const db = await openDatabase();
  try {
    return {
      method: [
        `Best of ${ROUNDS} rounds over ${ROWS} rows whose cells lie in one buffer, one process.`,
        "By hand: the TypeScript function a user would write, over the same rows. CEL: " +
          "@marcbachmann/cel-js 8.0.0 over objects decoded beforehand, so without any decoding.",
      ],
      machine: await describeMachine(db.sql),
      tables: [
        {
          title: "Nanoseconds a row",
          head: ["condition", "SQL", "by hand", "SQL / by hand", "CEL, decoded"],
          rows: figures.map(({ title, sqlNs, byHandNs, celNs }) => [
            title,
            ...[whole(sqlNs), whole(byHandNs), fixed(sqlNs / byHandNs), whole(celNs)],
          ]),
        },
        {
          title: "Milliseconds",
          head: ["", "ms"],
          rows: [
            ["parse, check and compile one", fixed(one)],
            ["10,000 different ones", whole(many)],
            ["load the grammar, once, when it is first used", whole(loadMs)],
          ],
        },
      ],
      figures: { figures, compileOneMs: one, compileManyMs: many, loadMs },
    };
  } finally {
    await db.close();
  }
}
