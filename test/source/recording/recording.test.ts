import {
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Recording } from "../../../src/source/recording/recording.js";
import {
  decoded,
  feed,
  openRecorder,
  play,
  recordingOptions,
  START,
  SYSTEM,
  streamOf,
  temporaryFolder,
} from "../../fixtures/recorded-shop.js";
import { seededRandom } from "../../torture/random.js";

const COUNTS = [1, 3, 40, 2, 0, 1, 1, 90, 5, 1, 7, 2, 30, 1];
const END = 100n * BigInt(COUNTS.length) + 100n;

function segmentsOf(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.endsWith(".segment"));
}

async function record(dir: string, messages = streamOf(COUNTS)): Promise<void> {
  const recorder = await openRecorder(recordingOptions(dir, { segmentBytes: 800 }));
  feed(recorder, messages);
  await recorder.close();
}

describe("a recording", () => {
  test.each(["none", "deflate"] as const)(
    "played from any commit gives what came after it (%s)",
    async (codec) => {
      const dir = temporaryFolder();
      const messages = streamOf(COUNTS);
      const recorder = await openRecorder(recordingOptions(dir, { codec }));
      feed(recorder, messages);
      await recorder.close();
      expect(segmentsOf(dir).length).toBeGreaterThan(codec === "none" ? 3 : 1);
      for (let from = START.lsn; from <= END; from += 10n) {
        expect((await play(dir, from)).lines).toEqual(decoded(messages, from));
      }
    },
  );

  test("has idle advances where they came, also at the position where it is entered", async () => {
    const dir = temporaryFolder();
    const recorder = await openRecorder(recordingOptions(dir));
    const messages = streamOf([1, 1]);
    feed(recorder, messages.slice(0, 4));
    recorder.onAdvance(130n, 5_000.125);
    recorder.onAdvance(170n, 6_000);
    feed(recorder, messages.slice(4));
    await recorder.close();
    const all = ["130 at 5000.125", "170 at 6000"];
    expect((await play(dir)).idles).toEqual(all);
    expect((await play(dir, 130n)).idles).toEqual(all);
    expect((await play(dir, 140n)).idles).toEqual(all.slice(1));
    expect((await play(dir, 140n)).lines).toEqual(decoded(messages, 140n));
  });

  test("puts an idle advance of an earlier run before what follows it", async () => {
    const dir = temporaryFolder();
    const recorder = await openRecorder(recordingOptions(dir));
    recorder.expectAdvance(130n, 5_000);
    feed(recorder, streamOf([1, 1]));
    await recorder.close();
    expect((await play(dir, 130n)).idles).toEqual(["130 at 5000"]);
    expect((await play(dir)).lines).toEqual(decoded(streamOf([1, 1])));
  });

  test("leaves out what is sent again after a reconnection, but not its relations", async () => {
    const dir = temporaryFolder();
    const messages = streamOf(COUNTS);
    const first = await openRecorder(recordingOptions(dir));
    feed(first, messages.slice(0, 70)); // in the middle of a transaction
    await first.close();
    const { end } = await Recording.open(dir);
    expect(end?.lsn).toBeGreaterThan(START.lsn);
    const second = await openRecorder(recordingOptions(dir));
    feed(second, messages);
    await second.close();
    expect((await play(dir)).lines).toEqual(decoded(messages));
    expect((await play(dir, end?.lsn)).lines).toEqual(decoded(messages, end?.lsn));
  });

  test("made in random steps and reopened at random is the stream", async () => {
    const random = seededRandom();
    for (let round = 0; round < 20; round++) {
      const dir = temporaryFolder();
      const counts = Array.from({ length: 30 }, () => random.between(0, 20));
      const messages = streamOf(counts);
      const blockBytes = random.between(1, 3_000);
      const options = recordingOptions(dir, { blockBytes, segmentBytes: random.between(1, 5_000) });
      for (let isDone = false; !isDone; ) {
        const recorder = await openRecorder(options);
        const upTo = random.chance(0.3) ? messages.length : random.between(1, messages.length);
        for (let at = 0; at < upTo; ) {
          const next = Math.min(upTo, at + random.between(1, 40));
          feed(recorder, messages.slice(at, next));
          if (random.chance(0.2)) await recorder.sync();
          at = next;
        }
        await recorder.close();
        isDone = upTo === messages.length;
      }
      const from = START.lsn + BigInt(random.between(0, 2_930));
      expect((await play(dir)).lines).toEqual(decoded(messages));
      expect((await play(dir, from)).lines).toEqual(decoded(messages, from));
    }
  });

  test("is searched by commit time", async () => {
    const dir = temporaryFolder();
    await record(dir);
    const recording = await Recording.open(dir);
    const first = Date.parse("2026-11-23T06:00:00Z");
    for (const n of [0, 1, 7, 13]) {
      const lsn = await recording.lsnAtTime(first + n * 1000);
      expect(lsn).toBeLessThanOrEqual(100n * BigInt(n + 1));
      const [line] = (await play(dir, lsn)).lines;
      expect(Number(line?.split(/[ /]/)[0])).toBeLessThanOrEqual(100 * (n + 1));
    }
    expect(await recording.lsnAtTime(first + 60_000)).toBe(END);
  });
});

