// What matching patterns costs beside a naive matcher, and what a waiting run takes in memory.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { PgoutputDecoder } from "../decoders/pgoutput/decoder.js";
import { codecOf } from "../decoders/types/codecs.js";
import type { Batch } from "../src/core/batch.js";
import type { CatalogTable } from "../src/core/catalog.js";
import type { Row } from "../src/core/row.js";
import { emptyRows, pushRow } from "../src/core/rows.js";
import { pipeline, postgres } from "../src/pipeline/builder.js";
import { compilePlan } from "../src/pipeline/compile.js";
import { Engine } from "../src/pipeline/engine.js";
import type { Pattern } from "../src/pipeline/pattern-builder.js";
import { slot } from "../src/pipeline/specs.js";
import { begin, commit, insert, relation } from "../test/fixtures/pgoutput-messages.js";
import { NaiveMatcher, type NaiveStep } from "./naive-matcher.js";
import type { BenchOptions } from "./options.js";
import { type BenchResult, describeMachine, progress, WrongResult, whole } from "./report.js";

interface EventRow {
  readonly user_id: number;
  readonly kind: number;
  readonly amount: number;
}

type Begin = <N extends string>(name: N) => Pattern<EventRow, N>;

/** A pattern, the rows it is run over, and the same steps for the naive matcher. */
interface Case {
  readonly title: string;
  readonly keys: number;
  /** What the n-th row of a key is. */
  readonly kindOf: (n: number, random: number) => number;
  readonly build: (begin: Begin) => Pattern<EventRow, string>;
  readonly naive: readonly NaiveStep[];
  /** Milliseconds of commit time a transaction of 100 rows. */
  readonly paceMs: number;
}

const TRANSACTION = 100;
const HOUR = 3_600_000;
const COLUMNS = [
  ["user_id", 23, "integer"],
  ["kind", 23, "integer"],
  ["amount", 23, "integer"],
] as const;
const TABLE: CatalogTable = {
  schema: "public",
  name: "events",
  qualifiedName: "public.events",
  replicaIdentity: "default",
  identityKey: [],
  columns: COLUMNS.map(([name, typeOid, typeName]) => {
    return { name, typeOid, typeName, isNotNull: true, codec: codecOf(typeOid) };
  }),
};

const is = (kind: number) => (row: EventRow) => row.kind === kind;
const naiveStep = (kind: number, isStrict: boolean, isLoop = false): NaiveStep => {
  return { where: is(kind) as unknown as (row: Row) => boolean, isStrict, isLoop };
};
const random10 = (_: number, random: number): number => Math.floor(random * 10);

const CASES: readonly Case[] = [
  {
    title: "2 steps, strict",
    keys: 10_000,
    kindOf: random10,
    build: (b) => b("a").where(is(1)).next("b").where(is(2)).within("1h"),
    naive: [naiveStep(1, true), naiveStep(2, true)],
    paceMs: 100,
  },
  {
    title: "3 steps, strict",
    keys: 10_000,
    kindOf: random10,
    build: (b) => b("a").where(is(1)).next("b").where(is(2)).next("c").where(is(3)).within("1h"),
    naive: [naiveStep(1, true), naiveStep(2, true), naiveStep(3, true)],
    paceMs: 100,
  },
  {
    title: "3 steps, relaxed, 10 % of rows fit each",
    keys: 10_000,
    kindOf: random10,
    build: (b) =>
      b("a").where(is(1)).followedBy("b").where(is(2)).followedBy("c").where(is(3)).within("1h"),
    naive: [naiveStep(1, false), naiveStep(2, false), naiveStep(3, false)],
    paceMs: 100,
  },
  {
    title: "A B+ C, 200 rows a key",
    keys: 1000,
    kindOf: (n) => (n % 200 === 0 ? 1 : n % 200 === 199 ? 3 : 2),
    build: (b) =>
      b("a")
        .where(is(1))
        .next("b")
        .where(is(2))
        .oneOrMore()
        .consecutive()
        .next("c")
        .where(is(3))
        .within("1h"),
    naive: [naiveStep(1, true), naiveStep(2, true, true), naiveStep(3, true)],
    paceMs: 1,
  },
];

export async function pattern(options: BenchOptions): Promise<BenchResult> {
  const speed = CASES.map((one) => compare(one, options.rows));
  const memory = [waiting("absence at the end", true), waiting("2 steps within 1 h", false)];
  const machine = await describeMachine(() => Promise.resolve([{ version: "none" }]));
  return {
    method: [
      `${whole(options.rows)} rows in transactions of ${TRANSACTION}, decoded beforehand; ` +
        "only matching is timed, matches collected at every commit, in one process and one run.",
      "Naive: an array of partial matches a key, each tried on every row, rows as plain objects.",
      "Memory: a million keys with one run each, heap and buffers after a collection.",
    ],
    machine,
    tables: [
      {
        title: "Rows a second on one core",
        head: ["pattern", "matches", "engine", "naive", "engine ÷ naive"],
        rows: speed.map(({ title, matches, engine, naive }) => {
          return [title, whole(matches), whole(engine), whole(naive), (engine / naive).toFixed(2)];
        }),
      },
      {
        title: "A million keys waiting",
        head: ["pattern", "bytes a run", "rows a second", "ends a second"],
        rows: memory.map(({ title, bytes, rows, ends }) => [
          title,
          whole(bytes),
          whole(rows),
          whole(ends),
        ]),
      },
    ],
    figures: { speed, memory },
  };
}

