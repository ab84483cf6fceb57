// PostgreSQL as the oracle: random tables under random transactions, decoded in every protocol
// version and form and applied to a copy, hold after each commit what the tables held themselves.
// ORACLE_ROUNDS=1000 npm run oracle:decoder goes on for longer; TIDEMARK_TEST_SEED repeats a run.
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { PgoutputDecoder } from "../../../decoders/pgoutput/index.js";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import { SpillFiles } from "../../../src/source/spill-files.js";
import { compare, ownTypes } from "../../fixtures/oracle/compare.js";
import { connect, runScript } from "../../fixtures/oracle/oracle-script.js";
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
        const { isBinary } = mode;
        const decoder = new PgoutputDecoder({
          codecs: new DatabaseCodecs(types, isBinary),
          maxHeldBytes: 10_000,
          spill: new SpillFiles({ directory: tmpdir(), maxBytes: 2 ** 30 }),
        });
        const compared = compare(messages, snapshots, { decoder, isBinary, types, where });
        expect(compared, where).toBeGreaterThan(snapshots.length / 2);
        const streams = messages.filter(([tag]) => tag === 0x53).length;
        if (mode.streamsAll === true) expect(streams, where).toBeGreaterThan(0);
      }
    },
  );
});

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
