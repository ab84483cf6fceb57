import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { seededRandom } from "./random.js";
import { differences, INSERT, readingsConfig, rowCounts, TABLE } from "./readings.js";
import { startWriters } from "./writers.js";

const KILLS = 12;

const { sql, url } = await ownPostgres({ settings: { track_commit_timestamp: "on" } });
await sql(TABLE);

interface FileRun {
  readonly folder: string;
  run(command?: string, ...options: string[]): TidemarkProcess;
}

function withFolder(name: string): FileRun {
  const parent = mkdtempSync(join(tmpdir(), "tidemark-files-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const config = fileWith(readingsConfig(name));
  const env = {
    TIDEMARK_SOURCE_URL: url,
    TIDEMARK_CHECKPOINT_URL: pathToFileURL(parent).href,
    TIDEMARK_FLUSH_INTERVAL: "20ms",
    TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
    TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "200ms",
  };
  return {
    folder: join(parent, name),
    run: (command = "run", ...options) => tidemark([...options, command, config], { env }),
  };
}

async function caughtUp(process: TidemarkProcess): Promise<void> {
  const same = async (): Promise<boolean> => {
    const { committed, kept, byRegion, byDevice } = await rowCounts(sql, sql);
    return byRegion === committed && byDevice === kept;
  };
  await eventually("the views have all rows", same, { explain: () => process.stderr });
  expect(await differences(sql, sql)).toEqual({});
}

test(`${KILLS} SIGKILLs with checkpoints in files lose no row and count none twice`, async () => {
  const { run, folder } = withFolder("filed");
  const random = seededRandom();
  const first = run();
  await first.logged("running");
  await first.end("SIGKILL");
  const writers = startWriters(url, random);
  onTestFinished(() => writers.stop());
  for (let kill = 1; kill <= KILLS; kill++) {
    const process = run();
    if (random.chance(0.7)) await process.logged("running");
    const goal = writers.committed + random.between(3, 40);
    await eventually("more commits", () => writers.committed >= goal);
    expect(process.isRunning(), process.stderr).toBe(true);
    await process.end("SIGKILL");
  }
  const last = run();
  await writers.rest();
  await caughtUp(last);
  expect((await last.end("SIGTERM")).code, last.stderr).toBe(0);
  // Garbage of killed runs is gone: two generations, their segments, and the epoch.
  expect(readdirSync(folder).filter((name) => name.startsWith("generation-"))).toHaveLength(2);
  expect(readdirSync(folder).filter((name) => name.startsWith("epoch-"))).toHaveLength(1);

  const status = await run("status", "--json").ended;
  expect(JSON.parse(status.stdout)).toMatchObject({
    slot: { active: false },
    checkpoint: { lsn: expect.stringContaining("/"), dir: folder },
  });
  const check = await run("check").ended;
  expect(check.stdout).toContain(`${folder} holds`);
  expect(check.stdout).toContain("The pipeline goes on from");
}, 120_000);

test("a damaged checkpoint that was acknowledged is refused as CHECKPOINT_CORRUPT", async () => {
  await sql("drop table if exists by_device, by_region");
  await sql("truncate readings");
  const { run, folder } = withFolder("damaged");
  const first = run();
  await first.logged("running");
  await sql(INSERT, [50]);
  await caughtUp(first);
  expect((await first.end("SIGTERM")).code).toBe(0);
  for (const name of readdirSync(folder)) {
    if (name.startsWith("segment-")) truncateSync(join(folder, name), 1);
  }
  const second = await run().ended;
  expect(second.code, second.stderr).toBe(4);
  expect(second.stderr).toContain("[CHECKPOINT_CORRUPT]");
  expect(second.stderr).toContain("or run with --reset");

  rmSync(folder, { recursive: true });
  const third = await run().ended;
  expect(third.code).toBe(4);
  expect(third.stderr).toContain("[SLOT_WITHOUT_CHECKPOINT]");
});
