import { assert } from "../../core/assert.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
  LoadBounds,
  LoadedCheckpoint,
} from "../../core/checkpoint-store.js";
import type { Clock } from "../../core/clock.js";
import { TidemarkError } from "../../core/errors.js";
import { type Failpoint, NO_FAILPOINT } from "../../core/failpoint.js";
import type { Lsn } from "../../core/lsn.js";
import type { StateBlock } from "../../core/operator.js";
import type { Position } from "../../core/position.js";
import { type CheckpointFacts, describeGenerations } from "../checkpoint-facts.js";
import { chooseGeneration } from "../choose-generation.js";
import {
  type BlockEntry,
  corrupt,
  decodeManifest,
  encodeManifest,
  fenced,
  type Manifest,
  requireFollows,
  withoutBlocks,
} from "../manifest.js";
import { chooseDurability, type DurabilityWish } from "./durability.js";
import { DurabilityGate } from "./durability-gate.js";
import { readRedisFacts } from "./redis-facts.js";
import { findGarbage } from "./redis-garbage.js";
import {
  HEAD_FIELDS,
  keptLine,
  type ListedGeneration,
  lsnText,
  parseHead,
  parseKept,
  type RedisHead,
} from "./redis-head.js";
import { type RedisKeys, redisKeys } from "./redis-keys.js";
import { BEGIN_ANEW, CLAIM, DROP, SWITCH } from "./redis-scripts.js";
import { loadSegments, stageBlocks } from "./redis-segments.js";
import { type RedisConnect, type RedisSession, textOf } from "./redis-session.js";

/** Generations that are kept at the least. */
const KEPT = 2;
/** With so many of them a save waits until the oldest that is not durable yet has become so. */
const MAX_GENERATIONS = 16;

export interface RedisStoreOptions {
  readonly connect: RedisConnect;
  readonly pipeline: string;
  /** Begins every key. */
  readonly prefix: string;
  readonly wish: DurabilityWish;
  /** For durability `delay`, in milliseconds. */
  readonly delayMs: number;
  /** How long one WAITAOF may take, in milliseconds; less than a command may. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly failpoint?: Failpoint;
}

interface Generation extends ListedGeneration {
  /** Settles with the verdict of the gate. */
  readonly durable: Promise<void>;
}

/**
 * Checkpoints in Redis. A save writes its dirty blocks and a manifest under the id of a new
 * generation, where nobody looks; then one script checks epoch, system, LSN and predecessor and
 * puts the generation at the top of the list. Whether Redis would still have it after a crash is
 * for the gate to say, and until it has said so the generation is not acknowledged.
 *
 * A Redis that lost its newest writes shows itself: its list does not begin with what this store
 * put there. The session then ends, and the next one judges what is left against the slot.
 *
 * Generations are dropped only after a newer one has settled. First their names leave the list, by
 * a script that checks the epoch, then what no listed one needs is deleted: an instance that was
 * fenced off deletes nothing that its successor can see.
 */
