// PostgreSQL as the oracle: random tables under random transactions, decoded in every protocol
// version and form and applied to a copy, hold after each commit what the tables held themselves.
// ORACLE_ROUNDS=1000 npm run oracle:decoder goes on for longer; TIDEMARK_TEST_SEED repeats a run.
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { PgoutputDecoder } from "../../../decoders/pgoutput/index.js";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import type { CatalogType } from "../../../src/core/catalog.js";
import { readTypes } from "../../../src/source/read-types.js";
import { SpillFiles } from "../../../src/source/spill-files.js";
import { sqlConnect } from "../../../src/source/sql-client.js";
import { connect, runScript, type Snapshot } from "../../fixtures/oracle/oracle-script.js";
import { Replica, textOf } from "../../fixtures/oracle/replica.js";
import { usePostgres } from "../../services/postgres.js";
import { randomOf, seededRandom } from "../../torture/random.js";

const ROUNDS = Number(process.env["ORACLE_ROUNDS"] ?? 1);
const { seed } = seededRandom();

interface Mode {
  readonly isBinary: boolean;
  readonly options: Readonly<Record<string, string>>;
  /** Streams every change, however small its transaction. */
  readonly streamsAll?: boolean;
}

const modes: readonly Mode[] = [
  { isBinary: false, options: { proto_version: "1" } },
  { isBinary: true, options: { proto_version: "1" } },
  { isBinary: false, options: { proto_version: "2", streaming: "on" }, streamsAll: true },
  { isBinary: true, options: { proto_version: "2", streaming: "on" } },
  { isBinary: false, options: { proto_version: "3", two_phase: "on" } },
  {
    isBinary: true,
    options: { proto_version: "3", two_phase: "on", streaming: "on" },
    streamsAll: true,
  },
  {
    isBinary: false,
    options: { proto_version: "4", two_phase: "on", streaming: "parallel" },
    streamsAll: true,
  },
  { isBinary: true, options: { proto_version: "4", streaming: "parallel" }, streamsAll: true },
];

const settings = { logical_decoding_work_mem: "64kB", max_prepared_transactions: "2" };

describe.each([16, 17, 18] as const)("PostgreSQL %i", async (version) => {
  const server = await usePostgres({ version, settings });
  const rounds = Array.from({ length: ROUNDS }, (_, round) => round);

  test.each(rounds)(
    `round %i (TIDEMARK_TEST_SEED=${seed})`,
    { timeout: 120_000 },
    async (round) => {
      const { url, name } = await server.createDatabase();
      const names = { slot: `${name}_slot`, publication: `${name}_pub` };
      const snapshots = await runScript({
        url,
        random: randomOf(seed + round * 3 + version),
        tables: 8,
        transactions: 40,
        ...names,
      });
      expect(snapshots.length).toBeGreaterThan(10);
      const types = await ownTypes(url);
      for (const mode of modes) {
        const messages = await peek(url, names, mode);
        const where = `${JSON.stringify(mode)}, round ${round}`;
        const { compared, streams } = compare(messages, snapshots, { mode, types, where });
        expect(compared, where).toBeGreaterThan(snapshots.length / 2);
        if (mode.streamsAll === true) expect(streams, where).toBeGreaterThan(0);
      }
    },
  );
});

async function ownTypes(url: string): Promise<CatalogType[]> {
  const session = await sqlConnect({ url, role: "source", applicationName: "oracle" })();
  try {
    const own = await session.query(
      "select oid::int8::text as oid from pg_type where typnamespace = 'public'::regnamespace",
    );
    return await readTypes(
      session,
      own.map(({ oid }) => Number(oid)),
    );
  } finally {
    await session.end();
  }
}

