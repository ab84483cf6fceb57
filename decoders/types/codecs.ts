import type { CatalogType } from "../../src/core/catalog.js";
import type { CellCodec } from "../../src/core/cell-codec.js";
import type { CodecTable, ValueParser, ValueParsers } from "../../src/core/decoder.js";
import { binaryComposite } from "./binary/binary-containers.js";
import {
  arrayCodecs,
  BUILT_IN_TYPES,
  multirangeCodecs,
  rangeCodecs,
  type TypeCodecs,
} from "./built-in-types.js";
import { composite } from "./composites.js";
import { stringLiteral } from "./string-literal.js";
import { badValue, text as readText } from "./text.js";
import { textual } from "./texts.js";

/** The codec of a built-in type's text form; any other type arrives as its text. */
export function codecOf(typeOid: number): CellCodec {
  return BUILT_IN_TYPES.get(typeOid)?.text ?? UNKNOWN.text;
}

const UNKNOWN: TypeCodecs = { text: textual("unknown", "other"), binary: null };

/** A cell that came in a binary form nobody reads: no plan reads it, or text would be asked for. */
const UNREAD: CellCodec = {
  ...textual("unknown", "other"),
  decode(_bytes, start, end) {
    throw badValue("unknown", start, end);
  },
};

/**
 * The codecs for a database: PostgreSQL's own types and those that the catalogue describes. A type
 * that is made later arrives as text until the catalogue is read again.
 */
export class DatabaseCodecs implements CodecTable {
  readonly isBinary: boolean;
  readonly #described: ReadonlyMap<number, CatalogType>;
  readonly #parsers: ReadonlyMap<string, ValueParser>;
  readonly #parsed = new Map<string, CellCodec>();
  readonly #made = new Map<number, TypeCodecs>();

  constructor(types: readonly CatalogType[], isBinary: boolean, parsers: ValueParsers = {}) {
    this.#parsers = new Map(Object.entries(parsers));
    this.#described = new Map(types.map((type) => [type.oid, type]));
    this.isBinary = isBinary;
  }

  codecOf(typeOid: number, column?: string): CellCodec {
    const { text, binary } = this.#codecs(typeOid);
    if (this.isBinary) return binary ?? UNREAD;
    return this.#parsers.size === 0 ? text : this.#withParser(text, column);
  }

  hasBinary(typeOid: number, column?: string): boolean {
    const { text, binary } = this.#codecs(typeOid);
    return binary !== null && this.#parserOf(text, column) === undefined;
  }

  #parserOf({ typeName }: CellCodec, column: string | undefined): ValueParser | undefined {
    return this.#parsers.get(column ?? typeName) ?? this.#parsers.get(typeName);
  }

  /** The codec with the user's parser, the same object each time. */
  #withParser(codec: CellCodec, column: string | undefined): CellCodec {
    const parser = this.#parserOf(codec, column);
    if (parser === undefined) return codec;
    const key = `${codec.typeName} ${this.#parsers.has(column ?? "") ? column : ""}`;
    const known = this.#parsed.get(key);
    if (known !== undefined) return known;
    const parsed: CellCodec = {
      ...codec,
      tsType: parser.tsType,
      parse: (bytes, start, end) => parser.parse(readText(bytes, start, end)),
    };
    this.#parsed.set(key, parsed);
    return parsed;
  }

  #codecs(oid: number): TypeCodecs {
    const known = BUILT_IN_TYPES.get(oid) ?? this.#made.get(oid);
    if (known !== undefined) return known;
    const type = this.#described.get(oid);
    if (type === undefined) return UNKNOWN;
    this.#made.set(oid, UNKNOWN); // a type that holds itself, in an array, ends here as text
    const codecs = this.#make(type);
    this.#made.set(oid, codecs);
    return codecs;
  }

  #make(type: CatalogType): TypeCodecs {
    const { name } = type;
    switch (type.kind) {
      case "enum":
        return same({
          ...textual(name),
          tsType: type.labels.map(stringLiteral).join(" | ") || "never",
        });
      case "domain": {
        const { text, binary } = this.#codecs(type.base);
        const named = { typeName: name };
        return { text: { ...text, ...named }, binary: binary && { ...binary, ...named } };
      }
      case "array":
        return arrayCodecs(this.#codecs(type.base), type.delimiter);
      case "range":
        return rangeCodecs(name, this.#codecs(type.base));
      case "multirange":
        return multirangeCodecs(name, this.#codecs(type.base));
      default:
        return this.#composite(type);
    }
  }

  #composite({ name, fields }: Extract<CatalogType, { kind: "composite" }>): TypeCodecs {
    const codecs = fields.map((field) => ({ name: field.name, ...this.#codecs(field.typeOid) }));
    const text = codecs.map((field) => ({ name: field.name, codec: field.text }));
    const binary = codecs.flatMap((field) =>
      field.binary === null ? [] : [{ name: field.name, codec: field.binary }],
    );
    const isWhole = binary.length === codecs.length;
    return {
      text: composite(name, text),
      binary: isWhole ? binaryComposite(name, binary) : null,
    };
  }
}

function same(codec: CellCodec): TypeCodecs {
  return { text: codec, binary: codec };
}
