import { assert } from "../core/assert.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
  LoadBounds,
  LoadedCheckpoint,
} from "../core/checkpoint-store.js";
import { type Failpoint, NO_FAILPOINT } from "../core/failpoint.js";
import { formatLsn, parseLsn } from "../core/lsn.js";
import type { StateBlock } from "../core/operator.js";
import type { Position } from "../core/position.js";
import { inTransaction, type SqlConnect, type SqlRow, type SqlSession } from "../core/sql.js";
import { BlockDigest, type BlockProof } from "./block-digest.js";
import { ensureCheckpointTables } from "./checkpoint-tables.js";
import { chooseGeneration } from "./choose-generation.js";
import { chunksOf } from "./chunks-of.js";
import { corrupt, fenced } from "./manifest.js";

/** Bytes of blocks in one statement: sending one keeps the loop for about a millisecond. */
const CHUNK_BYTES = 512 * 1024;
const BLOCK_TABLE = "tidemark.checkpoint_block";

/**
 * Checkpoints in PostgreSQL: a row with position and epoch, and the newest version of each block.
 * A save is one transaction, so that blocks and position always belong together, and it is on disk
 * when it resolves. It is acknowledged at once, and from then on an older generation would be of no
 * use; so there is none. The row also proves which blocks there are, see {@link BlockDigest}: rows
 * that were deleted, added or exchanged are noticed.
 */
export class PostgresCheckpointStore implements CheckpointStore {
  readonly #connect: SqlConnect;
  readonly #pipeline: string;
  readonly #failpoint: Failpoint;
  #session: SqlSession | null = null;
  /** Of what is stored; null until it has been loaded after a claim. */
  #digest: BlockDigest | null = null;

  constructor(connect: SqlConnect, pipeline: string, failpoint: Failpoint = NO_FAILPOINT) {
    this.#connect = connect;
    this.#pipeline = pipeline;
    this.#failpoint = failpoint;
  }

