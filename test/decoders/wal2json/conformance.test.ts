import { describe } from "vitest";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import { Wal2jsonDecoder } from "../../../decoders/wal2json/index.js";
import { decoderConformance } from "../../conformance/decoder.js";
import { readStory } from "../../fixtures/decoders/story.js";

describe("wal2json", () => {
  decoderConformance({
    make: ({ types, tables }) =>
      new Wal2jsonDecoder({ codecs: new DatabaseCodecs(types, false), tables }),
    messages: readStory().wal2json.map((message) => Buffer.from(message)),
  });
});
