import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ABSENT_CELL, type Batch, Op } from "../../src/core/batch.js";
import type { CatalogTable, CatalogType } from "../../src/core/catalog.js";
import type { CellCodec } from "../../src/core/cell-codec.js";
import type { Decoder } from "../../src/core/decoder.js";
import { TidemarkError } from "../../src/core/errors.js";
import { Row } from "../../src/core/row.js";
import { UNCHANGED } from "../../src/core/unchanged.js";
import { readStory } from "../fixtures/decoders/story.js";
import { printValue } from "../fixtures/print-value.js";

/** A decoder and what its plugin sent of the story. */
export interface DecoderFixture {
  readonly make: (catalog: {
    readonly types: readonly CatalogType[];
    readonly tables: readonly CatalogTable[];
  }) => Decoder;
  readonly messages: readonly Buffer[];
}

const story = readStory();
const GOLDEN = fileURLToPath(new URL("../fixtures/decoders/story.txt", import.meta.url));
const NO_CODEC = null as unknown as CellCodec;

/** The catalogue as a source hands it to a decoder. */
const catalog = {
  types: story.types,
  tables: story.tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => ({ ...column, codec: NO_CODEC })),
  })),
};

/** What every decoder does with the same changes: test/fixtures/decoders/story-sql.ts. */
export function decoderConformance(fixture: DecoderFixture): void {
  storyCases(fixture);
  cutCases(fixture);
  sliceCases(fixture);
}

/** All batches, each of `size` messages. */
function decodeAll({ make, messages }: DecoderFixture, size = Number.POSITIVE_INFINITY): Batch[] {
  const decoder = make(catalog);
  const batches: Batch[] = [];
  messages.forEach((message, i) => {
    decoder.decode(message, 0, message.length);
    if ((i + 1) % size === 0) batches.push(decoder.take());
  });
  batches.push(decoder.take());
  return batches;
}

function storyCases(fixture: DecoderFixture): void {
  test("the changes of the story come out, whole and in order", async () => {
    const lines = decodeAll(fixture).flatMap(linesOf);
    await expect(lines.join("\n")).toMatchFileSnapshot(GOLDEN);
  });

  test("it makes no difference where the stream is cut into batches", () => {
    const whole = decodeAll(fixture).flatMap(rowsOf);
    for (const size of [1, 2, 3, 7]) {
      expect(decodeAll(fixture, size).flatMap(rowsOf), `every ${size}`).toEqual(whole);
    }
  });
}

function cutCases(fixture: DecoderFixture): void {
  const { make, messages } = fixture;

  test("a message may stand anywhere in a larger buffer", () => {
    const decoder = make(catalog);
    for (const message of messages) {
      const padded = Buffer.concat([Buffer.from("}]\"'7n"), message, Buffer.from('9"}]7n')]);
      decoder.decode(padded, 6, 6 + message.length);
    }
    expect(rowsOf(decoder.take())).toEqual(decodeAll(fixture).flatMap(rowsOf));
  });

  test("a message that is cut off is PROTOCOL with its tag and offset, and adds nothing", () => {
    const decoder = make(catalog);
    for (const message of messages) {
      const before = decoder.pending;
      for (const length of cuts(message.length)) {
        const error = errorOf(() => decoder.decode(message.subarray(0, length), 0, length));
        expect(error.code).toBe("PROTOCOL");
        const { tag, offset } = error.detail;
        expect(typeof tag === "number" && typeof offset === "number").toBe(true);
        expect(offset as number).toBeLessThanOrEqual(length);
      }
      expect(decoder.pending).toBe(before);
      decoder.decode(message, 0, message.length);
    }
    expect(rowsOf(decoder.take())).toEqual(decodeAll(fixture).flatMap(rowsOf));
  });
}

