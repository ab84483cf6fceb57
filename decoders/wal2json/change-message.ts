import { TidemarkError } from "../../src/core/errors.js";
import { type Lsn, parseLsn } from "../../src/core/lsn.js";
import type { Timestamp } from "../../src/core/timestamp.js";
import { codecOf } from "../types/codecs.js";
import { FieldList, integer } from "./field-list.js";
import { JsonCursor, Scalar } from "./json-cursor.js";
import { RepeatedText } from "./repeated-text.js";

const TIMESTAMPTZ = codecOf(1184);

/**
 * One message of wal2json's format 2, read. One instance is filled again and again; what it holds
 * of `bytes` are places.
 */
export class ChangeMessage {
  readonly cursor: JsonCursor = new JsonCursor();
  /** B, C, I, U, D, T or M. */
  action = "";
  xid: number | null = null;
  isTransactional = false;
  /** Commit time, milliseconds since the Unix epoch with a fraction; null: not sent. */
  commitMs: number | null = null;
  lsn: Lsn | null = null;
  nextLsn: Lsn | null = null;
  prefix = "";
  content = "";
  readonly schema: RepeatedText = new RepeatedText();
  readonly table: RepeatedText = new RepeatedText();
  readonly columns: FieldList = new FieldList();
  readonly identity: FieldList = new FieldList();
  readonly pk: FieldList = new FieldList();

  /** Reads the message, or throws PROTOCOL. */
  read(bytes: Uint8Array, start: number, end: number): void {
    const { cursor } = this;
    cursor.reset(bytes, start, end);
    this.#clear();
    let hasTable = false;
    cursor.enterObject();
    for (let isFirst = true; cursor.nextMember(isFirst); isFirst = false) {
      const name = cursor.text();
      if (name === "table") hasTable = true;
      if (!this.#rowMember(name) && !this.#frameMember(name)) cursor.skip();
    }
    cursor.finish();
    const isChange = this.action !== "" && "IUDT".includes(this.action);
    if (isChange && !hasTable) throw cursor.error("a change without its table");
  }

  #clear(): void {
    this.action = "";
    this.xid = null;
    this.isTransactional = true;
    this.commitMs = null;
    this.lsn = null;
    this.nextLsn = null;
    this.prefix = "";
    this.content = "";
    this.columns.clear();
    this.identity.clear();
    this.pk.clear();
  }

  /** Members of a change. */
  #rowMember(name: string): boolean {
    const { cursor } = this;
    switch (name) {
      case "schema":
        this.#string();
        this.schema.read(cursor);
        return true;
      case "table":
        this.#string();
        this.table.read(cursor);
        return true;
      case "columns":
        this.columns.read(cursor, true);
        return true;
      case "identity":
        this.identity.read(cursor, true);
        return true;
      case "pk":
        this.pk.read(cursor, false);
        return true;
      default:
        return false;
    }
  }

  /** Members of all messages, and of those that are no change. */
  #frameMember(name: string): boolean {
    const { cursor } = this;
    switch (name) {
      case "action":
        this.#string();
        this.action = cursor.text();
        cursor.tag = cursor.from < cursor.to ? (cursor.bytes[cursor.from] as number) : 0;
        return true;
      case "xid":
        this.xid = this.#isNull() ? null : integer(cursor);
        return true;
      case "timestamp":
        this.commitMs = this.#isNull() ? null : this.#time();
        return true;
      case "lsn":
        this.lsn = this.#lsn();
        return true;
      case "nextlsn":
        this.nextLsn = this.#lsn();
        return true;
      case "transactional":
        cursor.scalar();
        this.isTransactional = cursor.kind === Scalar.true;
        return true;
      case "prefix":
        this.#string();
        this.prefix = cursor.text();
        return true;
      case "content":
        this.#string();
        this.content = cursor.text();
        return true;
      default:
        return false;
    }
  }

  #string(): void {
    this.cursor.scalar();
    if (this.cursor.kind !== Scalar.string) throw this.cursor.error("a string is missing");
  }

  /** Passes over a null. */
  #isNull(): boolean {
    const { cursor } = this;
    const { at } = cursor;
    cursor.scalar();
    if (cursor.kind === Scalar.null) return true;
    cursor.at = at;
    return false;
  }

  /** Positions of rows are not asked for by anyone: only those of other messages are made. */
  #lsn(): Lsn | null {
    this.#string();
    if ("IUDT".includes(this.action) && this.action !== "") return null;
    return this.#valid("a position", () => parseLsn(this.cursor.text()));
  }

  #time(): number | null {
    this.#string();
    if (this.action !== "B") return null;
    const { bytes, from, to } = this.cursor;
    const value = this.#valid("a time", () => TIMESTAMPTZ.decode(bytes, from, to) as Timestamp);
    return value.epochMs + value.micros / 1000;
  }

  #valid<T>(what: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof TidemarkError) throw this.cursor.error(`${what} is not valid`);
      throw error;
    }
  }
}