describe("a position", () => {
  test("before or behind the recording is refused, naming what there is", async () => {
    const dir = temporaryFolder();
    await record(dir);
    for (const from of [99n, END + 1n]) {
      await expect(play(dir, from)).rejects.toMatchObject({
        code: "RECORDING_RANGE",
        detail: { start: "0/64", end: `0/${END.toString(16).toUpperCase()}` },
      });
    }
  });

  test("of another cluster is refused by writer and reader", async () => {
    const dir = temporaryFolder();
    await record(dir);
    const elsewhere = { ...START, systemId: "8" };
    const opened = openRecorder(recordingOptions(dir), elsewhere);
    await expect(opened).rejects.toMatchObject({ code: "RECORDING_FOREIGN" });
  });

  test("that the slot has passed is a gap, and nothing is written", async () => {
    const dir = temporaryFolder();
    await record(dir);
    const before = segmentsOf(dir);
    const opened = openRecorder(recordingOptions(dir), { ...SYSTEM, lsn: END + 1n });
    await expect(opened).rejects.toMatchObject({ code: "RECORDING_GAP" });
    expect(segmentsOf(dir)).toEqual(before);
  });
});

describe("a torn end", () => {
  test("is cut behind the last whole transaction, wherever it was torn", async () => {
    const source = temporaryFolder();
    const messages = streamOf([2, 2, 2]);
    const recorder = await openRecorder(recordingOptions(source));
    feed(recorder, messages.slice(0, 5)); // the first transaction
    await recorder.sync();
    const path = join(source, segmentsOf(source)[0] as string);
    const whole = statSync(path).size;
    feed(recorder, messages.slice(5)); // the second and the third
    await recorder.sync();
    const bytes = readFileSync(path);
    const manifest = readFileSync(join(source, "recording.json"));
    expect(bytes.length).toBeGreaterThan(whole + 64);
    for (let size = whole; size <= bytes.length; size++) {
      const dir = temporaryFolder();
      writeFileSync(join(dir, "recording.json"), manifest);
      writeFileSync(join(dir, segmentsOf(source)[0] as string), bytes.subarray(0, size));
      const isWhole = size === bytes.length;
      const kept = isWhole ? messages : messages.slice(0, 5);
      expect((await play(dir)).lines).toEqual(decoded(kept));
      const again = await openRecorder(recordingOptions(dir));
      expect(again.endLsn).toBe(isWhole ? 330n : 130n);
      if (size % 16 !== 0 && !isWhole) continue; // going on afterwards depends on the end alone
      feed(again, messages);
      await again.close();
      expect((await play(dir)).lines).toEqual(decoded(messages));
    }
    await recorder.close();
  });

  test("inside a transaction of many blocks is cut before that transaction", async () => {
    const dir = temporaryFolder();
    const messages = streamOf([1, 200]);
    const recorder = await openRecorder(recordingOptions(dir));
    feed(recorder, messages);
    await recorder.sync();
    const path = join(dir, segmentsOf(dir)[0] as string);
    truncateSync(path, statSync(path).size - 1);
    expect((await openRecorder(recordingOptions(dir))).endLsn).toBe(130n);
    expect((await play(dir)).lines).toEqual(decoded(messages.slice(0, 4)));
  });

  test("does not let a recorder that wakes up again reach what took its place", async () => {
    const dir = temporaryFolder();
    const messages = streamOf(COUNTS);
    const options = recordingOptions(dir, { segmentBytes: 1_000 });
    const frozen = await openRecorder(options);
    feed(frozen, messages.slice(0, 60));
    await frozen.sync();
    const successor = await openRecorder(options);
    feed(successor, messages);
    await successor.sync();
    feed(frozen, messages.slice(60));
    await expect(frozen.close()).rejects.toMatchObject({ code: "FENCED" });
    await successor.close();
    expect((await play(dir)).lines).toEqual(decoded(messages));
  });
});

