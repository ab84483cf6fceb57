import type { DecoderFactory, ValueParsers } from "../../src/core/decoder.js";
import { DatabaseCodecs } from "../types/codecs.js";
import { PgoutputDecoder } from "./decoder.js";

/** Decoders of pgoutput for a database with PostgreSQL's own types; cells come as text. */
export const pgoutput: DecoderFactory = pgoutputWith({});

/** As {@link pgoutput}, with parsers of the user's. */
export function pgoutputWith(parsers: ValueParsers): DecoderFactory {
  return factory(parsers, new DatabaseCodecs([], false, parsers));
}

function factory(
  parsers: ValueParsers,
  codecs: DatabaseCodecs,
): ReturnType<DecoderFactory["forTypes"]> {
  return {
    plugin: "pgoutput",
    isBinary: codecs.isBinary,
    create: (options) => new PgoutputDecoder({ ...options, codecs }),
    codecOf: (typeOid, column) => codecs.codecOf(typeOid, column),
    hasBinary: (typeOid, column) => codecs.hasBinary(typeOid, column),
    forTypes: (types, isBinary) => factory(parsers, new DatabaseCodecs(types, isBinary, parsers)),
  };
}
