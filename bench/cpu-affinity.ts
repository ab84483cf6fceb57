import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import type { Sql } from "./database.js";

/** Application name of the writers' connections, by which their backends are found. */
export const WRITER_APPLICATION = "bench writer";

const WRITERS = `select pid from pg_stat_activity where application_name = '${WRITER_APPLICATION}'`;
const FOLLOWERS = `
  select pid from pg_stat_replication
  union select pid from pg_stat_activity where application_name like 'tidemark%'`;

/** Who shares the first core with the writers' backends, and who the second with the rest. */
export interface CoreSplit {
  readonly servers: readonly Sql[];
  readonly writerPid: number;
  /** Client processes that follow the log. */
  readonly followerPids: readonly number[];
}

/**
 * Gives writers and their backends one core, and all that follows the log (client, walsender,
 * sessions that write results) the other one. What is not named runs where the system puts it.
 * Needs Linux with `taskset` and two cores; throws a sentence otherwise.
 */
export async function splitCores({ servers, writerPid, followerPids }: CoreSplit): Promise<void> {
  const pids = async (query: string): Promise<number[]> => {
    const found = await Promise.all(servers.map((sql) => sql(query)));
    return found.flat().map((row) => Number(row["pid"]));
  };
  const [writers, followers] = await Promise.all([pids(WRITERS), pids(FOLLOWERS)]);
  for (const pid of [writerPid, ...writers]) pin(pid, 0);
  for (const pid of [...followerPids, ...followers]) pin(pid, 1);
}

function pin(pid: number, core: number): void {
  if (availableParallelism() < 2) throw new Error("--spare-core needs a machine with two cores.");
  const args = ["--all-tasks", "--pid", "--cpu-list", String(core), String(pid)];
  const { status, error } = spawnSync("taskset", args, { stdio: ["ignore", "ignore", 2] });
  if (status !== 0) {
    throw new Error(
      `--spare-core needs Linux and taskset (package util-linux). ${error?.message ?? ""}`.trim(),
    );
  }
}
