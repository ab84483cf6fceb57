import {
  chooseDurability,
  type Durability,
  type DurabilityWish,
} from "../../checkpoint/redis/durability.js";
import type { RedisFacts } from "../../checkpoint/redis/redis-facts.js";
import { formatBytes } from "../render.js";
import { type Finding, failure, ok, warn } from "./finding.js";

/** What each durability costs. */
const COSTS: Readonly<Record<Durability, string>> = {
  waitaof: "A checkpoint is acknowledged when Redis has confirmed that it is on disk",
  always: "Redis waits for the disk before it answers a write",
  delay: "A checkpoint is acknowledged when it is old enough and two more were saved",
  none: "When Redis loses the newest checkpoint, the pipeline refuses to start and begins anew",
};

/** Replicas that were not heard of for so long are as good as none. */
const SILENT_SECONDS = 10;

/** Whether a Redis keeps what it is given, as findings. */
export function judgeRedis(facts: RedisFacts, wish: DurabilityWish): Finding[] {
  const findings = [
    facts.hasWaitAof
      ? ok("redis version", `Redis ${facts.version}, which can confirm that a write is on disk`)
      : ok("redis version", `Redis ${facts.version}; from 7.2 on it could confirm an fsync`),
    judgeDurability(facts, wish),
  ];
  if (!facts.isAofHealthy) {
    const summary = "The last write to the append-only file failed: look at Redis's log and disk";
    findings.push({ name: "redis aof", verdict: "fail", summary });
  }
  if (facts.maxMemory > 0 && facts.usedMemory * 4 > facts.maxMemory * 3) {
    const [used, max] = [facts.usedMemory, facts.maxMemory].map(formatBytes);
    const summary = `Redis uses ${used} of ${max}`;
    const cost = "When it is full, checkpoints fail, and the slot holds WAL until there is room";
    findings.push(warn("redis memory", summary, { cost }));
  }
  for (const { address, lagSeconds } of facts.replicas) {
    const summary = `Replica ${address} was heard of ${lagSeconds} s ago`;
    const cost = "A failover to it loses what it has not got";
    const late = lagSeconds > SILENT_SECONDS;
    findings.push(late ? warn("redis replica", summary, { cost }) : ok("redis replica", summary));
  }
  return findings;
}

function judgeDurability(facts: RedisFacts, wish: DurabilityWish): Finding {
  try {
    const durability = chooseDurability(facts, wish);
    const fsync = facts.appendFsync ?? "not to be read";
    const summary = `Durability ${durability}; appendfsync ${fsync}`;
    const extras = { cost: COSTS[durability] };
    return durability === "none"
      ? warn("redis durability", summary, extras)
      : ok("redis durability", summary, extras);
  } catch (error) {
    return failure("redis durability", error);
  }
}
