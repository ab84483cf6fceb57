import type { Lsn } from "../../core/lsn.js";
import { type Column, columnIndex, type Relation } from "../../core/relation.js";
import { Row } from "../../core/row.js";
import type { BlockReader, BlockWriter } from "../../state/block.js";
import type { PatternEvent } from "./run.js";

/** A column of a kept row. */
export type KeptColumn = Pick<Column, "name" | "typeOid" | "typeModifier" | "codec">;

/** Where a row stands. */
export interface EventPosition extends PatternEvent {
  readonly xid: number;
}

/**
 * An inserted row as runs keep it: where it stands, and the columns that are read again, packed
 * into one string of a byte a character. A string costs a third of a Uint8Array of that size, holds
 * nothing of the socket's buffer, and goes into a checkpoint as it is.
 */
export class RowEvent implements PatternEvent {
  readonly ms: number;
  readonly commitLsn: Lsn;
  readonly ordinal: number;
  readonly xid: number;
  /** By column: its length + 1 as unsigned LEB128, 0 for NULL, then its text in UTF-8. */
  readonly packed: string;
  #row: Row | null = null;

  constructor(position: EventPosition, packed: string) {
    this.ms = position.ms;
    this.commitLsn = position.commitLsn;
    this.ordinal = position.ordinal;
    this.xid = position.xid;
    this.packed = packed;
  }

  /** The kept columns as a row; made when first asked for. */
  row(keeper: RowKeeper): Row {
    this.#row ??= keeper.unpack(this.packed);
    return this.#row;
  }

  save(out: BlockWriter): void {
    out.double(this.ms);
    out.integer(Number(this.commitLsn >> 32n));
    out.integer(Number(this.commitLsn & 0xffff_ffffn));
    out.integer(this.ordinal);
    out.integer(this.xid);
    out.text(this.packed);
  }

  static load(from: BlockReader): RowEvent {
    const ms = from.double();
    const commitLsn = (BigInt(from.integer()) << 32n) | BigInt(from.integer());
    const position = { ms, commitLsn, ordinal: from.integer(), xid: from.integer() };
    return new RowEvent(position, from.text());
  }
}

/** Packs the columns of rows that runs keep, and reads them again. */
export class RowKeeper {
  /** The kept columns as a relation of their own, for reading. */
  readonly #kept: Relation;
  #indices: number[] = [];
  #scratch: Buffer = Buffer.alloc(256);

  constructor(table: string, columns: readonly KeptColumn[]) {
    const [schema = "", name = ""] = table.split(".");
    this.#kept = {
      oid: 0,
      schema,
      name,
      qualifiedName: table,
      replicaIdentity: "default",
      columns: columns.map((column) => ({ ...column, isKey: false })),
    };
  }

  get columns(): readonly Column[] {
    return this.#kept.columns;
  }

  /** Rows to be packed are of this relation from now on. */
  bind(relation: Relation): void {
    this.#indices = this.#kept.columns.map(({ name }) => columnIndex(relation, name));
  }

  /** Packs the row whose cells begin at `image`. */
  pack(bytes: Uint8Array, cells: Int32Array, image: number): string {
    let used = 0;
    for (const index of this.#indices) {
      const start = index < 0 ? -1 : (cells[image + 2 * index] as number);
      const end = start < 0 ? start : (cells[image + 2 * index + 1] as number);
      this.#reserve(used + 5 + end - start);
      const to = this.#scratch;
      let rest = start < 0 ? 0 : end - start + 1;
      for (; rest >= 128; rest >>>= 7) to[used++] = (rest & 127) | 128;
      to[used++] = rest;
      for (let at = start; at < end; at++) to[used++] = bytes[at] as number;
    }
    return this.#scratch.toString("latin1", 0, used);
  }

  #reserve(size: number): void {
    if (size <= this.#scratch.length) return;
    const larger = Buffer.alloc(Math.max(size, this.#scratch.length * 2));
    this.#scratch.copy(larger);
    this.#scratch = larger;
  }

  /** The bytes of a kept column, null for NULL. */
  cell(packed: string, column: number): Uint8Array | null {
    const { bytes, cells } = unpacked(packed, this.#kept.columns.length);
    const start = cells[2 * column] as number;
    return start < 0 ? null : bytes.subarray(start, cells[2 * column + 1] as number);
  }

  unpack(packed: string): Row {
    const { bytes, cells } = unpacked(packed, this.#kept.columns.length);
    return Row.of(this.#kept, bytes, cells, 0);
  }
}

/** The bytes of a packed row and, by column, where its cell starts and ends; -1 for NULL. */
function unpacked(packed: string, columns: number): { bytes: Uint8Array; cells: Int32Array } {
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const cells = new Int32Array(2 * columns);
  let at = 0;
  for (let column = 0; column < columns; column++) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    cells[2 * column] = length === 0 ? -1 : at;
    at += Math.max(0, length - 1);
    cells[2 * column + 1] = at;
  }
  return { bytes, cells };
}
