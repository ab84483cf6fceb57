// The recorded messages of each shape through each reader, round by round.
import { readFileSync } from "node:fs";
import { PgoutputPlugin } from "pg-logical-replication";
import { pgoutput } from "../../decoders/pgoutput/pgoutput-factory.js";
import type { Batch } from "../../src/core/batch.js";
import { Row } from "../../src/core/row.js";
import { answerAndExit, type DecodeOrder, type DecodeReport, readOrder } from "./order.js";

const READ_BYTES = 65_536;
const INSERT = 0x49;
const KEPT_ROWS = 20_000;

interface Message {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Where what was read is left, so that no compiler may skip the reading. */
const sink: { value: unknown } = { value: null };

const { inputs, runs } = readOrder<DecodeOrder>();
const results = inputs.flatMap(measure);
answerAndExit({ results, keptBytes: keptRowBytes() } satisfies DecodeReport);

function measure(input: DecodeOrder["inputs"][number]): DecodeReport["results"] {
  const text = load(input.text);
  const binary = load(input.binary);
  const all = columnsOf(text);
  const readers: readonly (readonly [name: string, run: () => number])[] = [
    ["stock parser", () => stock(text)],
    ["every column, text", () => ours(text, false, all)],
    ["every column, binary", () => ours(binary, true, all)],
    ["three columns, text", () => ours(text, false, input.touched)],
    ["three columns, binary", () => ours(binary, true, input.touched)],
  ];
  const micros = readers.map((): number[] => []);
  for (let round = 0; round <= runs; round++) {
    readers.forEach(([name, run], i) => {
      const before = process.cpuUsage();
      const rows = run();
      const { user, system } = process.cpuUsage(before);
      if (rows !== input.rows) throw new Error(`${name} read ${rows} rows, not ${input.rows}`);
      if (round > 0) micros[i]?.push((user + system) / rows); // the first one warms up
    });
  }
  return readers.map(([reader], i) => ({
    input: input.name,
    reader,
    microsPerRow: micros[i] ?? [],
  }));
}

/** Messages as they lie in reads of a socket. */
function load(path: string): Message[] {
  const whole = readFileSync(path);
  const messages: Message[] = [];
  let chunk: Buffer[] = [];
  let size = 0;
  const flush = (): void => {
    const bytes = Buffer.concat(chunk);
    let start = 0;
    for (const part of chunk) {
      messages.push({ bytes, start, end: start + part.length });
      start += part.length;
    }
    chunk = [];
    size = 0;
  };
  for (let at = 0; at < whole.length; ) {
    const length = whole.readUInt32BE(at);
    chunk.push(whole.subarray(at + 4, at + 4 + length));
    size += length;
    at += 4 + length;
    if (size >= READ_BYTES) flush();
  }
  flush();
  return messages;
}

function stock(messages: readonly Message[]): number {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [] });
  let rows = 0;
  for (const { bytes, start, end } of messages) {
    const message = plugin.parse(bytes.subarray(start, end)) as { tag: string };
    if (message.tag === "insert") rows++;
    sink.value = message;
  }
  return rows;
}

function ours(messages: readonly Message[], isBinary: boolean, touched: readonly string[]): number {
  const decoder = pgoutput.forTypes([], isBinary).create();
  let rows = 0;
  let last: Buffer | null = null;
  for (const { bytes, start, end } of messages) {
    if (last !== null && last !== bytes) rows += touch(decoder.take(), touched);
    last = bytes;
    decoder.decode(bytes, start, end);
  }
  return rows + touch(decoder.take(), touched);
}

function touch(batch: Batch, names: readonly string[]): number {
  for (let i = 0; i < batch.length; i++) {
    const row = batch.row(i, batch.after[i] as number) as unknown as Record<string, unknown>;
    for (const name of names) sink.value = row[name];
  }
  return batch.length;
}

function columnsOf(messages: readonly Message[]): string[] {
  const decoder = pgoutput.create();
  for (const { bytes, start, end } of messages) {
    decoder.decode(bytes, start, end);
    if (bytes[start] === INSERT) break;
  }
  return (decoder.take().relations[0]?.columns ?? []).map(({ name }) => name);
}

/** Heap a row takes that is kept as Row.toObject gives it. */
function keptRowBytes(): number {
  const messages = load(inputs[1]?.text ?? "");
  const kept: unknown[] = [];
  const decoder = pgoutput.create();
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (const { bytes, start, end } of messages) {
    decoder.decode(bytes, start, end);
    const batch = decoder.take();
    const relation = batch.relations[0];
    if (relation === undefined) continue;
    kept.push(Row.toObject(batch.row(0, batch.after[0] as number), relation));
    if (kept.length === KEPT_ROWS) break;
  }
  globalThis.gc?.();
  const bytes = (process.memoryUsage().heapUsed - before) / kept.length;
  sink.value = kept;
  return bytes;
}
