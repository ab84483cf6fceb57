import type { CatalogTable } from "../../src/core/catalog.js";
import type { CodecTable, DecoderFactory, ValueParsers } from "../../src/core/decoder.js";
import { DatabaseCodecs } from "../types/codecs.js";
import { Wal2jsonDecoder } from "./decoder.js";

/** Decoders of wal2json, with parsers of the user's. Cells are always text. */
export function wal2jsonWith(parsers: ValueParsers): DecoderFactory {
  return factory(parsers, new DatabaseCodecs([], false, parsers), []);
}

function factory(
  parsers: ValueParsers,
  codecs: DatabaseCodecs,
  tables: readonly CatalogTable[],
): DecoderFactory & CodecTable {
  return {
    plugin: "wal2json",
    isBinary: false,
    create: (options) => new Wal2jsonDecoder({ ...options, codecs, tables }),
    codecOf: (typeOid, column) => codecs.codecOf(typeOid, column),
    hasBinary: () => false,
    forTypes: (types, _isBinary, described = []) =>
      factory(parsers, new DatabaseCodecs(types, false, parsers), described),
  };
}
