import { assert } from "../../core/assert.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
  LoadBounds,
  LoadedCheckpoint,
} from "../../core/checkpoint-store.js";
import { type Failpoint, NO_FAILPOINT } from "../../core/failpoint.js";
import type { Lsn } from "../../core/lsn.js";
import type { StateBlock } from "../../core/operator.js";
import type { Position } from "../../core/position.js";
import { type CheckpointFacts, describeGenerations } from "../checkpoint-facts.js";
import { chooseGeneration } from "../choose-generation.js";
import { chunksOf } from "../chunks-of.js";
import {
  type BlockEntry,
  corrupt,
  decodeManifest,
  encodeManifest,
  entryOf,
  fenced,
  type Manifest,
  requireFollows,
  restoreBlock,
  withoutBlocks,
} from "../manifest.js";
import type { CheckpointFolder } from "./checkpoint-folder.js";
import { decodeEpoch, encodeEpoch, epochFileName, epochsIn } from "./epoch-file.js";
import { type NamedGeneration, nameGeneration, parseGeneration } from "./generation-name.js";
import { wornSegments } from "./worn-segments.js";

const GENERATIONS = 2;
/** Bytes of blocks in one call to the system, where blocks are small. */
const CHUNK_BYTES = 2 ** 18;
const SEGMENT = /^segment-(\d+)-(\d+)$/;

/** What the folder says. */
interface Contents {
  readonly epoch: number;
  /** Newest first; empty while only the intent to create the slot is on record. */
  readonly generations: readonly NamedGeneration[];
}

/**
 * Checkpoints in a folder on this machine. A save writes the dirty blocks as one segment file, then
 * a manifest that says where each block of the state lies; the manifest's appearance is the switch.
 * Both are flushed, and so is the folder, so that a save is durable when it resolves.
 *
 * Epochs fence: to claim one is to create its file, which only one process can, and which lists the
 * generations found at that moment. From then on a manifest counts only if it is on that list or
 * of that epoch: what an older process writes later is not seen. There is no lock: which process
 * should run is the slot's business.
 *
 * Two generations are kept. The older one stands in when a crash of the machine, in spite of the
 * flushing, left the newest damaged before it was acknowledged.
 */
export class FileCheckpointStore implements CheckpointStore {
  readonly #folder: CheckpointFolder;
  readonly #pipeline: string;
  readonly #failpoint: Failpoint;
  /** What this store has claimed; null before. */
  #epoch: number | null = null;
  #sequence = 0;
  /** Newest first; those the next save follows. Ours alone once claimed. */
  #generations: readonly NamedGeneration[] = [];
  #manifests = new Map<string, Manifest>();

  constructor(folder: CheckpointFolder, pipeline: string, failpoint: Failpoint = NO_FAILPOINT) {
    this.#folder = folder;
    this.#pipeline = pipeline;
    this.#failpoint = failpoint;
  }

  async open(): Promise<CheckpointHeader | null> {
    await this.#folder.make();
    return this.readHeader();
  }

  async readHeader(): Promise<CheckpointHeader | null> {
    const contents = await this.#contents();
    if (contents === null) return null;
    const [position = null, ...earlier] = contents.generations.map((g) => g.position);
    return { epoch: contents.epoch, position, earlier };
  }

