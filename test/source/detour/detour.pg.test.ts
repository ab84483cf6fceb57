import { expect, test } from "vitest";
import { ownPostgres } from "../../services/postgres.js";
import { openBlockable } from "./blockable-pipeline.js";

// A server for each side, so that nothing but the rows of a test moves the source's log.
const [source, results] = await Promise.all([ownPostgres(), ownPostgres()]);
const servers = { source, results };

const BEGINS = /^detour begins/;
const OVER = "detour over: the slot is read again";
const GOES_ON = "detour goes on: an earlier run left it";

test("a slot is confirmed from a detour while results are blocked, across kills", async () => {
  const at = await openBlockable(servers, "kept", "{ dir: DIR }");
  const first = at.run();
  await first.logged("running");
  await at.insert(10);
  await at.allArrived(first);
  const unblock = await at.block();
  await at.insertUntil(first, BEGINS);
  const before = await at.movesBeyond(first);
  await at.insert(300);
  const during = await at.movesBeyond(first, before);
  await first.end("SIGKILL");

  await at.insert(300);
  const second = at.run();
  await second.logged(GOES_ON);
  await at.movesBeyond(second, during);
  await second.end("SIGKILL"); // once more, with results still blocked
  const third = at.run();
  await third.logged(GOES_ON);
  await at.insert(100);
  await unblock();
  await at.allArrived(third);
  await third.logged(OVER);
  expect(at.detourFiles()).toEqual([]);
  await at.insert(10);
  await at.allArrived(third);
  expect((await third.end("SIGTERM")).code).toBe(0);
  const { confirmed, checkpoint } = await at.positions();
  expect(confirmed).toBeLessThanOrEqual(checkpoint);
}, 60_000);

test("without a detour, a slot that keeps too much stops the pipeline by name", async () => {
  const at = await openBlockable(servers, "stopped", null);
  const first = at.run();
  await first.logged("running");
  await at.insert(10);
  await at.allArrived(first);
  const unblock = await at.block();
  await at.insertUntil(first, /^(stopping|ended)$/);
  const { code, stderr } = await first.ended;
  expect({ code, stderr }).toMatchObject({
    code: 9,
    stderr: expect.stringContaining('"state":"OVER_BUDGET","code":"WAL_BUDGET"'),
  });
  await unblock();
  const second = at.run();
  await at.allArrived(second);
  expect((await second.end("SIGTERM")).code).toBe(0);
}, 60_000);

test("a full detour leaves WAL to the slot again, then stops the pipeline by name", async () => {
  const at = await openBlockable(servers, "filled", "{ dir: DIR, maxBytes: 1_048_576 }");
  const first = at.run();
  await first.logged("running");
  await at.insert(10);
  await at.allArrived(first);
  const unblock = await at.block();
  await at.insertUntil(first, /^ended$/);
  const { code, stderr } = await first.ended;
  expect({ code, stderr }).toMatchObject({
    code: 9,
    stderr: expect.stringMatching(/detour begins.*"code":"WAL_BUDGET".*takes no more/s),
  });
  await unblock();
  const second = at.run("9s");
  await second.logged(GOES_ON);
  await at.allArrived(second);
  await second.logged(OVER);
  expect((await second.end("SIGTERM")).code).toBe(0);
}, 60_000);
