import { describe, expect, test } from "vitest";
import { decideFlush, type FlushFacts } from "../../src/pipeline/flush-policy.js";

const QUIET: FlushFacts = {
  nowMs: 10_000,
  isCollectable: true,
  isWriting: false,
  isCheckpointing: false,
  hasNews: false,
  isCheckpointBehind: false,
  isUrgent: false,
  bytesSinceFlush: 0,
  lastFlushMs: 9_990,
  lastWriteMs: 2,
  lastCheckpointMs: 9_500,
  flushIntervalMs: 100,
  checkpointIntervalMs: 1000,
};
const NEWS = { hasNews: true, isCheckpointBehind: true };
/** More than 10,000 bytes a millisecond. */
const BACKLOG = { ...NEWS, bytesSinceFlush: 128 * 1024 + 1 };
const WAIT = { flush: false, checkpoint: false };

describe("a flush", () => {
  test.each<[title: string, facts: Partial<FlushFacts>, decision: object]>([
    ["is not made of nothing", {}, { ...WAIT, waitMs: null }],
    ["of a quiet stream is made at once", NEWS, { flush: true, checkpoint: false, waitMs: 500 }],
    [
      "waits for three times as long as the last write took",
      { ...NEWS, lastWriteMs: 5 },
      { ...WAIT, waitMs: 5 },
    ],
    [
      "waits for five milliseconds, however fast the last write was",
      { ...NEWS, lastWriteMs: 0.1, lastFlushMs: 9_997 },
      { ...WAIT, waitMs: 2 },
    ],
    [
      "waits for no longer than its interval, however slow the last write was",
      { ...NEWS, lastWriteMs: 5000, lastFlushMs: 9_900 },
      { flush: true, checkpoint: false, waitMs: 500 },
    ],
    ["of a backlog waits for its interval", BACKLOG, { ...WAIT, waitMs: 90 }],
    [
      "of a backlog is made after its interval",
      { ...BACKLOG, bytesSinceFlush: 10_000_000, lastFlushMs: 9_900 },
      { flush: true, checkpoint: false, waitMs: 500 },
    ],
    [
      "takes what a slow write let pile up for no backlog",
      { ...NEWS, bytesSinceFlush: 200_000, lastFlushMs: 9_930, lastWriteMs: 20 },
      { flush: true, checkpoint: false, waitMs: 500 },
    ],
    [
      "takes 128 KiB for no backlog, however fast they came",
      { ...NEWS, bytesSinceFlush: 128 * 1024 },
      { flush: true, checkpoint: false, waitMs: 500 },
    ],
    ["waits while another one is written", { ...NEWS, isWriting: true }, { ...WAIT, waitMs: null }],
    ["waits for the commit", { ...NEWS, isCollectable: false }, { ...WAIT, waitMs: null }],
    [
      "brings a checkpoint when one is due",
      { ...NEWS, lastCheckpointMs: 9_000 },
      { flush: true, checkpoint: true, waitMs: null },
    ],
    [
      "goes without the checkpoint that is due while one is under way",
      { ...NEWS, lastCheckpointMs: 9_000, isUrgent: true, isCheckpointing: true },
      { flush: true, checkpoint: false, waitMs: null },
    ],
    [
      "for the position alone is not asked for again while a checkpoint is under way",
      { isCheckpointBehind: true, isCheckpointing: true },
      { ...WAIT, waitMs: null },
    ],
    [
      "of a backlog comes early when a checkpoint is due",
      { ...BACKLOG, lastCheckpointMs: 9_000 },
      { flush: true, checkpoint: true, waitMs: null },
    ],
    [
      "with a checkpoint is made at once when someone waits for it",
      { ...BACKLOG, isUrgent: true },
      { flush: true, checkpoint: true, waitMs: null },
    ],
    [
      "is not made because someone waits for nothing",
      { isUrgent: true },
      { ...WAIT, waitMs: null },
    ],
    [
      "for the position alone waits for the checkpoint's interval",
      { isCheckpointBehind: true },
      { ...WAIT, waitMs: 500 },
    ],
    [
      "is asked for again after a millisecond at the least",
      { ...NEWS, lastFlushMs: 9_994.5 },
      { ...WAIT, waitMs: 1 },
    ],
  ])("%s", (_, facts, decision) => {
    expect(decideFlush({ ...QUIET, ...facts })).toEqual(decision);
  });
});
