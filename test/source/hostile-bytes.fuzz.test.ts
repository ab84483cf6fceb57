import { expect, test } from "vitest";
import { PgoutputDecoder } from "../../decoders/pgoutput/index.js";
import type { Batch } from "../../src/core/batch.js";
import { TidemarkError } from "../../src/core/errors.js";
import { FrameReader } from "../../src/source/frames.js";
import { recordedStream } from "../fixtures/recorded-stream.js";

const MUTATIONS = Number(process.env["FUZZ_MUTATIONS"] ?? 200_000);
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);

const whole = Buffer.concat(recordedStream);
const XLOG_HEADER = 5 + 25;
/** The payloads of XLogData in order: what a decoder is given. */
const messages = recordedStream
  .filter((frame) => frame[0] === 0x64 && frame[5] === 0x77)
  .map((frame) => frame.subarray(XLOG_HEADER));

/** A small generator (mulberry32), so that a seed repeats a run. */
function random(state: number): (below: number) => number {
  let a = state;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Every cell lies in its message's buffer and every slice in its batch. */
function checkShape(batch: Batch): void {
  for (let i = 0; i < batch.length; i++) {
    const limit = batch.bytes[i]?.length ?? 0;
    for (const image of [batch.after[i] as number, batch.before[i] as number]) {
      if (image < 0) continue;
      const columns = batch.relations[i]?.columns.length ?? 0;
      if (image + 2 * columns > batch.cellsUsed) throw new Error("an image past the cells");
      for (let at = image; at < image + 2 * columns; at += 2) {
        const [start, end] = [batch.cells[at] as number, batch.cells[at + 1] as number];
        if (start >= 0 && (end < start || end > limit)) throw new Error("a cell past its message");
      }
    }
  }
  for (const { from, to } of batch.transactions) {
    if (from > to || to > batch.length) throw new Error("a slice past its batch");
  }
}

/** Runs the bytes; throws on anything but a valid decode or PROTOCOL with tag and offset. */
function survive(run: (decoder: PgoutputDecoder) => void): boolean {
  const decoder = new PgoutputDecoder();
  let isRefused = false;
  try {
    run(decoder);
  } catch (error) {
    if (!(error instanceof TidemarkError) || error.code !== "PROTOCOL") throw error;
    const { tag, offset } = error.detail;
    if (typeof tag !== "number" || typeof offset !== "number") throw error;
    isRefused = true;
  }
  checkShape(decoder.take());
  return isRefused;
}

function feed(chunks: readonly Buffer[]): (decoder: PgoutputDecoder) => void {
  return (decoder) => {
    const reader = new FrameReader({
      onMessage: (bytes, start, end) => decoder.decode(bytes, start, end),
      onKeepalive: () => {},
      onOther: () => {},
    });
    for (const chunk of chunks) reader.feed(chunk);
  };
}

/** The messages with one of them replaced. */
function decode(index: number, replacement: Buffer): (decoder: PgoutputDecoder) => void {
  return (decoder) => {
    messages.forEach((message, i) => {
      const bytes = i === index ? replacement : message;
      decoder.decode(bytes, 0, bytes.length);
    });
  };
}

function flip(bytes: Buffer, draw: (below: number) => number): Buffer {
  const mutated = Buffer.from(bytes);
  for (let flips = 1 + draw(3); flips > 0; flips--) {
    const at = draw(mutated.length);
    mutated[at] = draw(4) === 0 ? draw(256) : (mutated[at] as number) ^ (1 << draw(8));
  }
  return mutated;
}

test("a message cut at any length is refused, and so is one that goes on", () => {
  messages.forEach((message, index) => {
    const isIgnored = "OYM".includes(String.fromCharCode(message[0] as number));
    for (let length = 0; length < message.length; length++) {
      const isRefused = survive(decode(index, message.subarray(0, length)));
      expect(isRefused || (isIgnored && length > 0), `message ${index} cut at ${length}`).toBe(
        true,
      );
    }
    const isLongRefused = survive(decode(index, Buffer.concat([message, Buffer.alloc(1)])));
    expect(isLongRefused || isIgnored, `message ${index} with a byte more`).toBe(true);
  });
});

test("a stream cut at any length is what came before the cut", () => {
  for (let length = 0; length < whole.length; length++) {
    expect(survive(feed([whole.subarray(0, length)])), `cut at ${length}`).toBe(false);
  }
});

test(`flipped bits end in PROTOCOL or a valid decode (FUZZ_SEED=${seed})`, () => {
  const draw = random(seed);
  let refused = 0;
  for (let run = 0; run < MUTATIONS; run++) {
    let isRefused: boolean;
    if (run % 4 !== 0) {
      const index = draw(messages.length);
      isRefused = survive(decode(index, flip(messages[index] as Buffer, draw)));
    } else {
      const bytes = flip(whole, draw);
      const at = draw(bytes.length);
      isRefused = survive(feed([bytes.subarray(0, at), bytes.subarray(at)]));
    }
    if (isRefused) refused++;
  }
  expect(refused).toBeGreaterThan(MUTATIONS / 5);
  expect(refused).toBeLessThan(MUTATIONS);
});
