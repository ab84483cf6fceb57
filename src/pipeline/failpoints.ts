import type { ErrorCode } from "../core/error-codes.js";
import { TidemarkError } from "../core/errors.js";
import { FAILPOINTS, type Failpoint, type FailpointName, NO_FAILPOINT } from "../core/failpoint.js";
import type { Environment } from "./settings.js";

const VARIABLE = "TIDEMARK_FAILPOINTS";
/** Without it the variable above is an error, so that it cannot be left behind by accident. */
const SWITCH = "TIDEMARK_ALLOW_FAILPOINTS";

/** What faults do to the process; handed in, because only the door may do it. */
export interface FaultEffects {
  /** SIGKILL to this process. */
  kill(): void;
  /** Stops the whole process for a time, timers and sockets too, as SIGSTOP would. */
  freeze(ms: number): void;
  wait(ms: number): Promise<void>;
}

interface Fault {
  readonly action: "kill" | "error" | "pause" | "delay";
  readonly ms: number;
  /** From 1; null is every hit. */
  readonly hit: number | null;
}

/**
 * Faults from the environment: `TIDEMARK_FAILPOINTS=name=kill|error|pause:ms|delay:ms@hit,…`. A
 * pause stops the process, a delay only the step; `@hit` chooses the hit, otherwise it is every
 * one. Throws CONFIG_INVALID for what it cannot read, without the second switch, and in production.
 */
export function armFailpoints(environment: Environment, effects: FaultEffects): Failpoint {
  const spec = environment(VARIABLE) ?? "";
  if (spec === "") return NO_FAILPOINT;
  if (environment("NODE_ENV") === "production" || environment(SWITCH) !== "1") {
    throw new TidemarkError(
      "CONFIG_INVALID",
      `${VARIABLE} is set: it makes the process fail on purpose, for tests only. Unset it; in a ` +
        `test set ${SWITCH}=1 beside it, and NODE_ENV to anything but "production".`,
    );
  }
  const faults = new Map(spec.split(",").map(parse));
  const hits = new Map<FailpointName, number>();
  return (name) => {
    const fault = faults.get(name);
    if (fault === undefined) return undefined;
    const hit = (hits.get(name) ?? 0) + 1;
    hits.set(name, hit);
    return fault.hit === null || fault.hit === hit ? strike(name, fault, effects) : undefined;
  };
}

function strike(
  name: FailpointName,
  fault: Fault,
  effects: FaultEffects,
): undefined | Promise<void> {
  if (fault.action === "error") throw failure(name);
  if (fault.action === "delay") return effects.wait(fault.ms);
  if (fault.action === "kill") effects.kill();
  else effects.freeze(fault.ms);
  return undefined;
}

function parse(entry: string): [FailpointName, Fault] {
  const match = /^([a-z-]+)=(?:(kill|error)|(pause|delay):(\d+))(?:@([1-9]\d*))?$/.exec(entry);
  const name = FAILPOINTS.find((known) => known === match?.[1]);
  if (match === null || name === undefined) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      `${VARIABLE}: "${entry}" is none; write name=kill, name=error, name=pause:ms or ` +
        `name=delay:ms, each with @hit behind it if wanted, where name is ${FAILPOINTS.join(", ")}.`,
    );
  }
  const [, , sudden, timed, ms, hit] = match;
  const action = (sudden ?? timed) as Fault["action"];
  return [name, { action, ms: Number(ms ?? 0), hit: hit === undefined ? null : Number(hit) }];
}

function failure(name: FailpointName): TidemarkError {
  const code: ErrorCode = name.startsWith("results")
    ? "SINK_FAILED"
    : name.startsWith("checkpoint")
      ? "CHECKPOINT_FAILED"
      : "SOURCE_UNREACHABLE";
  return new TidemarkError(code, `Failpoint ${name} struck, as ${VARIABLE} says.`);
}
