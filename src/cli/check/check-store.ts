import { CheckpointFolder } from "../../checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "../../checkpoint/file/file-store.js";
import { redisConnect } from "../../checkpoint/redis/redis-client.js";
import { readRedisFacts } from "../../checkpoint/redis/redis-facts.js";
import { redisKeys } from "../../checkpoint/redis/redis-keys.js";
import { redisStore } from "../../index.js";
import type { CheckpointSettings, RedisSettings } from "../../pipeline/checkpoint-settings.js";
import { formatBytes } from "../render.js";
import type { CheckpointReport } from "./check-databases.js";
import { type Finding, failure, ok } from "./finding.js";
import { judgeRedis } from "./judge-redis.js";

/** The answer of a checkpoint store that is no database. */
export interface StoreAnswer {
  readonly findings: readonly Finding[];
  readonly report: CheckpointReport | null;
}

/** Whether checkpoints can be kept in a folder or a Redis, and what there is; changes nothing. */
export async function checkStore(
  settings: Exclude<CheckpointSettings, { kind: "postgres" }>,
  pipeline: string,
  maxStateBytes: number,
): Promise<StoreAnswer> {
  const name = settings.kind === "file" ? "checkpoint folder" : "checkpoint redis";
  try {
    return settings.kind === "file"
      ? await checkFolder(settings.dir, pipeline, maxStateBytes)
      : await checkRedis(settings, pipeline, maxStateBytes);
  } catch (error) {
    return { findings: [failure(name, error)], report: null };
  }
}

async function checkFolder(
  dir: string,
  pipeline: string,
  maxStateBytes: number,
): Promise<StoreAnswer> {
  const store = new FileCheckpointStore(new CheckpointFolder(dir), pipeline);
  const facts = await store.describe();
  if (facts === null) {
    const findings = [ok("checkpoint folder", `The first run makes ${dir}`)];
    return { findings, report: { findings, header: null } };
  }
  const summary = `${dir} holds ${formatBytes(facts.state_bytes)} of state`;
  const findings = [ok("checkpoint folder", summary, memory(maxStateBytes))];
  return { findings, report: { findings, header: await store.readHeader() } };
}

async function checkRedis(
  settings: RedisSettings,
  pipeline: string,
  maxStateBytes: number,
): Promise<StoreAnswer> {
  const store = redisStore(pipeline, settings);
  const { head } = redisKeys(settings.prefix, pipeline);
  const session = await redisConnect({ ...settings, connectionName: "tidemark check" })(head);
  try {
    const findings = judgeRedis(await readRedisFacts(session), settings);
    const facts = await store.describe();
    if (facts !== null) {
      const summary = `The last checkpoint holds ${formatBytes(facts.state_bytes)} of window state`;
      findings.push(ok("state", summary, memory(maxStateBytes)));
    }
    return { findings, report: { findings, header: await store.readHeader() } };
  } finally {
    await Promise.all([session.end(), store.close()]);
  }
}

function memory(maxStateBytes: number): { readonly cost: string } {
  return {
    cost: `About that much memory at the least; the limit is ${formatBytes(maxStateBytes)}`,
  };
}
