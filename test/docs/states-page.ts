import { ERROR_CODES, type ErrorCode } from "../../src/core/error-codes.js";
import { RUN_STATES, type RunStateFacts, stateAfter } from "../../src/core/run-state.js";

/** docs/states.md, from the registry of states. */
export function statesPage(): string {
  return [
    "<!-- Generated from src/core/run-state.ts: UPDATE_DOCS=1 npx vitest run test/docs -->",
    "",
    "# States",
    "",
    "A pipeline is in one of these states. `tidemark status` tells it, also while nothing runs: " +
      "the process writes it to `tidemark.run_state` in the results database, and what a killed " +
      "process could not write is drawn from whether somebody reads the slot. It stands in the " +
      "log lines as `state`, and a program that embeds Tidemark reads it as `running.state`.",
    "",
    "The state is for people and supervisors only. What may run, and from where, follows from " +
      "slot, checkpoint and progress alone.",
    "",
    ...Object.entries(RUN_STATES).flatMap(([name, facts]) => section(name, facts)),
  ]
    .join("\n")
    .replace(/\n+$/, "\n");
}

function section(name: string, { exitCode, happened, wayOut, isLive }: RunStateFacts): string[] {
  const codes = (Object.keys(ERROR_CODES) as ErrorCode[])
    .filter((code) => name !== "FAILED" && stateAfter(code) === name)
    .map((code) => `[${code}](errors.md#${code.toLowerCase()})`);
  const exit = exitCode === null ? "the error's" : exitCode;
  return [
    `## ${name}`,
    "",
    ...(isLive ? [] : [`Exit code: ${exit}.`, ""]),
    `What happened: ${happened}`,
    "",
    `Way out: ${wayOut}`,
    "",
    ...(codes.length === 0 ? [] : [`Errors that lead here: ${codes.join(", ")}.`, ""]),
  ];
}