  async open(): Promise<CheckpointHeader | null> {
    this.#session = await this.#connect();
    await ensureCheckpointTables(this.#session);
    return readHeader(this.#session, this.#pipeline);
  }

  readHeader(): Promise<CheckpointHeader | null> {
    return readHeader(this.#open(), this.#pipeline);
  }

  async recordBirth(): Promise<void> {
    await this.#query(
      `insert into tidemark.checkpoint (pipeline, epoch, blocks, digest)
       values ($1, 0, 0, 0)
       on conflict (pipeline) do nothing`,
      [this.#pipeline],
    );
  }

  async claim(epoch: number, position: Position | null): Promise<void> {
    if (position === null) {
      await inTransaction(this.#open(), () => this.#beginAnew(epoch));
      this.#digest = new BlockDigest([]);
      return;
    }
    const claimed = await this.#query(
      `insert into tidemark.checkpoint as c
         (pipeline, epoch, system_id, timeline, lsn, blocks, digest)
       values ($1, $2, $3, $4, $5, 0, 0)
       on conflict (pipeline) do update
         set epoch = excluded.epoch, updated_at = now(),
             system_id = coalesce(c.system_id, excluded.system_id),
             timeline = coalesce(c.timeline, excluded.timeline),
             lsn = coalesce(c.lsn, excluded.lsn)
         where c.epoch < excluded.epoch
       returning blocks`,
      [this.#pipeline, epoch, position.systemId, position.timeline, formatLsn(position.lsn)],
    );
    const [row] = claimed;
    if (row === undefined) throw fenced(this.#pipeline);
    this.#digest = row["blocks"] === 0 ? new BlockDigest([]) : null;
  }

  async load(bounds?: LoadBounds): Promise<LoadedCheckpoint> {
    // One statement, so that a reader sees position, proof and blocks of one save.
    const rows = await this.#query(
      `select c.system_id, c.timeline, c.lsn::text as lsn, c.blocks, c.digest,
              b.operator, b.block, b.bytes
       from tidemark.checkpoint c left join tidemark.checkpoint_block b using (pipeline)
       where pipeline = $1`,
      [this.#pipeline],
    );
    const [head] = rows;
    const position = head === undefined ? null : positionOf(head);
    assert(head !== undefined && position !== null, "a claimed checkpoint has a position");
    const chosen = await chooseGeneration([{ position }], bounds, async () => {
      const blocks = rows.filter((row) => row["bytes"] !== null).map(blockOf);
      const digest = new BlockDigest(blocks);
      requireProven(digest.proof, head);
      this.#digest = digest;
      return blocks;
    });
    return { position, blocks: chosen.loaded, passedOver: chosen.passedOver };
  }

  async save(delta: CheckpointDelta): Promise<void> {
    assert(this.#digest !== null, "a claimed checkpoint is loaded before the next one is saved");
    const step = this.#digest.begin();
    const written = delta.blocks.filter(({ bytes }) => bytes.length > 0);
    const gone = delta.blocks.filter(({ bytes }) => bytes.length === 0);
    const writing = async (): Promise<void> => {
      await this.#lock(delta);
      if (gone.length > 0) await this.#removeBlocks(gone);
      for (const block of gone) step.replace(block);
      // One after the other: the flow goes on between them.
      for (const chunk of chunksOf(written, CHUNK_BYTES, ({ bytes }) => bytes.length)) {
        for (const block of chunk) step.replace(block);
        await this.#replaceBlocks(chunk);
      }
      await this.#move(delta.position, step.proof);
      await this.#failpoint("checkpoint-staged");
    };
    await inTransaction(this.#open(), writing, async () => this.#failpoint("checkpoint-switched"));
    step.take();
  }

  /** The commit of a save has waited for the disk. */
  async settled(): Promise<void> {}

  /** Keeps every other instance from the checkpoint. Throws FENCED when one has moved it. */
  async #lock({ epoch, position }: CheckpointDelta): Promise<void> {
    const found = await this.#query(
      `select from tidemark.checkpoint
       where pipeline = $1 and epoch = $2 and (lsn is null or lsn <= $3 and system_id = $4)
       for update`,
      [this.#pipeline, epoch, formatLsn(position.lsn), position.systemId],
    );
    if (found.length === 0) throw fenced(this.#pipeline);
  }

  async #move(
    { systemId, lsn, timeline }: Position,
    { blocks, digest }: BlockProof,
  ): Promise<void> {
    await this.#query(
      `update tidemark.checkpoint
       set lsn = $2, timeline = $3, system_id = $6, blocks = $4, digest = $5,
           updated_at = now()
       where pipeline = $1`,
      [this.#pipeline, formatLsn(lsn), timeline, blocks, digest, systemId],
    );
  }

  async #beginAnew(epoch: number): Promise<void> {
    const claimed = await this.#query(
      `insert into tidemark.checkpoint as c (pipeline, epoch, blocks, digest)
       values ($1, $2, 0, 0)
       on conflict (pipeline) do update
         set epoch = excluded.epoch, updated_at = now(), blocks = 0, digest = 0,
             system_id = null, timeline = null, lsn = null
         where c.epoch < excluded.epoch
       returning 1`,
      [this.#pipeline, epoch],
    );
    if (claimed.length === 0) throw fenced(this.#pipeline);
    await this.#query(`delete from ${BLOCK_TABLE} where pipeline = $1`, [this.#pipeline]);
  }

  /** The bytes travel as one binary value, which the server cuts; an array would be hex text. */
  async #replaceBlocks(blocks: readonly StateBlock[]): Promise<void> {
    const lengths = blocks.map(({ bytes }) => bytes.length);
    let end = 0;
    const ends = lengths.map((length) => (end += length));
    await this.#query(
      `insert into tidemark.checkpoint_block (pipeline, operator, block, bytes)
       select $1, operator, block, substring($6::bytea from till - length + 1 for length)
       from unnest($2::text[], $3::integer[], $4::integer[], $5::integer[])
         as new (operator, block, length, till)
       on conflict (pipeline, operator, block) do update set bytes = excluded.bytes`,
      [
        this.#pipeline,
        blocks.map((block) => block.operator),
        blocks.map((block) => block.block),
        lengths,
        ends,
        Buffer.concat(blocks.map(({ bytes }) => bytes)),
      ],
    );
  }

  async #removeBlocks(blocks: readonly StateBlock[]): Promise<void> {
    await this.#query(
      `delete from tidemark.checkpoint_block
       where pipeline = $1
         and (operator, block) in (select * from unnest($2::text[], $3::integer[]))`,
      [this.#pipeline, blocks.map((block) => block.operator), blocks.map((block) => block.block)],
    );
  }

  async reset(): Promise<void> {
    await this.#query("delete from tidemark.checkpoint where pipeline = $1", [this.#pipeline]);
    this.#digest = null;
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

/** Throws CHECKPOINT_CORRUPT unless the row says that these are the blocks that were saved. */
function requireProven({ blocks, digest }: BlockProof, row: SqlRow): void {
  if (row["blocks"] === null) return; // saved by an older Tidemark; the next save brings the proof
  const saved = Number(row["blocks"]);
  if (blocks !== saved) {
    throw corrupt(BLOCK_TABLE, `it has ${blocks} blocks where ${saved} were saved`);
  }
  if (digest !== BigInt(String(row["digest"]))) {
    throw corrupt(BLOCK_TABLE, "its blocks are not the ones that were saved");
  }
}

function blockOf(row: SqlRow): StateBlock {
  return {
    operator: String(row["operator"]),
    block: Number(row["block"]),
    bytes: row["bytes"] as Uint8Array,
  };
}

function positionOf(row: SqlRow): Position | null {
  if (row["lsn"] === null) return null;
  return {
    systemId: String(row["system_id"]),
    timeline: Number(row["timeline"]),
    lsn: parseLsn(String(row["lsn"])),
  };
}
