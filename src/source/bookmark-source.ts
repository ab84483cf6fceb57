import { randomBytes } from "node:crypto";
import type { CatalogTable } from "../core/catalog.js";
import type { DecoderFactory } from "../core/decoder.js";
import { TidemarkError } from "../core/errors.js";
import { parseLsn, ZERO_LSN } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import type { ChangeSource, ChangeStream, StreamRequest } from "../core/source.js";
import type { SqlSession } from "../core/sql.js";
import { type Bookmark, findBookmark } from "./bookmarks.js";
import { describeTables } from "./describe-tables.js";
import { identifyServer } from "./identify-server.js";
import { pluginOptions } from "./plugin-options.js";
import type { PublishedKinds } from "./publication.js";
import type { RecordedRange } from "./recording/recording-source.js";
import { readServerSettings } from "./server-facts.js";
import { SlotStream } from "./slot-stream.js";
import { sqlConnect } from "./sql-client.js";

/** What a bookmark source needs. */
export interface BookmarkSourceOptions {
  readonly url: string;
  readonly pipeline: string;
  readonly name: string;
  readonly publication: string;
  readonly tables: readonly string[];
  readonly kinds: PublishedKinds;
  readonly walSenderTimeoutMs: number;
  readonly watchIntervalMs: number;
  readonly decoder: DecoderFactory;
}

/**
 * The log from a bookmark on. Each stream reads a temporary copy of the bookmark's slot, which goes
 * with the connection: the bookmark itself stays where it is, however often it is replayed.
 */
export class BookmarkSource implements ChangeSource {
  readonly #options: BookmarkSourceOptions;
  /** With the types that the tables had when they were described. */
  #decoder: DecoderFactory;

  constructor(options: BookmarkSourceOptions) {
    this.#options = options;
    this.#decoder = options.decoder;
  }

  async describe(tables: readonly string[]): Promise<readonly CatalogTable[]> {
    const { decoder } = this.#options;
    const described = await this.#withSession((session) =>
      describeTables(session, tables, { decoder, wantsBinary: false }),
    );
    this.#decoder = described.decoder;
    return described.tables;
  }

  /** From the bookmark to the end of the server's log as it is now. */
  async range(): Promise<RecordedRange> {
    const { lsn } = await this.#find();
    const server = await identifyServer(this.#options.url, null);
    const { systemId, timeline, walFlushLsn } = server;
    return { systemId, timeline, startLsn: lsn ?? ZERO_LSN, endLsn: walFlushLsn };
  }

  async open(request: StreamRequest): Promise<ChangeStream> {
    const { slotName } = await this.#find();
    const settings = await this.#withSession(readServerSettings);
    const copy = `tidemark_replay_${randomBytes(8).toString("hex")}`;
    let position: Position | null = null;
    return SlotStream.open({
      ...this.#options,
      decoder: this.#decoder,
      slotName: copy,
      handlers: request.handlers,
      fruitlessTrips: 0,
      pluginOptions: pluginOptions({
        versionNum: settings.versionNum,
        isStreaming: false,
        isBinary: false,
      }),
      beforeStart: async ({ systemId, timeline }, client) => {
        // On this very connection, since a temporary slot belongs to the one that made it.
        const made = await client.query(
          `select lsn::text from pg_copy_logical_replication_slot('${slotName}', '${copy}', true)`,
        );
        const lsn = parseLsn(String(made.rows[0]?.lsn));
        position = { systemId, timeline, lsn };
        return lsn;
      },
      position: () => position as Position,
      connect: () => this.#connect(),
    });
  }

  /** A bookmark is dropped by its own command only. */
  async reset(): Promise<void> {}

  async #find(): Promise<Bookmark> {
    const { pipeline, name } = this.#options;
    const found = await this.#withSession((session) => findBookmark(session, pipeline, name));
    if (found.lsn !== null) return found;
    throw new TidemarkError(
      "SLOT_LOST",
      `The server has discarded the log that bookmark ${name} kept (max_slot_wal_keep_size). ` +
        "Drop it; a recording keeps the stream without holding WAL.",
      { detail: { bookmark: name } },
    );
  }

  #connect(): Promise<SqlSession> {
    const applicationName = `tidemark ${this.#options.pipeline} replay`;
    return sqlConnect({ url: this.#options.url, role: "source", applicationName })();
  }

  async #withSession<T>(use: (session: SqlSession) => Promise<T>): Promise<T> {
    const session = await this.#connect();
    try {
      return await use(session);
    } finally {
      await session.end();
    }
  }
}