export class RedisCheckpointStore implements CheckpointStore {
  readonly #options: RedisStoreOptions;
  readonly #pipeline: string;
  readonly #keys: RedisKeys;
  readonly #failpoint: Failpoint;
  #session: RedisSession | null = null;
  #gate: DurabilityGate | null = null;
  /** What this store has claimed; null before. */
  #epoch: number | null = null;
  #sequence = 0;
  /** Newest first; known once claimed. */
  #generations: readonly Generation[] = [];
  /** The generation that is being written. */
  #staging: string | null = null;
  #settling: Promise<void> = Promise.resolve();
  readonly #manifests = new Map<string, Manifest>();

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.#pipeline = options.pipeline;
    this.#keys = redisKeys(options.prefix, options.pipeline);
    this.#failpoint = options.failpoint ?? NO_FAILPOINT;
  }

  get settlesLate(): boolean {
    return this.#gate?.isLate ?? false;
  }

  async open(): Promise<CheckpointHeader | null> {
    const { connect, wish, clock, delayMs, waitMs } = this.#options;
    const session = await connect(this.#keys.head);
    this.#session = session;
    const durability = chooseDurability(await readRedisFacts(session), wish);
    this.#gate = new DurabilityGate({ session, clock, durability, wish, delayMs, waitMs });
    return this.readHeader();
  }

  async readHeader(): Promise<CheckpointHeader | null> {
    const head = await this.#head();
    if (head === null) return null;
    const [position = null, ...earlier] = head.generations.map((g) => g.position);
    return { epoch: head.epoch, position, earlier };
  }

  async recordBirth(): Promise<void> {
    await this.#open().send("HSETNX", this.#keys.head, "epoch", 0);
  }

  async claim(epoch: number, position: Position | null): Promise<void> {
    if (position === null) {
      this.#judge(textOf(await this.#open().send("EVAL", BEGIN_ANEW, 1, this.#keys.head, epoch)));
      this.#epoch = epoch;
      this.#generations = [];
      return;
    }
    const id = `${epoch}.0`;
    const first = encodeManifest({ pipeline: this.#pipeline, position, blocks: [] });
    const { head, ids } = this.#keys;
    const own = [epoch, position.systemId, keptLine(id, position), first];
    const session = this.#open();
    const [, reply] = await Promise.all([
      session.send("SADD", ids, id),
      session.send("EVAL", CLAIM, 2, head, this.#keys.manifest(id), ...own),
    ]);
    const kept = textOf(reply);
    if (kept === "FENCED") throw fenced(this.#pipeline);
    this.#epoch = epoch;
    // Durable once the claim is, which was written after them.
    const durable = this.#follow();
    const { systemId } = (await this.#head())?.generations[0]?.position ?? position;
    this.#generations = parseKept(kept, systemId).map((listed) => ({ ...listed, durable }));
  }

  async load(bounds?: LoadBounds): Promise<LoadedCheckpoint> {
    const listed: readonly ListedGeneration[] =
      this.#epoch === null ? ((await this.#head())?.generations ?? []) : this.#generations;
    assert(listed.length > 0, "a claimed checkpoint has a position");
    const session = this.#open();
    const chosen = await chooseGeneration(listed, bounds, async ({ id }) =>
      loadSegments(session, this.#keys, (await this.#manifest(id)).blocks),
    );
    const { generation, loaded, passedOver } = chosen;
    const newer = listed.slice(0, listed.indexOf(generation));
    if (this.#epoch !== null && newer.length > 0) await this.#drop(newer, generation);
    return { position: generation.position, blocks: loaded, passedOver };
  }

  async save({ epoch, position, blocks }: CheckpointDelta): Promise<void> {
    const [newest] = this.#generations;
    if (epoch !== this.#epoch) throw fenced(this.#pipeline);
    if (newest !== undefined) requireFollows(newest.position, position, this.#pipeline);
    if (this.#generations.length >= MAX_GENERATIONS) await this.#generations.at(-KEPT)?.durable;
    const before = newest === undefined ? [] : (await this.#manifest(newest.id)).blocks;
    this.#sequence += 1;
    const id = `${epoch}.${this.#sequence}`;
    this.#staging = id;
    const entries = await this.#stage(id, position, before, blocks);
    await this.#failpoint("checkpoint-staged");
    await this.#switch(id, position, newest);
    await this.#failpoint("checkpoint-switched");
    this.#manifests.set(id, { pipeline: this.#pipeline, position, blocks: entries });
    this.#generations = [{ id, position, durable: this.#follow() }, ...this.#generations];
    this.#staging = null;
  }

  async settled(lsn: Lsn): Promise<void> {
    const generation = this.#generations.find(({ position }) => position.lsn === lsn);
    if (generation === undefined) return; // a newer one has settled, and this one was dropped
    await generation.durable;
    // Several may become durable at one moment, and each drops others.
    this.#settling = this.#settling.then(() => this.#settle(generation));
    await this.#settling;
  }

  async #settle(generation: Generation): Promise<void> {
    const index = this.#generations.indexOf(generation);
    if (index < 0) return;
    const dropped = this.#generations.slice(Math.max(index + 1, KEPT));
    await this.#drop(dropped, generation);
    await this.#failpoint("collecting");
    if (dropped.length > 0) await this.#collect();
  }

  async reset(): Promise<void> {
    const session = this.#open();
    const { head, ids, manifest, segment } = this.#keys;
    const all = await this.#ids();
    // The head first: without it there is nothing to a reader.
    await session.send("UNLINK", head);
    for (const id of all) await session.send("UNLINK", manifest(id), segment(id));
    await session.send("UNLINK", ids);
    this.#epoch = null;
    this.#generations = [];
    this.#manifests.clear();
  }

  async close(): Promise<void> {
    this.#gate?.close();
    await this.#session?.end();
    this.#session = null;
  }

  /** Where it stands, for people; however the server keeps it. Null when nothing is stored. */
  async describe(): Promise<CheckpointFacts | null> {
    this.#session ??= await this.#options.connect(this.#keys.head);
    return describeGenerations(await this.#head(), ({ id }) => this.#manifest(id));
  }

  async #head(): Promise<RedisHead | null> {
    return parseHead(await this.#open().send("HMGET", this.#keys.head, ...HEAD_FIELDS));
  }

  async #ids(): Promise<string[]> {
    const reply = await this.#open().send("SMEMBERS", this.#keys.ids);
    return (Array.isArray(reply) ? reply : []).map(textOf);
  }

  async #manifest(id: string): Promise<Manifest> {
    const known = this.#manifests.get(id);
    if (known !== undefined) return known;
    const key = this.#keys.manifest(id);
    const bytes = await this.#open().send("GET", key);
    if (!Buffer.isBuffer(bytes)) throw corrupt(key, "the key is missing");
    const manifest = decodeManifest(bytes, this.#pipeline, key);
    if (this.#epoch !== null) this.#manifests.set(id, manifest);
    return manifest;
  }

  /** Writes what a generation consists of, where nobody looks yet. */
  async #stage(
    id: string,
    position: Position,
    before: readonly BlockEntry[],
    blocks: readonly StateBlock[],
  ): Promise<BlockEntry[]> {
    const session = this.#open();
    await session.send("SADD", this.#keys.ids, id);
    const written = blocks.filter(({ bytes }) => bytes.length > 0);
    const staged = await stageBlocks(session, { id, key: this.#keys.segment(id) }, written);
    const entries = [...withoutBlocks(before, blocks), ...staged];
    const manifest = encodeManifest({ pipeline: this.#pipeline, position, blocks: entries });
    await session.send("SET", this.#keys.manifest(id), manifest);
    return entries;
  }

  async #switch(
    id: string,
    position: Position,
    newest: ListedGeneration | undefined,
  ): Promise<void> {
    const { head, manifest } = this.#keys;
    const { systemId, lsn } = position;
    const place = [lsnText(lsn), keptLine(id, position), id, newest?.id ?? ""];
    const own = [this.#epoch ?? 0, systemId, ...place];
    this.#judge(textOf(await this.#open().send("EVAL", SWITCH, 2, head, manifest(id), ...own)));
  }

  /** Takes generations off the list, and makes sure that `needed` is still on it. */
  async #drop(dropped: readonly ListedGeneration[], needed: ListedGeneration): Promise<void> {
    const gone = new Set(dropped.map(({ id }) => id));
    const own = [this.#epoch ?? 0, ...gone];
    const session = this.#open();
    this.#judge(textOf(await session.send("EVAL", DROP, 1, this.#keys.head, ...own)));
    const left = (await this.#head())?.generations ?? [];
    if (!left.some(({ id }) => id === needed.id)) throw lost();
    this.#generations = this.#generations.filter(({ id }) => !gone.has(id));
    for (const id of gone) this.#manifests.delete(id);
  }

  /** Deletes what no listed generation needs. */
  async #collect(): Promise<void> {
    const session = this.#open();
    const ids = (await this.#ids()).filter((id) => id !== this.#staging && this.#isPast(id));
    const manifests = new Map<string, Manifest | null>();
    for (const { id } of this.#generations) {
      manifests.set(id, await this.#manifest(id).catch(() => null)); // damaged: it needs nothing
    }
    const fields = await Promise.all(
      ids.map(async (id) => {
        const reply = await session.send("HKEYS", this.#keys.segment(id));
        return { id, fields: (Array.isArray(reply) ? reply : []).map(textOf) };
      }),
    );
    const { whole, parts } = findGarbage(fields, manifests);
    await Promise.all([
      ...parts.map((part) => session.send("HDEL", this.#keys.segment(part.id), ...part.fields)),
      ...ids
        .filter((id) => !manifests.has(id))
        .map((id) => session.send("UNLINK", this.#keys.manifest(id))),
      ...whole.map((id) => session.send("SREM", this.#keys.ids, id)),
    ]);
  }

  /** Whether an id is of this epoch or an older one; later ones are not ours to touch. */
  #isPast(id: string): boolean {
    return Number(id.split(".")[0]) <= (this.#epoch ?? 0);
  }

  #follow(): Promise<void> {
    assert(this.#gate !== null, "a checkpoint store is opened before it is used");
    return this.#gate.follow();
  }

  #judge(verdict: string): void {
    if (verdict === "FENCED") throw fenced(this.#pipeline);
    if (verdict !== "OK") throw lost();
  }

  #open(): RedisSession {
    assert(this.#session !== null, "a checkpoint store is opened before it is used");
    return this.#session;
  }
}

function lost(): TidemarkError {
  return new TidemarkError(
    "CHECKPOINT_FAILED",
    "Redis has gone back to an earlier state (a restart without its file, a failover, a restored " +
      "copy, FLUSHALL): the newest checkpoint is not there any more. What is left is compared " +
      "with the slot before anything goes on.",
  );
}
