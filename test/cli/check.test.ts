import { describe, expect, test } from "vitest";
import type { Finding } from "../../src/cli/check/finding.js";
import { judgeClocks, judgeNode, judgeTls } from "../../src/cli/check/judge-machine.js";
import { judgeServerSettings } from "../../src/cli/check/judge-server.js";
import { judgeSlotWal } from "../../src/cli/check/judge-start.js";
import { renderFindings } from "../../src/cli/check/render-findings.js";
import { formatBytes, formatSeconds, wantsColor } from "../../src/cli/render.js";
import type { ServerSettings } from "../../src/source/server-facts.js";
import type { SlotFacts } from "../../src/source/slot.js";

const server: ServerSettings = {
  versionNum: 180004,
  version: "18.4",
  walLevel: "logical",
  user: 'o"neil',
  database: "shop",
  canReplicate: true,
  canCreateInDatabase: true,
  slotsUsed: 3,
  slotsMax: 10,
  walSendersUsed: 3,
  walSendersMax: 10,
  maxSlotWalKeepMb: 10_240,
  idleSlotTimeoutS: 0,
};

describe("the server's settings", () => {
  test.each<[string, Partial<ServerSettings>, boolean, Record<string, string>]>([
    ["are fine", {}, true, {}],
    ["of a version without idle timeouts are fine", { idleSlotTimeoutS: null }, true, {}],
    ["fail when it is too old", { versionNum: 130_020 }, true, { version: "fail" }],
    ["fail for wal_level", { walLevel: "replica" }, true, { wal_level: "fail" }],
    ["fail for the role", { canReplicate: false }, true, { role: "fail" }],
    ["fail without a free slot", { slotsUsed: 10 }, true, { "replication slots": "fail" }],
    ["need no free slot where there is one", { slotsUsed: 10 }, false, {}],
    ["fail without a free walsender", { walSendersUsed: 10 }, true, { walsenders: "fail" }],
    ["warn of unlimited WAL", { maxSlotWalKeepMb: -1 }, true, { max_slot_wal_keep_size: "warn" }],
    ["warn of little WAL", { maxSlotWalKeepMb: 1023 }, true, { max_slot_wal_keep_size: "warn" }],
    ["take a gibibyte of WAL", { maxSlotWalKeepMb: 1024 }, true, {}],
    [
      "warn of a short timeout",
      { idleSlotTimeoutS: 86_399 },
      true,
      { idle_replication_slot_timeout: "warn" },
    ],
    ["take a timeout of a day", { idleSlotTimeoutS: 86_400 }, true, {}],
    [
      "fail for each reason at once",
      { walLevel: "minimal", canReplicate: false },
      true,
      { wal_level: "fail", role: "fail" },
    ],
  ])("%s", (_title, changes, needsSlot, expected) => {
    const findings = judgeServerSettings({ ...server, ...changes }, needsSlot);
    const others = findings.filter(({ verdict }) => verdict !== "ok");
    expect(Object.fromEntries(others.map((f) => [f.name, f.verdict]))).toEqual(expected);
  });

  test("quote the role in the fix, which the sentence does not repeat", () => {
    const findings = judgeServerSettings({ ...server, canReplicate: false }, true);
    const role = findings.find(({ name }) => name === "role");
    expect(role?.fix).toBe('ALTER ROLE "o""neil" REPLICATION;');
    expect(role?.summary).not.toContain("ALTER");
  });
});

describe("the slot's WAL", () => {
  const slot = { restartLsn: 100n, confirmedFlushLsn: 200n, walStatus: "reserved" } as SlotFacts;
  test.each<[string, Partial<SlotFacts>, number | null, string[]]>([
    ["is held without a limit", {}, null, ["ok"]],
    ["has three quarters of the limit used", {}, 300, ["ok"]],
    ["has more used", {}, 299, ["warn"]],
    ["is past the limit", { walStatus: "unreserved" }, -5, ["fail"]],
    ["is gone", { restartLsn: null, walStatus: "lost" }, null, []],
  ])("%s", (_title, changes, safeBytes, expected) => {
    const findings = judgeSlotWal({ slot: { ...slot, ...changes }, walEnd: 1000n, safeBytes });
    expect(findings.map(({ verdict }) => verdict)).toEqual(expected);
    for (const { summary, cost } of findings) {
      expect(summary).toContain("800 bytes");
      expect(cost).toContain("900 bytes");
    }
  });
});

