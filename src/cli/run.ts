import type { Logger } from "pino";
import { TidemarkError } from "../core/errors.js";
import { formatLsn } from "../core/lsn.js";
import { RUN_STATES } from "../core/run-state.js";
import { type PipelineDefinition, type RunStatus, reset, start } from "../index.js";
import { detourFacts, logBudget } from "./budget-log.js";
import { environment } from "./environment.js";
import { scrub } from "./logger.js";

export interface RunCommandOptions {
  readonly adoptSlot: boolean;
  readonly reset: boolean;
  readonly allowDropState: boolean;
  readonly rebuild: boolean;
  /** Folder of a recording; goes before what the file says. */
  readonly record?: string | undefined;
}

const STATUS_INTERVAL_MS = 10_000;

/**
 * Runs a pipeline until SIGTERM or SIGINT. The first signal finishes the transaction being
 * received, saves and acknowledges; a second one ends the process at once, which loses nothing.
 */
export async function runCommand(
  definition: PipelineDefinition,
  log: Logger,
  options: RunCommandOptions,
): Promise<void> {
  if (options.reset) {
    await reset(definition, environment);
    log.warn({ pipeline: definition.name }, "reset: slot, checkpoint and results removed");
  }
  const { record, adoptSlot, allowDropState, rebuild } = options;
  const recorded: PipelineDefinition =
    record === undefined
      ? definition
      : {
          ...definition,
          run: { ...definition.run, record: { ...definition.run.record, dir: record } },
        };
  const running = start(recorded, {
    env: environment,
    ...{ adoptSlot, allowDropState, rebuild },
    onRestored: ({ dropped, fresh }, at) => {
      for (const { step, differences } of dropped) {
        log.warn({ step, differences }, "state dropped: it does not fit the changed pipeline");
      }
      if (fresh.length === 0) return;
      const [checkpoint, results] = [formatLsn(at.checkpoint), formatLsn(at.results)];
      log.warn(
        { steps: fresh, checkpoint, results },
        "outputs begin without state: views count what comes after the checkpoint, append tables " +
          "get what comes after the results",
      );
    },
    onRetry: (error, delayMs) => {
      const facts = { state: "RETRYING", code: error.code, retryInMs: Math.round(delayMs) };
      log.warn(facts, scrub(error.message));
    },
    onPassedOver: (reason) => {
      log.warn({ code: reason.code }, scrub(`an older checkpoint stands in: ${reason.message}`));
    },
    onCopying: (status) => log.info(statusFacts(status), "copying"),
    onRunning: (status) => log.info(statusFacts(status), "running"),
    onBudget: (event) => logBudget(log, event),
  });
  const { slotName, publication } = running.settings.source;
  log.info({ pipeline: definition.name, slot: slotName, publication }, "starting");
  const timer = setInterval(() => {
    const { status, detour } = running;
    if (status !== null || detour !== null) {
      const facts = status === null ? { state: running.state } : statusFacts(status);
      log.info({ ...facts, ...detourFacts(detour) }, "status");
    }
  }, STATUS_INTERVAL_MS);
  const release = onStopSignal((signal) => {
    log.info({ state: "DRAINING", signal }, "stopping");
    void running.stop();
  });
  try {
    await running.done;
    log.info({ state: running.state }, "stopped");
  } catch (error) {
    const { exitCode, wayOut } = RUN_STATES[running.state];
    const code = error instanceof TidemarkError ? error.code : null;
    log.error({ state: running.state, code, exitCode, wayOut }, "ended");
    throw error;
  } finally {
    clearInterval(timer);
    release();
  }
}

/** Calls `stop` on the first SIGTERM or SIGINT, exits on the second. Returns the undoing. */
export function onStopSignal(stop: (signal: string) => void): () => void {
  let isStopping = false;
  const listener = (signal: NodeJS.Signals): void => {
    if (isStopping) process.exit(128 + (signal === "SIGINT" ? 2 : 15));
    isStopping = true;
    stop(signal);
  };
  process.on("SIGTERM", listener);
  process.on("SIGINT", listener);
  return () => {
    process.off("SIGTERM", listener);
    process.off("SIGINT", listener);
  };
}

function statusFacts(status: RunStatus): Record<string, unknown> {
  const { watermarkMs, lastCommitMs } = status;
  return {
    state: status.state,
    epoch: status.epoch,
    transactions: status.transactions,
    changes: status.changes,
    cursor: formatLsn(status.cursor),
    applied: formatLsn(status.applied),
    checkpoint: formatLsn(status.checkpoint),
    acknowledged: formatLsn(status.acknowledged),
    stateBytes: status.stateBytes,
    watermark: watermarkMs === null ? null : new Date(watermarkMs).toISOString(),
    lastCommit: lastCommitMs === null ? null : new Date(lastCommitMs).toISOString(),
    ...(status.deadLetters > 0 ? { deadLetters: status.deadLetters } : {}),
    ...(status.blockedKeys > 0 ? { blockedKeys: status.blockedKeys } : {}),
    ...(status.isReplaying ? { replaying: true } : {}),
  };
}
