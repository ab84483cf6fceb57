import { tmpdir } from "node:os";
import type { Client, QueryResult } from "pg";
import type { CatalogTable, CatalogType } from "../core/catalog.js";
import type { CheckpointHeader } from "../core/checkpoint-store.js";
import type { CodecTable, DecoderFactory } from "../core/decoder.js";
import { TidemarkError } from "../core/errors.js";
import { type Lsn, parseLsn, ZERO_LSN } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import type { ChangeSource, ChangeStream, StreamRequest } from "../core/source.js";
import { quoteTable, type SqlSession } from "../core/sql.js";
import { readCopiedTable } from "./copy/copied-table.js";
import { SlotSnapshot } from "./copy/slot-snapshot.js";
import { describeTables } from "./describe-tables.js";
import { pluginOptions } from "./plugin-options.js";
import { ensurePublication, type PublishedKinds } from "./publication.js";
import { recordedTables } from "./recording/manifest.js";
import { type RecordingOptions, RecordingWriter } from "./recording/recording-writer.js";
import { StreamRecorder } from "./recording/stream-recorder.js";
import type { SystemIdentity } from "./replication-transport.js";
import { readServerSettings, readSystemId, requireReplication } from "./server-facts.js";
import { createSlot, dropSlot, readSlot, type SlotFacts } from "./slot.js";
import { readSlotLag, type SlotLag } from "./slot-lag.js";
import { SlotStream } from "./slot-stream.js";
import { SpillFiles } from "./spill-files.js";
import { sqlConnect } from "./sql-client.js";
import { branchPoint, judgeServer, judgeStart, judgeSystem } from "./start-verdict.js";
import { askWal2json } from "./wal2json-options.js";
import { requireWal2jsonTables } from "./wal2json-tables.js";

/** Settings of a slot source, complete. */
export interface SlotSourceOptions {
  readonly url: string;
  readonly slotName: string;
  readonly publication: string;
  /** Tables the pipeline reads, as `schema.name`. */
  readonly tables: readonly string[];
  /** Of these, the tables whose rows are copied when a slot is made. */
  readonly copiedTables?: readonly string[];
  /** Of these, the tables that have to be empty when a slot is made. */
  readonly emptyTables?: readonly string[];
  /** Which of their changes have to arrive. */
  readonly kinds: PublishedKinds;
  readonly mayCreatePublication: boolean;
  readonly mayAdoptSlot: boolean;
  /** Milliseconds; sent to the server for our session only. */
  readonly walSenderTimeoutMs: number;
  /** How long to wait for a slot that another connection reads, in milliseconds. */
  readonly slotWaitMs: number;
  /** How often the publication is looked at while the stream runs, in milliseconds. */
  readonly watchIntervalMs: number;
  readonly decoder: DecoderFactory;
  /** Whether large transactions are sent before they commit. Default: true. */
  readonly isStreaming?: boolean;
  /** Where such transactions are kept that memory shall not hold; null: the system's folder. */
  readonly spillDirectory?: string | null;
  /** Whether cells are to come in binary form where all types allow it. Default: false. */
  readonly isBinary?: boolean;
  /** Bytes on disk they may take together. Default: 16 GiB. */
  readonly maxSpillBytes?: number;
  /** Keeps the stream in a folder, too; large transactions are then sent when they commit. */
  readonly record?: RecordingOptions | null;
  /** Told which writer a connection records with. */
  readonly onWriter?: (writer: RecordingWriter) => void;
}

/** What is known once publication and slot are ready. */
interface Prepared {
  /** Where to begin. */
  readonly from: Lsn;
  readonly checkpoint: Position | null;
  readonly confirmed: Lsn;
  readonly versionNum: number;
  /** Null when the slot was there already, or nothing is to be copied. */
  readonly snapshot: SlotSnapshot | null;
}

const CREATE_LOCK_TIMEOUT_MS = 60_000;
const SLOT_POLL_MS = 250;
const MAX_SPILL_BYTES = 16 * 2 ** 30;

