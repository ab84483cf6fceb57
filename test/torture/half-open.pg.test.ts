// Connections to results and checkpoints over which nothing comes any more, and nobody says so.
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import type { FaultProxy, Link } from "../services/fault-proxy.js";
import { ownPostgres } from "../services/postgres.js";
import type { TidemarkProcess } from "../services/tidemark-process.js";
import { startProxied } from "./proxied-run.js";

const server = await ownPostgres({ settings: { track_commit_timestamp: "on" } });

const PROBE = { TIDEMARK_PROBE_AFTER: "1s" };

/** Swallows what goes over the connections that there are; new ones are as they should be. */
function forget(proxy: FaultProxy, only?: "up" | "down"): void {
  const forgotten = new Set<Link>(proxy.links);
  proxy.filter = (chunk, direction, link) =>
    forgotten.has(link) && (only === undefined || only === direction) ? null : chunk;
}

function reasons(process: TidemarkProcess): string[] {
  return process
    .log()
    .filter(({ level }) => level === 40)
    .map(({ msg }) => msg);
}

async function noticed(process: TidemarkProcess, words: RegExp, times = 1): Promise<void> {
  const isTold = (): boolean => reasons(process).filter((why) => words.test(why)).length >= times;
  await eventually("it is noticed", isTold, { explain: () => process.stderr });
}

test.each(["results", "checkpoint"] as const)(
  "a connection to the %s that leads nowhere, one way or the other, is given up and made anew",
  async (leg) => {
    const run = await startProxied(server, PROBE);
    for (const [times, only] of (["up", "down"] as const).entries()) {
      await run.load(5);
      forget(run.proxies[leg], only);
      await run.load(5);
      const words = /no answer for .* has nothing to do for this connection/;
      await noticed(run.process, words, times + 1);
      await run.process.logged("running", times + 2);
    }
    await run.compare();
  },
  60_000,
);

test("a results server that is out of reach is given up, and read on when it is back", async () => {
  const run = await startProxied(server, PROBE);
  await run.load(10);
  run.proxies.results.swallow();
  await run.load(5);
  await noticed(run.process, /no answer for .* does not answer on a new connection either/);
  run.proxies.results.pass();
  await run.compare();
}, 60_000);

test("a lock that lasts longer than several looks is waited for", async () => {
  const run = await startProxied(server, { TIDEMARK_PROBE_AFTER: "200ms" });
  await run.load(10);
  const url = new URL(server.url);
  url.pathname = `/${run.name}_to`;
  const locker = new pg.Client({ connectionString: url.href });
  await locker.connect();
  onTestFinished(() => locker.end());
  await locker.query("begin; lock table by_device in access exclusive mode");
  const before = run.proxies.results.made;
  await run.load(5);
  // Every look is a connection of its own.
  await eventually("five looks", () => run.proxies.results.made >= before + 5);
  await locker.query("commit");
  await run.compare();
  expect(reasons(run.process)).toEqual([]);
}, 60_000);