  async recordBirth(): Promise<void> {
    if ((await this.#contents()) !== null) return;
    await this.#folder.create(epochFileName(0), encodeEpoch({ base: [] }));
  }

  async claim(epoch: number, position: Position | null): Promise<void> {
    const contents = await this.#contents();
    if (contents !== null && contents.epoch >= epoch) throw fenced(this.#pipeline);
    // Without a position the epoch's file names no generation, so that none is seen any more.
    let generations = position === null ? [] : (contents?.generations ?? []);
    if (position !== null && generations.length === 0) {
      // Seen by nobody before the epoch's file names it.
      const first = nameGeneration(epoch, 0, position);
      const manifest = { pipeline: this.#pipeline, position, blocks: [] };
      await this.#folder.write(first.name, [encodeManifest(manifest)]);
      generations = [first];
    }
    const base = generations.map(({ name }) => name);
    const isOurs = await this.#folder.create(epochFileName(epoch), encodeEpoch({ base }));
    if (!isOurs) throw fenced(this.#pipeline);
    this.#epoch = epoch;
    this.#sequence = 0;
    this.#generations = generations;
    this.#manifests.clear();
    const leftovers = (await this.#folder.list()).filter((name) => name.startsWith("tmp-"));
    await this.#folder.remove(leftovers);
  }

  async load(bounds?: LoadBounds): Promise<LoadedCheckpoint> {
    const generations =
      this.#epoch === null ? ((await this.#contents())?.generations ?? []) : this.#generations;
    assert(generations.length > 0, "a claimed checkpoint has a position");
    const chosen = await chooseGeneration(generations, bounds, async ({ name }) => {
      return this.#loadBlocks((await this.#manifest(name)).blocks);
    });
    const { generation, loaded, passedOver } = chosen;
    if (this.#epoch !== null)
      this.#generations = generations.slice(generations.indexOf(generation));
    return { position: generation.position, blocks: loaded, passedOver };
  }

  async save({ epoch, position, blocks }: CheckpointDelta): Promise<void> {
    const [newest] = this.#generations;
    if (epoch !== this.#epoch) throw fenced(this.#pipeline);
    await this.#requireWriter(epoch);
    if (newest !== undefined) requireFollows(newest.position, position, this.#pipeline);
    const before = newest === undefined ? [] : (await this.#manifest(newest.name)).blocks;
    this.#sequence += 1;
    const segment = `segment-${epoch}-${this.#sequence}`;
    const entries = await this.#writeSegment(segment, before, blocks);
    await this.#failpoint("checkpoint-staged");
    const manifest = { pipeline: this.#pipeline, position, blocks: entries };
    const generation = nameGeneration(epoch, this.#sequence, position);
    await this.#folder.write(generation.name, [encodeManifest(manifest)]);
    await this.#failpoint("checkpoint-switched");
    // Whoever claimed meanwhile has not seen this generation, and never will.
    await this.#requireWriter(epoch);
    this.#generations = [generation, ...this.#generations];
    this.#manifests.set(generation.name, manifest);
  }

  /** A save has been flushed when it resolves; what nothing needs any more is removed here. */
  async settled(lsn: Lsn): Promise<void> {
    const [newest] = this.#generations;
    if (this.#epoch === null || newest === undefined || newest.position.lsn > lsn) return;
    // The next save may be under way; what is newer than `newest` is not looked at.
    const kept = this.#generations.slice(0, GENERATIONS);
    const dropped = new Set(this.#generations.slice(GENERATIONS));
    const needed = new Set(kept.map(({ name }) => name));
    for (const { name } of kept) {
      const manifest = await this.#manifest(name).catch(() => null); // damaged: it needs nothing
      for (const { segment } of manifest?.blocks ?? []) needed.add(segment);
    }
    await this.#failpoint("collecting");
    const names = await this.#folder.list();
    await this.#folder.remove(
      names.filter((name) => !needed.has(name) && isPast(name, this.#epoch ?? 0, newest)),
    );
    this.#generations = this.#generations.filter((generation) => !dropped.has(generation));
    for (const { name } of dropped) this.#manifests.delete(name);
  }

  async reset(): Promise<void> {
    const names = await this.#folder.list();
    // The epochs last: without one the folder is empty to a reader.
    const isEpoch = (name: string): boolean => epochsIn([name]).length > 0;
    await this.#folder.remove(names.filter((name) => isOwn(name) && !isEpoch(name)));
    await this.#folder.remove(names.filter(isEpoch));
    this.#epoch = null;
    this.#generations = [];
    this.#manifests.clear();
  }

  async close(): Promise<void> {}

  /** Where it stands, for people; makes no folder. Null when nothing is stored. */
  async describe(): Promise<CheckpointFacts | null> {
    if (!(await this.#folder.exists())) return null;
    return describeGenerations(await this.#contents(), ({ name }) => this.#manifest(name));
  }

  async #contents(): Promise<Contents | null> {
    const names = await this.#folder.list();
    const epochs = epochsIn(names);
    if (epochs.length === 0) return null;
    const epoch = Math.max(...epochs);
    const file = epochFileName(epoch);
    const content = await this.#folder.read(file);
    if (content === null) return this.#contents(); // a newer one has just taken its place
    const own = names
      .flatMap((name) => parseGeneration(name) ?? [])
      .filter((generation) => generation.epoch === epoch && generation.sequence > 0)
      .sort((a, b) => b.sequence - a.sequence);
    const base = decodeEpoch(content, file).base.flatMap((name) => parseGeneration(name) ?? []);
    const all = [...own, ...base];
    const present = new Set(names);
    const generations = all.filter(({ name }, index) => index === 0 || present.has(name));
    return { epoch, generations };
  }

  async #requireWriter(epoch: number): Promise<void> {
    const epochs = epochsIn(await this.#folder.list());
    if (Math.max(...epochs) !== epoch) throw fenced(this.#pipeline);
  }

  async #manifest(name: string): Promise<Manifest> {
    const known = this.#manifests.get(name);
    if (known !== undefined) return known;
    const bytes = await this.#folder.read(name);
    if (bytes === null) throw corrupt(name, "the file is missing");
    const manifest = decodeManifest(bytes, this.#pipeline, name);
    if (this.#epoch !== null) this.#manifests.set(name, manifest);
    return manifest;
  }

  /** Writes the dirty blocks, and those that are moved out of segments that are mostly garbage. */
  async #writeSegment(
    segment: string,
    before: readonly BlockEntry[],
    dirty: readonly StateBlock[],
  ): Promise<BlockEntry[]> {
    const untouched = withoutBlocks(before, dirty);
    const segments = new Set(untouched.map((entry) => entry.segment));
    const worn = wornSegments(untouched, await this.#folder.sizes(segments));
    const moved = await this.#loadBlocks(untouched.filter((entry) => worn.has(entry.segment)));
    const blocks = [...dirty, ...moved].filter(({ bytes }) => bytes.length > 0);
    const entries = untouched.filter((entry) => !worn.has(entry.segment));
    let offset = 0;
    // Blocks are summed up when their turn to be written has come: the flow goes on between them.
    const parts = function* (): Generator<Uint8Array> {
      for (const chunk of chunksOf(blocks, CHUNK_BYTES, ({ bytes }) => bytes.length)) {
        for (const block of chunk) {
          entries.push(entryOf(block, segment, offset));
          offset += block.bytes.length;
        }
        yield Buffer.concat(chunk.map(({ bytes }) => bytes));
      }
    };
    if (blocks.length > 0) await this.#folder.write(segment, parts());
    return entries;
  }

  async #loadBlocks(entries: readonly BlockEntry[]): Promise<StateBlock[]> {
    const blocks: StateBlock[] = [];
    for (const segment of new Set(entries.map((entry) => entry.segment))) {
      const here = entries.filter((entry) => entry.segment === segment);
      blocks.push(...(await this.#folder.readExtents(segment, here, restoreBlock)));
    }
    return blocks;
  }
}

/**
 * Whether a file was written by an epoch before `epoch`, or by that epoch for a generation up to
 * `newest`. Later ones are a successor's, or of the save that is under way.
 */
function isPast(name: string, epoch: number, newest: NamedGeneration): boolean {
  const claimed = epochsIn([name])[0];
  if (claimed !== undefined) return claimed < epoch;
  const match = SEGMENT.exec(name);
  const written =
    match === null
      ? parseGeneration(name)
      : { epoch: Number(match[1]), sequence: Number(match[2]) };
  if (written === null || written.epoch !== epoch) return written !== null && written.epoch < epoch;
  return newest.epoch === epoch && written.sequence <= newest.sequence;
}

function isOwn(name: string): boolean {
  return SEGMENT.test(name) || parseGeneration(name) !== null || name.startsWith("tmp-");
}
