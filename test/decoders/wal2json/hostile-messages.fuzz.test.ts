// Mutated messages of wal2json end in PROTOCOL with tag and offset or in changes whose cells lie in
// their buffer. FUZZ_MUTATIONS and FUZZ_SEED as for pgoutput.
import { expect, test } from "vitest";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import { Wal2jsonDecoder } from "../../../decoders/wal2json/index.js";
import type { Batch } from "../../../src/core/batch.js";
import { dump } from "../../fixtures/batch-dump.js";
import { readStory } from "../../fixtures/decoders/story.js";
import { expectCode, mutate, readAll } from "../../fixtures/hostile-bytes.js";
import { randomOf } from "../../torture/random.js";

const MUTATIONS = Number(process.env["FUZZ_MUTATIONS"] ?? 20_000) / 2;
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);

test(`messages that were changed (FUZZ_SEED=${seed})`, { timeout: 3_600_000 }, () => {
  const random = randomOf(seed);
  const { types, wal2json } = readStory();
  const codecs = new DatabaseCodecs(types, false);
  const all = wal2json.map((message) => Buffer.from(message));
  const [begin] = all as [Buffer];
  const commit = all.find((message) => message.includes('"action":"C"')) as Buffer;
  const short = all.filter(({ length }) => length < 2_000);
  let refused = 0;
  for (let run = 0; run < MUTATIONS; run++) {
    const decoder = new Wal2jsonDecoder({ codecs });
    const message = short[run % short.length] as Buffer;
    const isBegin = message.includes('"action":"B"');
    const bytes = mutate(message, short, random);
    let earlier: Batch | null = null;
    let before = "";
    try {
      if (!isBegin) decoder.decode(begin, 0, begin.length);
      if (!message.includes('"action":"C"')) {
        if (isBegin) decoder.decode(begin, 0, begin.length);
        if (isBegin) decoder.decode(commit, 0, commit.length);
        else decoder.decode(message, 0, message.length);
      }
      earlier = decoder.take();
      before = dump([earlier]).join();
      decoder.decode(bytes, 0, bytes.length);
    } catch (error) {
      expectCode(error, "PROTOCOL");
      refused++;
    }
    readAll(decoder.take(), bytes.length + 4_096);
    if (earlier !== null && dump([earlier]).join() !== before) throw new Error("the past changed");
  }
  expect(refused).toBeGreaterThan(MUTATIONS / 4);
  expect(refused).toBeLessThan(MUTATIONS);
});
