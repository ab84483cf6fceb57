import { assert } from "../core/assert.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
  LoadBounds,
  LoadedCheckpoint,
} from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import { type Failpoint, NO_FAILPOINT } from "../core/failpoint.js";
import { formatLsn, parseLsn } from "../core/lsn.js";
import type { StateBlock } from "../core/operator.js";
import type { Position } from "../core/position.js";
import {
  ensureOwnTable,
  inTransaction,
  type SqlConnect,
  type SqlRow,
  type SqlSession,
} from "../core/sql.js";
import { chooseGeneration } from "./choose-generation.js";

const CHUNK_BYTES = 8 * 1024 * 1024;

const TABLES = [
  `create table if not exists tidemark.checkpoint (
     pipeline text primary key,
     epoch bigint not null,
     system_id text,
     timeline integer,
     lsn pg_lsn,
     updated_at timestamptz not null default now()
   )`,
  `create table if not exists tidemark.checkpoint_block (
     pipeline text not null references tidemark.checkpoint on delete cascade,
     operator text not null,
     block integer not null,
     bytes bytea not null,
     primary key (pipeline, operator, block)
   )`,
  `comment on table tidemark.checkpoint is
     'Tidemark: up to where a pipeline''s state is saved; lsn is null until its slot is made'`,
];

/**
 * Checkpoints in PostgreSQL: a row with position and epoch, and the newest version of each block.
 * A save is one transaction, so that blocks and position always belong together, and it is on disk
 * when it resolves. It is acknowledged at once, and from then on an older generation would be of no
 * use; so there is none.
 */
export class PostgresCheckpointStore implements CheckpointStore {
  readonly #connect: SqlConnect;
  readonly #pipeline: string;
  readonly #failpoint: Failpoint;
  #session: SqlSession | null = null;

  constructor(connect: SqlConnect, pipeline: string, failpoint: Failpoint = NO_FAILPOINT) {
    this.#connect = connect;
    this.#pipeline = pipeline;
    this.#failpoint = failpoint;
  }

  async open(): Promise<CheckpointHeader | null> {
    this.#session = await this.#connect();
    await ensureOwnTable(this.#session, "checkpoint_block", TABLES);
    return readHeader(this.#session, this.#pipeline);
  }

  readHeader(): Promise<CheckpointHeader | null> {
    return readHeader(this.#open(), this.#pipeline);
  }

  async recordBirth(): Promise<void> {
    await this.#query(
      `insert into tidemark.checkpoint (pipeline, epoch) values ($1, 0)
       on conflict (pipeline) do nothing`,
      [this.#pipeline],
    );
  }

  async claim(epoch: number, position: Position): Promise<void> {
    const claimed = await this.#query(
      `insert into tidemark.checkpoint as c (pipeline, epoch, system_id, timeline, lsn)
       values ($1, $2, $3, $4, $5)
       on conflict (pipeline) do update
         set epoch = excluded.epoch, updated_at = now(),
             system_id = coalesce(c.system_id, excluded.system_id),
             timeline = coalesce(c.timeline, excluded.timeline),
             lsn = coalesce(c.lsn, excluded.lsn)
         where c.epoch < excluded.epoch
       returning 1`,
      [this.#pipeline, epoch, position.systemId, position.timeline, formatLsn(position.lsn)],
    );
    if (claimed.length === 0) throw this.#fenced();
  }

  async load(bounds?: LoadBounds): Promise<LoadedCheckpoint> {
    const header = await readHeader(this.#open(), this.#pipeline);
    const position = header?.position ?? null;
    assert(position !== null, "a claimed checkpoint has a position");
    const chosen = await chooseGeneration([{ position }], bounds, () => this.#loadBlocks());
    return { position, blocks: chosen.loaded, passedOver: chosen.passedOver };
  }

  async #loadBlocks(): Promise<StateBlock[]> {
    const rows = await this.#query(
      "select operator, block, bytes from tidemark.checkpoint_block where pipeline = $1",
      [this.#pipeline],
    );
    return rows.map((block) => ({
      operator: String(block["operator"]),
      block: Number(block["block"]),
      bytes: block["bytes"] as Uint8Array,
    }));
  }

  async save(delta: CheckpointDelta): Promise<void> {
    const { position, blocks, epoch } = delta;
    const move = async (): Promise<void> => {
      const moved = await this.#query(
        `update tidemark.checkpoint
         set lsn = $3, timeline = $4, updated_at = now()
         where pipeline = $1 and epoch = $2 and lsn <= $3 and system_id = $5
         returning 1`,
        [this.#pipeline, epoch, formatLsn(position.lsn), position.timeline, position.systemId],
      );
      if (moved.length === 0) throw this.#fenced();
    };
    const writing = async (): Promise<void> => {
      await Promise.all([move(), ...chunks(blocks).map((chunk) => this.#replaceBlocks(chunk))]);
      await this.#failpoint("checkpoint-staged");
    };
    await inTransaction(this.#open(), writing, async () => this.#failpoint("checkpoint-switched"));
  }

  /** The commit of a save has waited for the disk. */
  async settled(): Promise<void> {}

  async #replaceBlocks(blocks: readonly StateBlock[]): Promise<void> {
    await this.#query(
      `insert into tidemark.checkpoint_block (pipeline, operator, block, bytes)
       select $1, * from unnest($2::text[], $3::integer[], $4::bytea[])
       on conflict (pipeline, operator, block) do update set bytes = excluded.bytes`,
      [
        this.#pipeline,
        blocks.map((block) => block.operator),
        blocks.map((block) => block.block),
        blocks.map(({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
      ],
    );
  }

  async reset(): Promise<void> {
    await this.#query("delete from tidemark.checkpoint where pipeline = $1", [this.#pipeline]);
  }

  async close(): Promise<void> {
    await this.#session?.end();
    this.#session = null;
  }

  #query(text: string, values: readonly unknown[]): Promise<readonly SqlRow[]> {
    return this.#open().query(text, values);
  }

  #open(): SqlSession {
    assert(this.#session !== null, "a checkpoint store is opened before it is used");
    return this.#session;
  }

  #fenced(): TidemarkError {
    return new TidemarkError(
      "FENCED",
      `Another instance of pipeline ${this.#pipeline} has taken over its checkpoint; this one ` +
        "stops. Nothing it held back was written.",
      { detail: { pipeline: this.#pipeline } },
    );
  }
}

/** The checkpoint without its blocks, or null; the table has to exist. */
export async function readHeader(
  session: SqlSession,
  pipeline: string,
): Promise<CheckpointHeader | null> {
  const [row] = await session.query(
    `select epoch, system_id, timeline, lsn::text as lsn
     from tidemark.checkpoint where pipeline = $1`,
    [pipeline],
  );
  if (row === undefined) return null;
  return { position: positionOf(row), epoch: Number(row["epoch"]), earlier: [] };
}

/** Blocks in groups of about 8 MB, since they travel as one text a statement. */
function chunks(blocks: readonly StateBlock[]): StateBlock[][] {
  const groups: StateBlock[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const block of blocks) {
    if (size + block.bytes.length > CHUNK_BYTES) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(block);
    size += block.bytes.length;
  }
  return groups;
}

function positionOf(row: SqlRow): Position | null {
  if (row["lsn"] === null) return null;
  return {
    systemId: String(row["system_id"]),
    timeline: Number(row["timeline"]),
    lsn: parseLsn(String(row["lsn"])),
  };
}