/** A logical replication slot on a publication. */
export class SlotSource implements ChangeSource {
  readonly #options: SlotSourceOptions;
  /** With the types that the tables had when they were described. */
  #decoder: DecoderFactory & Partial<CodecTable>;
  #types: readonly CatalogType[] = [];
  #fruitlessTrips = 0;

  constructor(options: SlotSourceOptions) {
    this.#options = options;
    this.#decoder = options.decoder;
  }

  /** Reads what this source reads; knows the types of the tables once they were described. */
  get decoder(): DecoderFactory {
    return this.#decoder;
  }

  async describe(tables: readonly string[]): Promise<readonly CatalogTable[]> {
    return this.#withSession(async (session) => {
      const { decoder, isBinary = false, record } = this.#options;
      // Recordings have text: they are read where nobody can ask which types had another form.
      const wantsBinary = isBinary && !record;
      const described = await describeTables(session, tables, { decoder, wantsBinary });
      this.#decoder = described.decoder;
      this.#types = described.types;
      return described.tables;
    });
  }

  async open(request: StreamRequest): Promise<ChangeStream> {
    const prepared = await this.#withSession((session) => this.#prepare(session, request));
    try {
      return await this.#openStream(request, prepared);
    } catch (error) {
      await prepared.snapshot?.close();
      throw error;
    }
  }

  async #openStream(request: StreamRequest, prepared: Prepared): Promise<ChangeStream> {
    const { from, checkpoint, confirmed, versionNum, snapshot } = prepared;
    const directory = this.#options.spillDirectory ?? tmpdir();
    const maxBytes = this.#options.maxSpillBytes ?? MAX_SPILL_BYTES;
    // A recording has transactions whole and in the order of their commits.
    const isStreaming = (this.#options.isStreaming ?? true) && !this.#options.record;
    const isBinary = this.#decoder.isBinary ?? false;
    const options =
      this.#options.decoder.plugin === "wal2json"
        ? await this.#withSession((session) => askWal2json(session, this.#options))
        : pluginOptions({ versionNum, isStreaming, isBinary });
    const recorder = await this.#openRecorder(options);
    let position: Position | null = null;
    const stream = await SlotStream.open({
      ...this.#options,
      decoder: this.#decoder,
      tap: recorder ?? undefined,
      handlers: request.handlers,
      spill: new SpillFiles({ directory, maxBytes }),
      pluginOptions: options,
      fruitlessTrips: this.#fruitlessTrips,
      beforeStart: async (identity, client) => {
        const held = [checkpoint, request.results ?? null];
        for (const known of held) await judgeHistory(identity, client, known);
        position = { systemId: identity.systemId, timeline: identity.timeline, lsn: from };
        return recorder?.begin(position, confirmed) ?? from;
      },
      position: () => position as Position,
      confirmed,
      snapshot,
      connect: () => this.#connect(),
    }).catch(async (error: unknown) => {
      await recorder?.close();
      throw error;
    });
    stream.closed.catch((error: unknown) => {
      const isTrip = error instanceof TidemarkError && error.code === "LIVENESS";
      this.#fruitlessTrips = isTrip && !stream.hasProgressed ? this.#fruitlessTrips + 1 : 0;
    });
    if (snapshot !== null) await this.#requireSameSlot(stream, snapshot.lsn);
    return stream;
  }

  async reset(): Promise<void> {
    await this.#withSession(async (session) => {
      const slot = await this.#waitUntilFree(session);
      if (slot !== null) await dropSlot(session, this.#options.slotName);
    });
  }

  /** Makes publication and slot ready; returns where the slot allows to begin, and what it read. */
  async #prepare(session: SqlSession, request: StreamRequest): Promise<Prepared> {
    const { publication, tables, kinds, slotName } = this.#options;
    const { plugin } = this.#options.decoder;
    const settings = await readServerSettings(session);
    const { versionNum } = settings;
    requireReplication(settings, false);
    const { slot, header } = await this.#look(session, request);
    const { beginsAnew = false } = request;
    const copiedTables = this.#options.copiedTables ?? [];
    const checkpoint = beginsAnew ? null : (header?.position ?? null);
    await refuseOtherSystem(session, checkpoint);
    const verdict = judgeStart({
      slotName,
      slot,
      checkpoint,
      earlier: header?.earlier ?? [],
      isBirthPending: header !== null && checkpoint === null,
      isCopying: copiedTables.length > 0,
      beginsAnew,
      mayAdopt: this.#options.mayAdoptSlot,
      plugin,
    });
    // The publication comes first: a slot decodes with the catalogue of the time of each change,
    // so that one that is younger than the slot fails on the backlog or, from version 18 on, skips
    // it in silence (FM41). Beside a slot that goes on, it is therefore never created.
    const mayCreate = this.#options.mayCreatePublication && verdict.action !== "resume";
    if (plugin === "wal2json") await requireWal2jsonTables(session, { tables, copiedTables });
    else await ensurePublication(session, { publication, tables, kinds, mayCreate });
    if (verdict.action === "resume") {
      const confirmed = slot?.confirmedFlushLsn ?? ZERO_LSN;
      return { from: verdict.from, checkpoint, confirmed, versionNum, snapshot: null };
    }
    requireReplication(settings, verdict.action === "create");
    for (const table of copiedTables) {
      await readCopiedTable(session, { table, publication }, this.#decoder.codecOf);
    }
    await request.recordBirth();
    if (verdict.action === "recreate") await dropSlot(session, slotName);
    const snapshot = copiedTables.length > 0 ? await this.#createSnapshot(copiedTables) : null;
    const from =
      snapshot?.lsn ?? (await createSlot(session, { slotName, plugin }, CREATE_LOCK_TIMEOUT_MS));
    const full = await firstWithRows(session, this.#options.emptyTables ?? []);
    if (full !== null) {
      await snapshot?.close();
      await dropSlot(session, slotName);
      throw notEmpty(full);
    }
    return { from, checkpoint, confirmed: from, versionNum, snapshot };
  }

  #createSnapshot(tables: readonly string[]): Promise<SlotSnapshot> {
    return SlotSnapshot.create({
      ...this.#options,
      tables,
      plugin: this.#options.decoder.plugin,
      lockTimeoutMs: CREATE_LOCK_TIMEOUT_MS,
      codecOf: this.#decoder.codecOf,
    });
  }

  /**
   * Nobody held the slot between its making and the start of its stream. An instance that began at
   * the same time may have put a later one in its place, and what lies between would be missing.
   */
  async #requireSameSlot(stream: ChangeStream, lsn: Lsn): Promise<void> {
    const { slotName } = this.#options;
    const slot = await this.#withSession((session) => readSlot(session, slotName));
    if (slot?.confirmedFlushLsn === lsn) return;
    await stream.close();
    throw new TidemarkError(
      "SLOT_ACTIVE",
      `Another instance made replication slot ${slotName} anew while this one began its copy. ` +
        "Stop one of them.",
      { detail: { slot: slotName } },
    );
  }

  async #openRecorder(
    streamOptions: Readonly<Record<string, string>>,
  ): Promise<StreamRecorder | null> {
    const { record, publication, tables, decoder } = this.#options;
    if (record === undefined || record === null) return null;
    const described = recordedTables(await this.describe(tables));
    const types = this.#types;
    const { plugin } = decoder;
    const manifest = { plugin, publication, streamOptions, tables: described, types };
    const writer = await RecordingWriter.open(record, manifest);
    this.#options.onWriter?.(writer);
    return new StreamRecorder(writer);
  }

  /** The free slot, and only then the checkpoint: whoever held the slot has moved it with it. */
  async #look(
    session: SqlSession,
    request: StreamRequest,
  ): Promise<{ slot: SlotFacts | null; header: CheckpointHeader | null }> {
    const slot = await this.#waitUntilFree(session);
    const header = await request.readCheckpoint();
    if (slot !== null || header?.position == null) return { slot, header };
    // An instance that started with us may have made and claimed it between the two looks.
    return { slot: await this.#waitUntilFree(session), header: await request.readCheckpoint() };
  }

  /** Our own walsender of a moment ago may still hold the slot; anyone else is reported. */
  async #waitUntilFree(session: SqlSession): Promise<SlotFacts | null> {
    const { slotName, slotWaitMs } = this.#options;
    for (let waitedMs = 0; ; waitedMs += SLOT_POLL_MS) {
      const slot = await readSlot(session, slotName);
      if (slot === null || slot.activePid === null) return slot;
      if (waitedMs >= slotWaitMs) throw await slotActive(session, slotName, slot.activePid);
      await new Promise((resolve) => setTimeout(resolve, SLOT_POLL_MS));
    }
  }

  #connect(): Promise<SqlSession> {
    return sqlConnect({
      url: this.#options.url,
      role: "source",
      applicationName: `tidemark ${this.#options.slotName} control`,
    })();
  }

  /** What the slot keeps now; null when there is none. */
  lag(): Promise<SlotLag | null> {
    return this.#withSession((session) => readSlotLag(session, this.#options.slotName));
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

/**
 * Looked at once the slot exists, so that no row can come between: one that came after the slot
 * would arrive through it, too, and is then refused without need, never the other way round.
 */
async function firstWithRows(
  session: SqlSession,
  tables: readonly string[],
): Promise<string | null> {
  for (const table of tables) {
    const [row] = await session.query(`select exists (select from ${quoteTable(table)}) as rows`);
    if (row?.["rows"] === true) return table;
  }
  return null;
}

function notEmpty(table: string): TidemarkError {
  return new TidemarkError(
    "SOURCE_NOT_EMPTY",
    `Table ${table} has rows already, and the pipeline says copy: false: its views would lack ` +
      `them. Leave that out of from("${table}"), so that they are copied, or begin with an empty ` +
      "table. The slot that was made for the attempt is removed.",
    { detail: { table } },
  );
}

/** SLOT_ACTIVE, naming the holder; `detail` has `pid` and `application`. */
export async function slotActive(
  session: SqlSession,
  slot: string,
  pid: number,
): Promise<TidemarkError> {
  const [holder] = await session.query(
    "select application_name as name, client_addr::text as addr from pg_stat_activity where pid=$1",
    [pid],
  );
  const application = String(holder?.["name"] ?? "?");
  const who = `PID ${pid}, application "${application}", client ${holder?.["addr"] ?? "local"}`;
  return new TidemarkError(
    "SLOT_ACTIVE",
    `Replication slot ${slot} is read by another connection (${who}). Stop that one, or give ` +
      "this pipeline another slot name.",
    { detail: { slot, pid, application } },
  );
}

/** On another cluster there is no such slot, either; that alone would be half of the truth. */
async function refuseOtherSystem(session: SqlSession, checkpoint: Position | null): Promise<void> {
  const systemId = checkpoint === null ? null : await readSystemId(session);
  if (checkpoint !== null && systemId !== null) judgeSystem(systemId, checkpoint);
}

/** Throws unless the server's history holds this position. */
async function judgeHistory(
  identity: SystemIdentity,
  client: Client,
  position: Position | null,
): Promise<void> {
  if (position === null) return;
  const server = {
    systemId: identity.systemId,
    timeline: identity.timeline,
    walFlushLsn: parseLsn(identity.walFlushLsn),
    branchLsn: await branch(identity, client, position),
  };
  judgeServer(server, position);
}

/** Where the server left the checkpoint's timeline; null while it is still on it. */
export async function branch(
  identity: SystemIdentity,
  client: Client,
  checkpoint: Position,
): Promise<Lsn | null> {
  if (identity.timeline === checkpoint.timeline) return null;
  const history: QueryResult = await client.query(`TIMELINE_HISTORY ${identity.timeline}`);
  return branchPoint(String(history.rows[0]?.content ?? ""), checkpoint.timeline) ?? 0n;
}
