import { expect, test } from "vitest";
import { judgeState } from "../../src/core/judge-state.js";
import type { RunStateName } from "../../src/core/run-state.js";
import type { PostedNotice } from "../../src/core/state-board.js";

const notice = (state: RunStateName, atMs = 1): PostedNotice => {
  return { state, epoch: 3, code: null, message: null, atMs };
};
const refused: PostedNotice = {
  ...notice("NEEDS_RESYNC", 2),
  epoch: null,
  code: "SLOT_LOST",
  message: "m",
};

test.each<[string, PostedNotice | null, PostedNotice | null, boolean, RunStateName | undefined]>([
  ["that never ran has none", null, null, false, undefined],
  ["that runs is what it says", notice("RUNNING"), null, true, "RUNNING"],
  ["that was killed is stopped", notice("RUNNING"), null, false, "STOPPED"],
  ["that was killed while it stopped is stopped", notice("DRAINING"), null, false, "STOPPED"],
  ["that waits to try again has no slot", notice("RETRYING"), null, false, "RETRYING"],
  ["that ended is what it ended with", notice("POISON_BLOCKED"), null, false, "POISON_BLOCKED"],
  ["that ended and is read again starts", notice("POISON_BLOCKED"), null, true, "STARTING"],
  ["whose start was refused is that", notice("RUNNING"), refused, false, "NEEDS_RESYNC"],
  ["that was refused at its first start is that", null, refused, false, "NEEDS_RESYNC"],
  ["that runs is not what another was refused", notice("RUNNING"), refused, true, "RUNNING"],
])("a pipeline %s", (_, run, refusal, isSlotRead, state) => {
  expect(judgeState({ run, refusal }, isSlotRead)?.state).toBe(state);
});

test("a refusal carries its error and its way out", () => {
  expect(judgeState({ run: null, refusal: refused }, false)).toMatchObject({
    code: "SLOT_LOST",
    message: "m",
    sinceMs: 2,
    wayOut: expect.stringContaining("tidemark resync"),
  });
});