function sliceCases(fixture: DecoderFixture): void {
  const { make, messages } = fixture;

  test("slices of an open transaction say where it goes on", () => {
    const decoder = make(catalog);
    let ordinal = 0;
    let sawOpen = false;
    for (const message of messages) {
      decoder.decode(message, 0, message.length);
      const wasOpen = decoder.isInTransaction;
      sawOpen ||= wasOpen;
      const batch = decoder.take();
      for (const { from, to, firstOrdinal, commitEndLsn } of batch.transactions) {
        expect(firstOrdinal).toBe(ordinal);
        ordinal = commitEndLsn === null ? ordinal + to - from : 0;
      }
      expect(batch.transactions.some(({ commitEndLsn }) => commitEndLsn === null)).toBe(wasOpen);
    }
    expect(sawOpen).toBe(true);
    expect(decoder.isInTransaction).toBe(false);
    expect(decoder.isDelivering).toBe(false);
  });

  test("a relation is the same object until its shape changes", () => {
    const versions = new Map<string, Set<unknown>>();
    for (const batch of decodeAll(fixture, 1)) {
      for (const relation of batch.relations) {
        const { qualifiedName } = relation;
        versions.set(qualifiedName, (versions.get(qualifiedName) ?? new Set()).add(relation));
      }
    }
    const counts = Object.fromEntries([...versions].map(([name, seen]) => [name, seen.size]));
    const { "public.moving": moving, ...others } = counts;
    expect(new Set(Object.values(others))).toEqual(new Set([1]));
    expect(moving).toBe(5);
  });
}

/** Some lengths that a message may be cut to. */
function cuts(length: number): number[] {
  const step = Math.max(1, Math.floor(length / 40));
  return Array.from({ length: Math.floor((length - 1) / step) }, (_, i) => i * step);
}

function errorOf(action: () => void): TidemarkError {
  try {
    action();
  } catch (error) {
    if (error instanceof TidemarkError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const NAMES = Object.fromEntries(Object.entries(Op).map(([name, op]) => [op, name]));

/** All that both plugins say, with the numbers that differ from one recording to the next. */
function linesOf(batch: Batch): string[] {
  const lines: string[] = [];
  const messages = [...batch.messages];
  for (const { xid, from, to, commitLsn, commitMs, commitEndLsn } of batch.transactions) {
    if (from === to) continue; // wal2json tells of transactions without a row, too
    lines.push(`transaction ${xid} at ${commitLsn}, ${Math.round(commitMs * 1000)} microseconds`);
    for (let i = from; i < to; i++) {
      while (messages[0] !== undefined && messages[0].at <= i) lines.push(messageLine(messages));
      lines.push(`  ${rowLine(batch, i)}`);
    }
    lines.push(`committed, ends at ${commitEndLsn}`);
  }
  while (messages.length > 0) lines.push(messageLine(messages));
  return lines;
}

function messageLine(messages: Batch["messages"]): string {
  const { isTransactional, prefix, content, lsn } = messages.shift() as Batch["messages"][number];
  const kind = isTransactional ? "message" : "loose message";
  return `${kind} ${prefix} at ${lsn}: ${Buffer.from(content).toString()}`;
}

/** The rows alone, which do not depend on where the stream was cut. */
function rowsOf(batch: Batch): string[] {
  return Array.from({ length: batch.length }, (_, i) => rowLine(batch, i));
}

function rowLine(batch: Batch, i: number): string {
  const relation = batch.relations[i];
  const before = imageText(batch, i, batch.before[i] as number);
  const after = imageText(batch, i, batch.after[i] as number);
  const identity = relation?.replicaIdentity;
  const keys = relation?.columns.filter(({ isKey }) => isKey).map(({ name }) => name);
  const op = NAMES[batch.ops[i] as number];
  return `${op} ${relation?.qualifiedName} (${identity}: ${keys}) ${before} -> ${after}`;
}

function imageText(batch: Batch, i: number, image: number): string {
  if (image < 0) return "-";
  const row = batch.row(i, image) as unknown as Record<string, unknown>;
  const columns = batch.relations[i]?.columns ?? [];
  const cells = columns.map(({ name, typeOid, codec }, index) => {
    const value = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(row), name)?.get?.call(row);
    const isAbsent = batch.cells[image + 2 * index] === ABSENT_CELL;
    expect(value === undefined).toBe(isAbsent);
    return `${name} ${typeOid} ${isAbsent ? "absent" : valueText(value, codec)}`;
  });
  const whole = Row.toObject(batch.row(i, image), batch.relations[i] as never);
  expect(Object.keys(whole).length).toBe(cells.filter((cell) => !cell.endsWith(" absent")).length);
  return `{${cells.join(", ")}}`;
}

function valueText(value: unknown, codec: CellCodec): string {
  if (value === null) return "NULL";
  if (value === UNCHANGED) return "unchanged";
  const text = codec.kind === "json" ? JSON.stringify(value) : printValue(value, codec.typeName);
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 20)}... (${text.length})` : text);
}
