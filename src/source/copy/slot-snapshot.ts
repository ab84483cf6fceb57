import pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { Batch, COPY_XID, type TransactionSlice } from "../../core/batch.js";
import type { CellCodec } from "../../core/cell-codec.js";
import { type Lsn, parseLsn } from "../../core/lsn.js";
import { fromPostgres } from "../../core/postgres-errors.js";
import type { TableSnapshot } from "../../core/source.js";
import { quoteLiteral, type SqlSession } from "../../core/sql.js";
import { PRINT_SETTINGS } from "../print-settings.js";
import { clientConfig } from "../sql-client.js";
import { type CopiedTable, readCopiedTable, requireUntouched } from "./copied-table.js";
import { CopyRows } from "./copy-rows.js";

/** What a slot is made for. */
export interface SlotSnapshotOptions {
  readonly url: string;
  readonly slotName: string;
  readonly plugin: string;
  readonly publication: string;
  /** Tables to be copied, as `schema.name`. */
  readonly tables: readonly string[];
  /** How long to wait for transactions that are open now. */
  readonly lockTimeoutMs: number;
  readonly codecOf: (typeOid: number, column: string) => CellCodec;
}

/** A process that was frozen holds rows and locks on the source no longer than this. */
const IDLE_TIMEOUT = "10min";

/**
 * The tables as they stand where a new slot begins. The server exports that very snapshot when it
 * makes the slot (manual, 54.4, CREATE_REPLICATION_SLOT): a transaction is either seen by it, or
 * comes through the slot. It lives in one transaction of one session, which also keeps the tables'
 * shape; who loses the session begins with another slot.
 */
export class SlotSnapshot implements TableSnapshot {
  /** The slot's first position. */
  readonly lsn: Lsn;
  readonly #options: SlotSnapshotOptions;
  readonly #client: pg.Client;
  readonly #session: SqlSession;

  private constructor(lsn: Lsn, options: SlotSnapshotOptions, client: pg.Client) {
    this.lsn = lsn;
    this.#options = options;
    this.#client = client;
    this.#session = sessionOf(client);
  }

  /** Makes the slot. When it rejects, the slot may be there. */
  static async create(options: SlotSnapshotOptions): Promise<SlotSnapshot> {
    const { url, slotName, plugin, lockTimeoutMs } = options;
    const settings = { ...PRINT_SETTINGS, lock_timeout: String(Math.floor(lockTimeoutMs)) };
    const application_name = `tidemark ${slotName} copy`;
    // pg hands `replication` on to the server; its types do not know it.
    const replication = { replication: "database" } as pg.ClientConfig;
    const config = { ...clientConfig(url, settings), application_name, ...replication };
    const maker = await connected(config);
    try {
      const made = await maker.query(
        `CREATE_REPLICATION_SLOT "${slotName}" LOGICAL ${plugin} EXPORT_SNAPSHOT`,
      );
      const { consistent_point: lsn, snapshot_name: name } = made.rows[0] ?? {};
      // The exported snapshot ends with the next command of the connection that made it.
      const client = await begun(options, String(name));
      return new SlotSnapshot(parseLsn(String(lsn)), options, client);
    } catch (error) {
      throw fromPostgres(error, "source");
    } finally {
      await maker.end().catch(() => {}); // what it was for is done, or has failed already
    }
  }

  async copy(onBatch: (batch: Batch) => void): Promise<void> {
    const { tables, publication, codecOf } = this.#options;
    const session = this.#session;
    const copied: CopiedTable[] = [];
    for (const table of tables) {
      const read = await readCopiedTable(session, { table, publication }, codecOf);
      await session.query(read.lockSql);
      await requireUntouched(session, table);
      copied.push(read);
    }
    const [row] = await session.query("select extract(epoch from now()) * 1000 as ms");
    const commitMs = Number(row?.["ms"]);
    let ordinal = 0;
    const send = (batch: Batch, commitEndLsn: Lsn | null): void => {
      const { length: to } = batch;
      batch.transactions.push({ ...this.#slice(commitMs, ordinal), to, commitEndLsn });
      ordinal += to;
      onBatch(batch);
    };
    for (const table of copied) await this.#copyTable(table, (batch) => send(batch, null));
    await session.query("commit");
    send(new Batch(0, 0), this.lsn);
  }

  async close(): Promise<void> {
    await this.#session.end();
  }

  async #copyTable(
    { relation, copySql }: CopiedTable,
    send: (batch: Batch) => void,
  ): Promise<void> {
    const rows = new CopyRows(relation);
    for await (const bytes of this.#read(copySql)) {
      const batch = rows.feed(bytes);
      if (batch.length > 0) send(batch);
    }
    rows.finish();
  }

  /** What the server sends; only its own failures become errors of the source. */
  async *#read(copySql: string): AsyncGenerator<Uint8Array> {
    const stream = this.#client.query(copyTo(copySql));
    stream.on("error", () => {}); // thrown by the iteration, or after its end
    try {
      yield* stream;
    } catch (error) {
      throw fromPostgres(error, "source");
    }
  }

  /**
   * The copy is a transaction that commits where the slot begins. No other one has its names: log
   * records begin at multiples of eight.
   */
  #slice(commitMs: number, firstOrdinal: number): Omit<TransactionSlice, "to" | "commitEndLsn"> {
    return { xid: COPY_XID, commitLsn: this.lsn - 1n, commitMs, firstOrdinal, from: 0 };
  }
}

/** A session whose transaction has the snapshot. */
async function begun(options: SlotSnapshotOptions, snapshot: string): Promise<pg.Client> {
  const settings = {
    ...PRINT_SETTINGS,
    // Rows that a policy hides would be missing: better no copy.
    row_security: "off",
    statement_timeout: "0",
    idle_in_transaction_session_timeout: IDLE_TIMEOUT,
    tcp_keepalives_idle: "10",
  };
  const application_name = `tidemark ${options.slotName} copy`;
  const client = await connected({ ...clientConfig(options.url, settings), application_name });
  try {
    await client.query("begin isolation level repeatable read, read only");
    await client.query(`set transaction snapshot ${quoteLiteral(snapshot)}`);
    return client;
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function connected(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  // A session lost while idle shows itself at the next query, which then fails.
  client.on("error", () => {});
  await client.connect();
  return client;
}

function sessionOf(client: pg.Client): SqlSession {
  return {
    async query(text, values) {
      try {
        return (await client.query(text, values as unknown[] | undefined)).rows;
      } catch (error) {
        throw fromPostgres(error, "source");
      }
    },
    async end() {
      await client.end().catch(() => {}); // already lost: nothing to end
    },
  };
}
