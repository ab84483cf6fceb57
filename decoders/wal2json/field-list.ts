import { type JsonCursor, Scalar } from "./json-cursor.js";
import { RepeatedText } from "./repeated-text.js";

/** One column of a row as the message has it. */
export interface Field {
  name: string;
  typeOid: number;
  /** `attnum`; 0 when it was not sent. */
  position: number;
  kind: Scalar;
  /** Where the content of its value stands in the message. */
  from: number;
  to: number;
  hasEscapes: boolean;
}

/** What no table exceeds: MaxTupleAttributeNumber of PostgreSQL. */
const MAX_FIELDS = 1_664;

/** The fields of `columns`, `identity` or `pk`; the objects are reused from message to message. */
export class FieldList {
  count = 0;
  /** Whether the message has the list at all. */
  isThere = false;
  readonly #fields: Field[] = [];
  readonly #names: RepeatedText[] = [];

  clear(): void {
    this.count = 0;
    this.isThere = false;
  }

  at(index: number): Field {
    return this.#fields[index] as Field;
  }

  /** The field of this name, looked for at `hint` first; null when there is none. */
  find(name: string, hint: number): Field | null {
    if (hint < this.count && this.at(hint).name === name) return this.at(hint);
    for (let i = 0; i < this.count; i++) if (this.at(i).name === name) return this.at(i);
    return null;
  }

  /** Reads the array; `hasValues` is false for `pk`, which has names and types alone. */
  read(cursor: JsonCursor, hasValues: boolean): void {
    this.clear();
    this.isThere = true;
    cursor.enterArray();
    while (cursor.nextElement(this.count === 0)) {
      if (this.count === MAX_FIELDS) throw cursor.error("more columns than a table can have");
      const field = this.#field(this.count);
      this.#read(cursor, field, hasValues);
      this.count++;
    }
  }

  #field(index: number): Field {
    let field = this.#fields[index];
    if (field === undefined) {
      field = { name: "", typeOid: 0, position: 0, kind: 0, from: 0, to: 0, hasEscapes: false };
      this.#fields.push(field);
      this.#names.push(new RepeatedText());
    }
    return field;
  }

  #read(cursor: JsonCursor, field: Field, hasValues: boolean): void {
    let hasName = false;
    let hasType = false;
    let hasValue = false;
    field.position = 0;
    cursor.enterObject();
    for (let isFirst = true; cursor.nextMember(isFirst); isFirst = false) {
      switch (cursor.text()) {
        case "name":
          cursor.scalar();
          hasName = cursor.kind === Scalar.string;
          field.name = (this.#names[this.count] as RepeatedText).read(cursor);
          break;
        case "typeoid":
          field.typeOid = integer(cursor) >>> 0; // printed as a signed number
          hasType = true;
          break;
        case "position":
          field.position = integer(cursor);
          break;
        case "value":
          cursor.scalar();
          hasValue = true;
          field.kind = cursor.kind;
          field.from = cursor.from;
          field.to = cursor.to;
          field.hasEscapes = cursor.kind === Scalar.string && cursor.hasEscapes;
          break;
        default:
          cursor.skip();
      }
    }
    if (!hasName || hasValue !== hasValues) throw cursor.error("a column without name or value");
    if (!hasType) throw cursor.error("a column without its type; set include-type-oids");
  }
}

/** Reads a number of up to ten digits. */
export function integer(cursor: JsonCursor): number {
  cursor.scalar();
  const { bytes, from, to, kind } = cursor;
  const isNegative = bytes[from] === 0x2d;
  let value = 0;
  for (let i = isNegative ? from + 1 : from; i < to; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) throw cursor.error("a whole number is missing");
    value = value * 10 + digit;
  }
  if (kind !== Scalar.number || to - from > 11) throw cursor.error("a whole number is missing");
  return isNegative ? -value : value;
}
