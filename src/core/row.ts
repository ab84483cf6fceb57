import type { Column, Relation } from "./relation.js";
import { UNCHANGED } from "./unchanged.js";

type RowClass = new (bytes: Uint8Array, cells: Int32Array, base: number) => Row;

/** What stands for NULL_CELL, UNCHANGED_CELL and ABSENT_CELL, by their negative. */
const MARKED: readonly unknown[] = [undefined, null, UNCHANGED, undefined];

/** Node's name for how a value is printed: `util.inspect.custom`. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

const classes = new WeakMap<Relation, RowClass>();
/** By the prototype of a row's class, because a column may be called `constructor`. */
const relations = new WeakMap<object, Relation>();

/** Where a row's cells lie, and what they are. */
export interface RowView {
  readonly relation: Relation;
  readonly bytes: Uint8Array;
  readonly cells: Int32Array;
  readonly base: number;
}

/**
 * One row image whose columns are properties: `row.amount`. A property decodes its cell each time
 * it is read, so a column nobody reads costs nothing; keep the value in a variable if it is used
 * twice. The accessors live on one class per Relation version, made from closures (no source text
 * is generated). The row's own fields are private, so that any column name is free.
 *
 * A row holds the bytes of the whole socket read it came from; `Row.toObject` detaches it.
 */
export class Row {
  readonly #bytes: Uint8Array;
  readonly #cells: Int32Array;
  readonly #base: number;

  constructor(bytes: Uint8Array, cells: Int32Array, base: number) {
    this.#bytes = bytes;
    this.#cells = cells;
    this.#base = base;
  }

  /** A view of the cells that start at `base`. */
  static of(relation: Relation, bytes: Uint8Array, cells: Int32Array, base: number): Row {
    let rowClass = classes.get(relation);
    if (rowClass === undefined) {
      rowClass = Row.#compile(relation);
      classes.set(relation, rowClass);
    }
    return new rowClass(bytes, cells, base);
  }

  /**
   * Every column decoded, in a plain object without a prototype that holds no buffer. Of a key
   * image only the key's columns.
   */
  static toObject(row: Row, relation: Relation): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null);
    relation.columns.forEach((column, index) => {
      const value = Row.#cell(row, relation, index);
      if (value !== undefined) object[column.name] = value;
    });
    return object;
  }

  /** The cells below a row that {@link Row.of} made. */
  static view(row: Row): RowView {
    const relation = relations.get(Object.getPrototypeOf(row)) as Relation;
    return { relation, bytes: row.#bytes, cells: row.#cells, base: row.#base };
  }

  static #cell(row: Row, relation: Relation, index: number): unknown {
    const at = row.#base + 2 * index;
    const start = row.#cells[at] as number;
    if (start < 0) return MARKED[-start];
    const codec = (relation.columns[index] as Column).codec;
    const end = row.#cells[at + 1] as number;
    if (codec.parse !== undefined) return codec.parse(row.#bytes, start, end);
    return codec.decode(row.#bytes, start, end);
  }

  static #compile(relation: Relation): RowClass {
    const rowClass = class extends Row {};
    relations.set(rowClass.prototype, relation);
    relation.columns.forEach((column, index) => {
      const { codec } = column;
      const offset = 2 * index;
      const isParsed = codec.parse !== undefined;
      Object.defineProperty(rowClass.prototype, column.name, {
        enumerable: true,
        get(this: Row) {
          const at = this.#base + offset;
          const start = this.#cells[at] as number;
          if (start < 0 || isParsed) return Row.#cell(this, relation, index);
          return codec.decode(this.#bytes, start, this.#cells[at + 1] as number);
        },
      });
    });
    // Accessors of a prototype are not printed; console.log(row) is to show the row.
    Object.defineProperty(rowClass.prototype, INSPECT, {
      value(this: Row) {
        return Row.toObject(this, relation);
      },
    });
    return rowClass;
  }
}