describe("damage", () => {
  test("of any byte of a finished segment is an error with file and offset", async () => {
    const dir = temporaryFolder();
    await record(dir, streamOf([2, 30, 1, 30, 2]));
    const [name = ""] = segmentsOf(dir);
    expect(segmentsOf(dir).length).toBeGreaterThan(0);
    const path = join(dir, name);
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += at < 200 ? 1 : 7) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      writeFileSync(path, damaged);
      const played = await play(dir).catch((error: unknown) => error);
      if (Array.isArray((played as { lines?: unknown }).lines)) {
        // Only the index of the newest segment may be spoilt: it can be made again.
        expect(at).toBeGreaterThan(bytes.length - 8 - 64 * 20);
        expect(played).toMatchObject({ lines: decoded(streamOf([2, 30, 1, 30, 2])) });
        continue;
      }
      expect(played).toMatchObject({ code: "RECORDING_CORRUPT", detail: { file: name } });
      const { offset } = (played as { detail: { offset: number } }).detail;
      expect(offset <= at || offset === bytes.length).toBe(true);
    }
  });

  test("before a place that was synced is no torn end", async () => {
    const dir = temporaryFolder();
    const messages = streamOf([2, 2, 2]);
    const recorder = await openRecorder(recordingOptions(dir));
    feed(recorder, messages.slice(0, 5));
    await recorder.sync();
    feed(recorder, messages.slice(5, 9));
    await recorder.sync();
    const path = join(dir, segmentsOf(dir)[0] as string);
    const bytes = readFileSync(path);
    bytes[150] = (bytes[150] as number) ^ 1;
    writeFileSync(path, bytes);
    await expect(play(dir)).rejects.toMatchObject({
      code: "RECORDING_CORRUPT",
      detail: { offset: 36 },
    });
    const opened = openRecorder(recordingOptions(dir));
    await expect(opened).rejects.toMatchObject({ code: "RECORDING_CORRUPT" });
  });

  test("of a folder without a description says so", async () => {
    const dir = temporaryFolder();
    await expect(play(dir)).rejects.toMatchObject({ code: "RECORDING_MISSING" });
    writeFileSync(join(dir, "recording.json"), "{");
    await expect(play(dir)).rejects.toMatchObject({ code: "RECORDING_CORRUPT" });
  });
});

describe("retention", () => {
  test("by size removes the oldest segments; a range that needs them is refused", async () => {
    const dir = temporaryFolder();
    const maxBytes = 3_000;
    const messages = streamOf(Array.from({ length: 200 }, () => 5));
    const recorder = await openRecorder(recordingOptions(dir, { segmentBytes: 1_000, maxBytes }));
    feed(recorder, messages);
    await recorder.close();
    const sizes = segmentsOf(dir).map((name) => statSync(join(dir, name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(maxBytes + 1_500);
    const { startLsn } = await Recording.open(dir);
    expect(startLsn).toBeGreaterThan(START.lsn);
    await expect(play(dir)).rejects.toMatchObject({ code: "RECORDING_RANGE" });
    expect((await play(dir, startLsn)).lines).toEqual(decoded(messages, startLsn));
  });

  test("by age removes segments that were finished too long ago", async () => {
    const dir = temporaryFolder();
    await record(dir);
    const [oldest = ""] = segmentsOf(dir);
    utimesSync(join(dir, oldest), 0, 0);
    const options = recordingOptions(dir, { maxAgeMs: 60_000 });
    const recorder = await openRecorder(options);
    feed(recorder, streamOf([...COUNTS, 1]));
    await recorder.close();
    expect(segmentsOf(dir)).not.toContain(oldest);
    expect(segmentsOf(dir).length).toBeGreaterThan(0);
  });
});

test("a segment that is missing in the middle is a gap", async () => {
  const dir = temporaryFolder();
  await record(dir);
  const names = segmentsOf(dir);
  expect(names.length).toBeGreaterThan(2);
  rmSync(join(dir, names[1] as string));
  await expect(play(dir)).rejects.toMatchObject({ code: "RECORDING_GAP" });
});
