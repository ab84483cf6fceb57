// The network rows of the fault table (docs/reliability.md), each on every leg it can strike.
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import type { TidemarkProcess } from "../services/tidemark-process.js";
import { LEGS, startProxied } from "./proxied-run.js";
import { INSERT } from "./readings.js";

const server = await ownPostgres({
  settings: {
    track_commit_timestamp: "on",
    max_replication_slots: "30",
    max_wal_senders: "30",
    max_connections: "200",
  },
});

/** How often a session ended with this code and was tried again. */
function retries(process: TidemarkProcess, code: string): number {
  return process.log().filter((line) => line["code"] === code).length;
}

const isCommit = (chunk: Buffer): boolean => chunk.includes("commit\0");

describe.each(LEGS)("the connection to the %s", (leg) => {
  test("is cut, in order and by reset, under load: nothing is lost or doubled", async () => {
    const run = await startProxied(server);
    for (const how of ["fin", "rst"] as const) {
      await run.load(15);
      const before = run.proxies[leg].made;
      run.proxies[leg].cut(how);
      await eventually("a new connection", () => run.proxies[leg].made > before);
      await run.load(10);
    }
    await run.compare();
  }, 90_000);

  test("is refused for a while: it is tried again until it is back", async () => {
    const run = await startProxied(server);
    await run.load(10);
    run.proxies[leg].isRefusing = true;
    const before = run.proxies[leg].made;
    run.proxies[leg].cut("rst");
    await eventually("three attempts", () => run.proxies[leg].made > before + 2);
    await run.load(10);
    run.proxies[leg].pass();
    await run.compare();
  }, 90_000);
});

test.each(["results", "checkpoint"] as const)(
  "the reply to a COMMIT in the %s is lost: the commit counts once",
  async (leg) => {
    const run = await startProxied(server);
    for (let loss = 0; loss < 3; loss++) {
      await run.load(10);
      await run.proxies[leg].cutReplyTo(isCommit);
    }
    await run.compare();
    expect(run.process.log().filter(({ level }) => level === 40).length).toBeGreaterThan(1);
  },
  90_000,
);

test.each(["results", "checkpoint"] as const)(
  "a COMMIT does not reach the %s: nothing of it counts, and it is done again",
  async (leg) => {
    const run = await startProxied(server);
    await run.load(10);
    await run.proxies[leg].cutBefore("up", isCommit);
    await run.load(10);
    await run.compare();
  },
  90_000,
);

describe("a half-open connection to the source", () => {
  test.each([
    ["in both directions", undefined],
    ["towards us", "down"],
  ] as const)(
    "%s is given up at the liveness limit and made anew",
    async (_, only) => {
      const run = await startProxied(server);
      await run.load(10);
      const before = run.proxies.source.made;
      run.proxies.source.swallow(only);
      const explain = (): string => run.process.stderr;
      await eventually("LIVENESS", () => retries(run.process, "LIVENESS") > 0, { explain });
      run.proxies.source.pass();
      await eventually("a new connection", () => run.proxies.source.made > before);
      await run.compare();
    },
    90_000,
  );

  test("towards the server is ended by its wal_sender_timeout, and made anew", async () => {
    const run = await startProxied(server);
    await run.load(10);
    run.proxies.source.swallow("up");
    const explain = (): string => run.process.stderr;
    const isEnded = (): boolean => run.process.log().some(({ level }) => level >= 40);
    await eventually("the server gives up", isEnded, { explain });
    run.proxies.source.pass();
    await run.compare();
  }, 90_000);
});

test("half a second of latency on every leg: nothing is lost or doubled", async () => {
  // Two seconds, as elsewhere here, would be two round trips: any stall of the machine would do.
  const run = await startProxied(server, { TIDEMARK_WAL_SENDER_TIMEOUT: "10s" });
  await run.load(5);
  for (const leg of LEGS) run.proxies[leg].delayMs = 500;
  await run.load(30);
  await run.compare();
}, 90_000);

test("a source at a few kilobytes a second is read on, slowly, without a reconnect", async () => {
  const run = await startProxied(server, { TIDEMARK_WAL_SENDER_TIMEOUT: "4s" });
  await run.load(5);
  await run.compare();
  run.proxies.source.bytesPerSecond = 16_000;
  // More than twice the liveness limit's worth: what trickles in is a sign of life.
  await run.source(INSERT, [2_000]);
  await pause(13_000);
  run.proxies.source.pass();
  await run.compare();
  expect(run.process.log().filter(({ msg }) => msg === "running")).toHaveLength(1);
}, 90_000);

/** Index of the tag of the first Insert message in a chunk of CopyData frames, or -1. */
function insertTag(chunk: Buffer): number {
  for (let at = 0; at + 31 < chunk.length; at++) {
    const isXLogData = chunk[at] === 0x64 && chunk[at + 5] === 0x77;
    if (isXLogData && chunk[at + 1] === 0 && chunk[at + 30] === 0x49) return at + 30;
  }
  return -1;
}

test("a corrupted tag on the wire is PROTOCOL, and read anew from the checkpoint", async () => {
  const run = await startProxied(server);
  await run.load(10);
  await run.proxies.source.corrupt("down", (chunk) => insertTag(chunk) >= 0, insertTag);
  const explain = (): string => run.process.stderr;
  await eventually("PROTOCOL", () => retries(run.process, "PROTOCOL") > 0, { explain });
  await run.load(10);
  await run.compare();
}, 90_000);