describe("this machine", () => {
  test.each([
    ["20.19.0", "ok"],
    ["20.18.9", "fail"],
    ["18.20.0", "fail"],
    ["22.0.0", "ok"],
  ])("with Node.js %s is %s", (version, verdict) => {
    expect(judgeNode(version).verdict).toBe(verdict);
  });

  test.each([
    ["within the round trip", 5000, "ok", "agree"],
    ["a little ahead", 10_999, "ok", "agree"],
    ["ahead", 11_500, "warn", "1.5 s ahead of"],
    ["a little behind", -999, "ok", "agree"],
    ["behind", -2000, "warn", "2 s behind"],
  ])("judges a server's clock that is %s", (_title, serverMs, verdict, words) => {
    const finding = judgeClocks({ beforeMs: 0, serverMs, afterMs: 10_000 });
    expect(finding).toMatchObject({ verdict, summary: expect.stringContaining(words) });
  });

  test.each([
    ["postgresql://u:p@db.example/shop", true, "ok"],
    ["postgresql://u:p@db.example/shop", false, "warn"],
    ["postgresql://u:p@10.0.0.1/shop", false, "warn"],
    ["postgresql://localhost/shop", false, "ok"],
    ["postgresql://127.0.0.1:5433/shop", false, "ok"],
    ["postgresql://[::1]/shop", false, "ok"],
    ["postgresql:///shop?host=/var/run/postgresql", false, "ok"],
    ["postgresql://%2Fvar%2Frun/shop", false, "ok"],
    ["postgresql://localhost.example/shop", false, "warn"],
  ])("reaches %s encrypted: %s, %s", (url, isEncrypted, verdict) => {
    const finding = judgeTls("source", url, isEncrypted);
    expect(finding.verdict).toBe(verdict);
    expect(JSON.stringify(finding)).not.toContain(":p@");
  });
});

describe("rendering", () => {
  const findings: Finding[] = [
    { name: "version", verdict: "ok", summary: "PostgreSQL 18.4" },
    { name: "a", verdict: "warn", summary: "Evil \u001b[31mname", cost: "Much", fix: "MEND;" },
    { name: "b", verdict: "fail", summary: "Broken" },
  ];

  test("has a line a finding, cost and fix below, and a count", () => {
    expect(renderFindings(findings, { color: false })).toBe(
      [
        "ok    version  PostgreSQL 18.4",
        "warn  a        Evil ?[31mname",
        "      cost  Much",
        "      fix   MEND;",
        "fail  b        Broken",
        "",
        "1 ok, 1 to consider, 1 to mend",
      ].join("\n"),
    );
  });

  test("colours the verdict alone", () => {
    const [, second = ""] = renderFindings(findings, { color: true }).split("\n");
    expect(second).toBe("\u001b[33mwarn\u001b[39m  a        Evil ?[31mname");
  });

  test.each([
    [true, {}, true],
    [true, { NO_COLOR: "" }, true],
    [true, { NO_COLOR: "1" }, false],
    [true, { TERM: "dumb" }, false],
    [false, {}, false],
  ])("on a terminal: %s, with %j, wants colour: %s", (isTTY, env, expected) => {
    expect(wantsColor({ isTTY }, env)).toBe(expected);
  });

  test("gives sizes and times in one unit", () => {
    expect([0, 1023, 1536, 2 ** 40].map(formatBytes)).toEqual([
      "0 bytes",
      "1023 bytes",
      "1.5 KiB",
      "1 TiB",
    ]);
    expect([1.25, 119, 120, 7200, 172_800].map(formatSeconds)).toEqual([
      "1.3 s",
      "119 s",
      "2 min",
      "2 h",
      "2 days",
    ]);
  });
});
