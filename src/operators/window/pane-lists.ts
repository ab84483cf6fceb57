import type { BlockReader, BlockWriter } from "../../state/block.js";
import { GroupTable } from "../../state/group-table.js";
import type { KeyedState } from "../../state/keyed-state.js";
import type { StateColumn } from "../../state/state-column.js";
import { PaneList } from "./pane-list.js";

/** Changed, and not to be given out yet. */
const PENDING = 1;
/** Changed, and to be given out at the next collection. */
const DUE = 2;

/** Approximate bytes of a list beside its panes. */
const BYTES_PER_LIST = 200;

/**
 * The panes of each key in the order of their times, and which of them changed. Takes part in a
 * keyed state as a column. Only what is pending is saved: what is due has been collected before a
 * snapshot, and the lists follow from the panes.
 */
export class PaneLists implements StateColumn {
  readonly bytesPerSlot = 21;
  #flags: Uint8Array = new Uint8Array(0);
  #listOf: Int32Array = new Int32Array(0);
  readonly #keys: GroupTable;
  #lists: (PaneList | undefined)[] = [];
  #changed: PaneList[] = [];
  #panes: KeyedState | null = null;
  readonly #onAdded: (list: PaneList, slot: number) => void;

  /** `onAdded` is told of each pane that came into a list, also when state is restored. */
  constructor(onGrow: (capacity: number) => void, onAdded: (list: PaneList, slot: number) => void) {
    this.#keys = new GroupTable(onGrow);
    this.#onAdded = onAdded;
    onGrow(this.#keys.capacity);
  }

  get heldBytes(): number {
    return this.#keys.bytes + this.#keys.size * BYTES_PER_LIST;
  }

  /** The state that these are the panes of; once, before anything else. */
  attach(panes: KeyedState): void {
    this.#panes = panes;
  }

  /** Puts a pane that was made just now into its key's list. */
  add(slot: number): PaneList {
    const panes = this.#panes as KeyedState;
    this.#keys.setKey(panes.keyOf(slot));
    const number = this.#keys.slot(0);
    let list = this.#lists[number];
    if (list === undefined) {
      list = new PaneList(number, this.#keys.hashOf(number));
      this.#lists[number] = list;
    }
    list.insert(slot, panes.windowOf(slot));
    this.#listOf[slot] = number;
    this.#onAdded(list, slot);
    return list;
  }

  listOf(slot: number): PaneList {
    return this.#lists[this.#listOf[slot] as number] as PaneList;
  }

  /** The list of the key that was named to the panes' state; null when it has none. */
  ofNamedKey(): PaneList | null {
    this.#keys.setKey((this.#panes as KeyedState).namedKey);
    const number = this.#keys.find(0);
    return number < 0 ? null : (this.#lists[number] ?? null);
  }

  /** The list with this number; undefined when it is gone. */
  numbered(number: number): PaneList | undefined {
    return this.#lists[number];
  }

  /** The key's bytes, as a view that is valid until the next pane is added. */
  keyOf(list: PaneList): Uint8Array {
    return this.#keys.keyOf(list.number);
  }

  *all(): Generator<PaneList> {
    for (const list of this.#lists) if (list !== undefined) yield list;
  }

  /** The pane changed. */
  mark(slot: number): void {
    const flags = this.#flags[slot] as number;
    if ((flags & PENDING) !== 0) return;
    this.#flags[slot] = flags | PENDING;
    if (flags !== 0) return;
    const list = this.listOf(slot);
    if (list.changed.length === 0) this.#changed.push(list);
    list.changed.push(slot);
  }

  /** Every pane counts as changed. */
  markAll(): void {
    for (const list of this.all()) {
      for (let at = list.begin; at < list.end; at++) this.mark(list.slotAt(at));
    }
  }

  /** Makes due what is pending. Where that may have been saved, it is saved anew. */
  ripen(maySave = false): void {
    for (const { changed } of this.#changed) {
      for (const slot of changed) {
        if (maySave) this.#panes?.touch(slot);
        this.#flags[slot] = DUE;
      }
    }
  }

  isChanged(slot: number): boolean {
    return this.#flags[slot] !== 0;
  }

  isDue(slot: number): boolean {
    return ((this.#flags[slot] as number) & DUE) !== 0;
  }

  /** The lists with changed panes, in the order in which they changed first. */
  get changed(): readonly PaneList[] {
    return this.#changed;
  }

  /** Whether the pane is due and has not changed since it became so. */
  isSettled(slot: number): boolean {
    return this.#flags[slot] === DUE;
  }

  /** Forgets that panes are due. What became pending since stays so. */
  settle(): void {
    const still: PaneList[] = [];
    for (const list of this.#changed) {
      for (const slot of list.changed) this.#flags[slot] = (this.#flags[slot] as number) & PENDING;
      list.changed = list.changed.filter((slot) => this.#flags[slot] === PENDING);
      if (list.changed.length > 0) still.push(list);
    }
    this.#changed = still;
  }

  /** Lists in an order that depends on their keys alone. */
  sorted(lists: readonly PaneList[]): PaneList[] {
    return [...lists].sort(
      (a, b) => a.hash - b.hash || Buffer.compare(this.keyOf(a), this.keyOf(b)),
    );
  }

  grow(capacity: number): void {
    const flags = new Uint8Array(capacity);
    flags.set(this.#flags);
    this.#flags = flags;
    const listOf = new Int32Array(capacity);
    listOf.set(this.#listOf);
    this.#listOf = listOf;
  }

  /** A pane goes. */
  clear(slot: number): void {
    const list = this.listOf(slot);
    const wasChanged = this.#flags[slot] !== 0;
    this.#flags[slot] = 0;
    list.remove(slot, (this.#panes as KeyedState).windowOf(slot));
    if (wasChanged) {
      list.changed = list.changed.filter((other) => other !== slot);
      if (list.changed.length === 0) this.#changed.splice(this.#changed.indexOf(list), 1);
    }
    if (list.length > 0) return;
    list.sliding?.end();
    this.#lists[list.number] = undefined;
    this.#keys.remove(list.number);
  }

  save(slot: number, out: BlockWriter): void {
    out.integer((this.#flags[slot] as number) & PENDING);
  }

  load(slot: number, from: BlockReader): void {
    const flags = from.integer();
    this.add(slot);
    if (flags === PENDING) this.mark(slot);
  }
}