/** The messages of the whole slot in this mode; the slot stays where it is. */
async function peek(
  url: string,
  { slot, publication }: { slot: string; publication: string },
  mode: Mode,
): Promise<Buffer[]> {
  const client = await connect(url);
  try {
    if (mode.streamsAll === true) {
      await client.query("set debug_logical_replication_streaming = immediate");
    }
    const options = {
      ...mode.options,
      publication_names: publication,
      ...(mode.isBinary ? { binary: "true" } : {}),
    };
    const { rows } = await client.query(
      `select encode(data, 'hex') as data
       from pg_logical_slot_peek_binary_changes($1, null, null, variadic $2::text[])`,
      [slot, Object.entries(options).flat()],
    );
    return rows.map(({ data }) => Buffer.from(data, "hex"));
  } finally {
    await client.end();
  }
}

/** Applies the messages to a copy and compares it after each commit there is a snapshot of. */
function compare(
  messages: readonly Buffer[],
  snapshots: readonly Snapshot[],
  context: { readonly mode: Mode; readonly types: readonly CatalogType[]; readonly where: string },
): { compared: number; streams: number } {
  const codecs = new DatabaseCodecs(context.types, context.mode.isBinary);
  const decoder = new PgoutputDecoder({
    codecs,
    maxHeldBytes: 10_000,
    spill: new SpillFiles({ directory: tmpdir(), maxBytes: 2 ** 30 }),
  });
  const replica = new Replica(context.mode.isBinary);
  const expected = new Map(snapshots.map((snapshot) => [snapshot.xid, snapshot]));
  const columns = new Map<string, Map<string, number>>();
  let compared = 0;
  const take = (): void => {
    const batch = decoder.take();
    for (const { name, columns: described } of batch.relations) {
      columns.set(name, new Map(described.map((column) => [column.name, column.typeOid])));
    }
    for (const { from, to, xid, commitEndLsn } of batch.transactions) {
      replica.apply(batch, from, to);
      const snapshot = expected.get(xid);
      if (commitEndLsn === null || snapshot === undefined) continue;
      check(replica, snapshot, { ...context, columns });
      compared++;
    }
  };
  for (const message of messages) {
    decoder.decode(message, 0, message.length);
    // One transaction a batch, so that the columns are those it saw.
    do {
      if (!decoder.isInTransaction || decoder.isDelivering) take();
    } while (decoder.isDelivering);
  }
  decoder.close();
  return { compared, streams: messages.filter(([tag]) => tag === 0x53).length };
}

function check(
  replica: Replica,
  snapshot: Snapshot,
  context: {
    readonly mode: Mode;
    readonly types: readonly CatalogType[];
    readonly where: string;
    readonly columns: ReadonlyMap<string, ReadonlyMap<string, number>>;
  },
): void {
  const text = new DatabaseCodecs(context.types, false);
  const isRead = (oid: number): boolean => !context.mode.isBinary || text.hasBinary(oid);
  for (const [table, content] of snapshot.tables) {
    const types = context.columns.get(table);
    if (types === undefined) {
      expect(content.rows, `${table}, ${context.where}`).toEqual([]);
      continue;
    }
    // A column that no row has been sent with yet is NULL in all of them.
    const names = content.columns.filter((name) => isRead(types.get(name) ?? 25));
    const wanted = content.rows.map((row) =>
      names.map((name) => {
        const value = row[content.columns.indexOf(name)] ?? null;
        if (value === null || !context.mode.isBinary) return value;
        return textOf(text.codecOf(types.get(name) ?? 25), Buffer.from(value));
      }),
    );
    const rows = replica.tables.get(table) ?? [];
    const found = rows.map((row) => names.map((name) => row.get(name) ?? null));
    expect(sorted(found), `${table} after ${snapshot.xid}, ${context.where}`).toEqual(
      sorted(wanted),
    );
  }
}

function sorted(rows: readonly (readonly (string | null)[])[]): string[] {
  return rows.map((row) => JSON.stringify(row.map(short))).sort();
}

/** Large values by their digest: a difference is to be read by people. */
function short(value: string | null): string | null {
  if (value === null || value.length < 100) return value;
  return `${value.slice(0, 10)}... ${createHash("sha1").update(value).digest("hex")}`;
}
