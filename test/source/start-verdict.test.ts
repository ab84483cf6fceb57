import { describe, expect, test } from "vitest";
import type { SlotFacts } from "../../src/source/slot.js";
import {
  branchPoint,
  judgeServer,
  judgeStart,
  type ServerFacts,
  type StartFacts,
} from "../../src/source/start-verdict.js";

const slot: SlotFacts = {
  plugin: "pgoutput",
  database: "shop",
  currentDatabase: "shop",
  activePid: null,
  restartLsn: 50n,
  confirmedFlushLsn: 100n,
  walStatus: "reserved",
  invalidationReason: null,
};
const at = (lsn: bigint): { systemId: string; timeline: number; lsn: bigint } => ({
  systemId: "7000",
  timeline: 1,
  lsn,
});
const start: StartFacts = {
  slotName: "totals",
  slot,
  checkpoint: at(100n),
  isBirthPending: false,
  mayAdopt: false,
};

describe("the stream starts", () => {
  test.each<[string, Partial<StartFacts>, ReturnType<typeof judgeStart>]>([
    ["at the checkpoint where the slot stands", {}, { action: "resume", from: 100n }],
    [
      "at a checkpoint ahead of the slot, which is durable first",
      { checkpoint: at(101n) },
      { action: "resume", from: 101n },
    ],
    [
      "at the oldest generation that the slot still allows",
      { checkpoint: at(150n), earlier: [at(120n), at(100n), at(99n)] },
      { action: "resume", from: 100n },
    ],
    [
      "at the checkpoint when the slot has passed all others",
      { checkpoint: at(150n), earlier: [at(99n)] },
      { action: "resume", from: 150n },
    ],
    [
      "at the checkpoint although the slot asks for adoption",
      { mayAdopt: true, checkpoint: at(150n) },
      { action: "resume", from: 150n },
    ],
    [
      "while the server still keeps WAL beyond its limit",
      { slot: { ...slot, walStatus: "unreserved" } },
      { action: "resume", from: 100n },
    ],
    ["with a new slot", { slot: null, checkpoint: null }, { action: "create" }],
    [
      "with a new slot after a birth that got no further",
      { slot: null, checkpoint: null, isBirthPending: true },
      { action: "create" },
    ],
    [
      "where the slot stands when the birth was interrupted after it",
      { checkpoint: null, isBirthPending: true },
      { action: "resume", from: 100n },
    ],
    [
      "with a lost slot made anew when the birth was interrupted after it",
      { checkpoint: null, isBirthPending: true, slot: { ...slot, walStatus: "lost" } },
      { action: "recreate" },
    ],
    [
      "at the slot's own position when that is allowed",
      { checkpoint: null, mayAdopt: true },
      { action: "resume", from: 100n },
    ],
  ])("%s", (_title, changes, verdict) => {
    expect(judgeStart({ ...start, ...changes })).toEqual(verdict);
  });
});

describe("the start is refused", () => {
  test.each<[string, string, Partial<StartFacts>]>([
    ["SLOT_MISSING", "the slot of a checkpoint is gone", { slot: null }],
    ["SLOT_MISSING", "a birth on record does not excuse it", { slot: null, isBirthPending: true }],
    ["SLOT_AHEAD", "the slot was advanced by a byte", { checkpoint: at(99n) }],
    [
      "SLOT_AHEAD",
      "the slot was recreated later",
      { slot: { ...slot, confirmedFlushLsn: 9000n, restartLsn: 8999n } },
    ],
    [
      "SLOT_LOST",
      "its WAL was removed",
      { slot: { ...slot, walStatus: "lost", restartLsn: null } },
    ],
    ["SLOT_LOST", "it idled out", { slot: { ...slot, invalidationReason: "idle_timeout" } }],
    [
      "SLOT_LOST",
      "a lost slot cannot be adopted",
      { slot: { ...slot, walStatus: "lost" }, checkpoint: null, mayAdopt: true },
    ],
    [
      "SLOT_LOST",
      "a lost slot is reported as lost, not as ahead",
      { slot: { ...slot, walStatus: "lost" }, checkpoint: at(1n) },
    ],
    ["SLOT_FOREIGN", "another plugin", { slot: { ...slot, plugin: "wal2json" } }],
    ["SLOT_FOREIGN", "another database", { slot: { ...slot, database: "other" } }],
    [
      "SLOT_FOREIGN",
      "a foreign slot is not dropped for a birth on record",
      { slot: { ...slot, plugin: "wal2json" }, checkpoint: null, isBirthPending: true },
    ],
    ["SLOT_WITHOUT_CHECKPOINT", "what the slot has passed is unknown", { checkpoint: null }],
    [
      "SLOT_WITHOUT_CHECKPOINT",
      "a slot without a position cannot be adopted",
      { checkpoint: null, mayAdopt: true, slot: { ...slot, confirmedFlushLsn: null } },
    ],
  ])("%s: %s", (code, _title, changes) => {
    expect(() => judgeStart({ ...start, ...changes })).toThrow(
      expect.objectContaining({ code, detail: expect.objectContaining({ slot: "totals" }) }),
    );
  });
});

const server: ServerFacts = {
  systemId: "7000",
  timeline: 1,
  walFlushLsn: 500n,
  branchLsn: null,
};

describe("the server", () => {
  test.each<[string, Partial<ServerFacts>, bigint]>([
    ["has WAL beyond the checkpoint", {}, 100n],
    ["ends exactly at the checkpoint", {}, 500n],
    ["was promoted after the checkpoint", { timeline: 2, branchLsn: 100n }, 100n],
  ])("is taken when it %s", (_title, changes, lsn) => {
    expect(() => judgeServer({ ...server, ...changes }, at(lsn))).not.toThrow();
  });

  test.each<[string, string, Partial<ServerFacts>, bigint]>([
    ["OTHER_SYSTEM", "is another cluster", { systemId: "7001" }, 100n],
    ["DIVERGED", "ends before the checkpoint (restored backup)", {}, 501n],
    ["DIVERGED", "was promoted before the checkpoint", { timeline: 2, branchLsn: 99n }, 100n],
    ["DIVERGED", "never was on that timeline", { timeline: 2, branchLsn: 0n }, 100n],
  ])("%s when it %s", (code, _title, changes, lsn) => {
    expect(() => judgeServer({ ...server, ...changes }, at(lsn))).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe("a timeline history", () => {
  const file = "1\t0/3000000\tno recovery target specified\n\n2\t0/5A7B8C9D\tbefore 2026\n";

  test.each([
    [1, 0x3000000n],
    [2, 0x5a7b8c9dn],
    [3, null],
  ])("leaves timeline %i at %s", (timeline, lsn) => {
    expect(branchPoint(file, timeline)).toBe(lsn);
  });

  test("without lines leaves nothing", () => {
    expect(branchPoint("", 1)).toBeNull();
  });
});
