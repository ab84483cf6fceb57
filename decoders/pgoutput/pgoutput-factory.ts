import type { DecoderFactory } from "../../src/core/decoder.js";
import { DatabaseCodecs } from "../types/codecs.js";
import { PgoutputDecoder } from "./decoder.js";

/** Decoders of pgoutput for a database with PostgreSQL's own types; cells come as text. */
export const pgoutput: DecoderFactory = factory(new DatabaseCodecs([], false));

function factory(codecs: DatabaseCodecs): ReturnType<DecoderFactory["forTypes"]> {
  return {
    plugin: "pgoutput",
    isBinary: codecs.isBinary,
    create: (options) => new PgoutputDecoder({ ...options, codecs }),
    codecOf: (typeOid) => codecs.codecOf(typeOid),
    hasBinary: (typeOid) => codecs.hasBinary(typeOid),
    forTypes: (types, isBinary) => factory(new DatabaseCodecs(types, isBinary)),
  };
}