/** Runs one pattern by the engine and by the naive matcher, turn and turn about. */
function compare(
  one: Case,
  rows: number,
): { title: string; matches: number; engine: number; naive: number } {
  progress(`${one.title} ...`);
  const engine = engineOf(one.build);
  const naive = new NaiveMatcher(one.naive, HOUR, "user_id");
  let [matches, engineMs, naiveMs] = [0, 0, 0];
  for (const batch of batches(one, rows)) {
    const started = performance.now();
    matches += run(engine, batch);
    const between = performance.now();
    for (const slice of batch.transactions) {
      const selection = emptyRows();
      for (let i = slice.from; i < slice.to; i++) pushRow(selection, i, batch.after[i] as number);
      const [relation] = batch.relations;
      if (relation === undefined) continue;
      Object.assign(selection, { batch, relation, slice });
      selection.eventMs.fill(slice.commitMs);
      naive.onRows(selection);
    }
    engineMs += between - started;
    naiveMs += performance.now() - between;
  }
  if (matches !== naive.matches) {
    throw new WrongResult(`${one.title}: ${matches} matches, naively ${naive.matches}.`);
  }
  const perSecond = (ms: number) => (rows / ms) * 1000;
  return { title: one.title, matches, engine: perSecond(engineMs), naive: perSecond(naiveMs) };
}

/** A million keys with a run each: what it takes to begin them, to hold them and to end them. */
function waiting(title: string, isAbsence: boolean) {
  progress(`${title}, a million keys ...`);
  const engine = engineOf((b) => {
    const first = b("a").where(is(1));
    return (isAbsence ? first.notFollowedBy("b") : first.followedBy("b")).where(is(2)).within("1h");
  });
  const keys = 1_000_000;
  const before = heldBytes();
  let ms = 0;
  for (const batch of batches({ keys, kindOf: () => 1, paceMs: 1 }, keys)) {
    const started = performance.now();
    run(engine, batch);
    ms += performance.now() - started;
  }
  const bytes = (heldBytes() - before) / keys;
  const started = performance.now();
  engine.onIdle(2 * HOUR);
  const matches = engine.collect().reduce((n, { rowCount }) => n + rowCount, 0);
  const endMs = performance.now() - started;
  if (matches !== (isAbsence ? keys : 0)) throw new WrongResult(`${title}: ${matches} matches.`);
  return { title, bytes, rows: (keys / ms) * 1000, ends: (keys / endMs) * 1000 };
}

function engineOf(build: Case["build"]): Engine {
  const { plan } = pipeline<{ "public.events": EventRow }>("bench", { source: slot() }, (from) => {
    from("public.events", { appendOnly: true })
      .keyBy("user_id")
      .match(build)
      .into(postgres.append("matches"));
  });
  const { sources, outputs } = compilePlan(plan, [TABLE]);
  return new Engine(sources, outputs, { cursor: 0n, replayUntil: 0n, idleMs: null });
}

function run(engine: Engine, batch: Batch): number {
  let matches = 0;
  for (const slice of batch.transactions) {
    engine.apply(batch, slice);
    for (const output of engine.collect()) matches += output.rowCount;
  }
  return matches;
}

/** Rows key by key in turn, in batches of a hundred transactions. */
function* batches(
  { keys, kindOf, paceMs }: Pick<Case, "keys" | "kindOf" | "paceMs">,
  rows: number,
): Generator<Batch> {
  const decoder = new PgoutputDecoder();
  const take = (message: Buffer): void => decoder.decode(message, 0, message.length);
  const columns = COLUMNS.map(([name, typeOid]) => ({ name, typeOid }));
  take(relation({ oid: 16_400, schema: "public", name: "events", columns }));
  let seed = 1;
  for (let row = 0; row < rows; ) {
    const number = row / TRANSACTION;
    const lsn = BigInt(1000 + number * 100);
    take(begin(lsn, 1 + number, number * paceMs));
    for (const end = Math.min(rows, row + TRANSACTION); row < end; row++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      const kind = kindOf(Math.floor(row / keys), seed / 0x8000_0000);
      take(insert(16_400, [String(row % keys), String(kind), String(row)]));
    }
    take(commit(lsn, lsn + 34n, number * paceMs));
    if (number % 100 === 99) yield decoder.take();
  }
  if (decoder.pending > 0) yield decoder.take();
}

function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
