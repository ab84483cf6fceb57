import { describe, expect, test } from "vitest";
import { PgoutputDecoder } from "../../decoders/pgoutput/index.js";
import type { Batch } from "../../src/core/batch.js";
import { FrameReader, type Keepalive } from "../../src/source/frames.js";
import { dump } from "../fixtures/batch-dump.js";
import * as m from "../fixtures/pgoutput-messages.js";
import { recordedStream } from "../fixtures/recorded-stream.js";

interface Seen {
  readonly lines: string[];
  readonly keepalives: Keepalive[];
  readonly others: string[];
}

/** Feeds the chunks as reads, taking the batch after each, as the stream does. */
function read(chunks: readonly Buffer[]): Seen {
  const decoder = new PgoutputDecoder();
  const batches: Batch[] = [];
  const keepalives: Keepalive[] = [];
  const others: string[] = [];
  const reader = new FrameReader({
    onMessage: (bytes, start, end) => decoder.decode(bytes, start, end),
    onKeepalive: (keepalive) => keepalives.push(keepalive),
    onOther: (frame) => others.push(Buffer.from(frame).toString("hex")),
  });
  for (const chunk of chunks) {
    reader.feed(Buffer.from(chunk)); // as the socket does: a buffer of its own each
    if (decoder.pending > 0) batches.push(decoder.take());
  }
  return { lines: dump(batches), keepalives, others };
}

const whole = Buffer.concat(recordedStream);
const expected = read([whole]);

test("the whole stream in one read", () => {
  expect(expected.lines).toHaveLength(7);
  expect(expected.lines).toContain(
    '200/0 xid 700 insert shop.items - -> ("1", "12.50", "2026-11-23 06:07:14.25+00", "äß🌊")',
  );
  expect(
    expected.keepalives.map(({ walEnd, isReplyRequested }) => [walEnd, isReplyRequested]),
  ).toEqual([
    [90n, false],
    [200n, true],
    [300n, false],
  ]);
  expect(expected.others).toEqual([m.frame("N", Buffer.from("SNOTICE\0\0")).toString("hex")]);
});

test("split in two at every byte, the stream is the same", () => {
  for (let at = 1; at < whole.length; at++) {
    expect(read([whole.subarray(0, at), whole.subarray(at)]), `split at ${at}`).toEqual(expected);
  }
});

test.each([1, 2, 3, 4, 5, 6, 7, 25, 64])("in reads of %i bytes, the stream is the same", (size) => {
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size));
  expect(read(chunks)).toEqual(expected);
});

test("a message larger than many reads is collected", () => {
  const note = "0123456789".repeat(50_000);
  const stream = Buffer.concat([
    m.xlogData(0n, m.begin(200n, 1)),
    m.xlogData(0n, m.relation({ oid: 1, name: "t", columns: [{ name: "note" }] })),
    m.xlogData(0n, m.insert(1, [note])),
    m.xlogData(0n, m.commit(200n, 230n)),
  ]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 65_536) chunks.push(stream.subarray(at, at + 65_536));
  expect(read(chunks).lines[0]).toBe(`200/0 xid 1 insert public.t - -> ("${note}")`);
});

function reader(maxBytes?: number): { feed(chunk: Buffer): void; lastWalStart: bigint } {
  const ignore = (): void => {};
  return new FrameReader({ onMessage: ignore, onKeepalive: ignore, onOther: ignore }, maxBytes);
}

test("a keepalive names position, clock and question", () => {
  const { keepalives } = read([m.keepalive(0x16_b374d848n, true, 1_795_413_994_250.125)]);
  expect(keepalives).toEqual([
    { walEnd: 0x16_b374d848n, serverMs: 1_795_413_994_250.125, isReplyRequested: true },
  ]);
});

test("the position of the last message is kept over keepalives", () => {
  const frames = reader();
  frames.feed(m.xlogData(0xffff_ffff_0000_0001n, Buffer.from("M")));
  frames.feed(m.keepalive(5n));
  expect(frames.lastWalStart).toBe(0xffff_ffff_0000_0001n);
});

describe("what the protocol does not allow is PROTOCOL with tag and offset", () => {
  test.each<[string, Buffer, number]>([
    ["a length below four", Buffer.from("6400000003", "hex"), 0],
    ["a length of four gigabytes", Buffer.from("64ffffffff", "hex"), 0],
    ["an empty CopyData", m.frame("d", Buffer.alloc(0)), 0],
    ["an unknown kind of CopyData", m.frame("d", Buffer.from("x1234567890")), 0],
    ["a short XLogData", m.frame("d", Buffer.alloc(24, "w")), 0],
    ["a short keepalive", m.frame("d", Buffer.alloc(17, "k")), 0],
    ["a long keepalive", m.frame("d", Buffer.alloc(19, "k")), 0],
    ["a second message", Buffer.concat([m.keepalive(1n), m.frame("d", Buffer.from("?"))]), 23],
  ])("%s", (_title, bytes, offset) => {
    const error = expect.objectContaining({
      code: "PROTOCOL",
      detail: { tag: expect.any(Number), offset },
    });
    expect(() => reader().feed(bytes)).toThrow(error);
    const slow = reader();
    expect(() => {
      for (const value of bytes) slow.feed(Buffer.of(value));
    }).toThrow(error);
  });

  test("a message above the limit is refused before its bytes come", () => {
    expect(() => reader(1000).feed(Buffer.from("64000003e9", "hex"))).toThrow(
      expect.objectContaining({ code: "PROTOCOL" }),
    );
    expect(() => reader(1000).feed(Buffer.from("64000003e8", "hex"))).not.toThrow();
  });
});

test("a length field alone reserves no memory", () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 50 }, () => {
    const frames = reader();
    frames.feed(Buffer.from("643fffffff77", "hex")); // claims one gigabyte
    return frames;
  });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 2 ** 18);
  expect(readers).toHaveLength(50);
});

test("an error of a handler passes through and nothing after it is read", () => {
  const seen: number[] = [];
  const frames = new FrameReader({
    onMessage: (bytes, start) => {
      seen.push(bytes[start] as number);
      if (seen.length === 2) throw new Error("stop here");
    },
    onKeepalive: () => seen.push(-1),
    onOther: () => seen.push(-2),
  });
  const stream = ["1", "2", "3"].map((text) => m.xlogData(0n, Buffer.from(text)));
  expect(() => frames.feed(Buffer.concat([...stream, m.keepalive(9n)]))).toThrow("stop here");
  expect(seen).toEqual([0x31, 0x32]);
});
