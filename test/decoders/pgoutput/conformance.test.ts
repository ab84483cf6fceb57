import { describe } from "vitest";
import { PgoutputDecoder } from "../../../decoders/pgoutput/index.js";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import { decoderConformance } from "../../conformance/decoder.js";
import { readStory } from "../../fixtures/decoders/story.js";

describe("pgoutput", () => {
  decoderConformance({
    make: ({ types }) => new PgoutputDecoder({ codecs: new DatabaseCodecs(types, false) }),
    messages: readStory().pgoutput.map((message) => Buffer.from(message, "base64")),
  });
});
