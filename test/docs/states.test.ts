import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/core/error-codes.js";
import { RUN_STATES, stateAfter } from "../../src/core/run-state.js";
import { statesPage } from "./states-page.js";

const file = new URL("../../docs/states.md", import.meta.url);

if (process.env["UPDATE_DOCS"] === "1") writeFileSync(file, statesPage());

test("docs/states.md is what the registry of states says", () => {
  const regenerate = "docs/states.md is stale; run: UPDATE_DOCS=1 npx vitest run test/docs";
  expect(readFileSync(file, "utf8") === statesPage(), regenerate).toBe(true);
});

test("the exit code of a state is that of each error that leads there", () => {
  for (const [code, { exitCode }] of Object.entries(ERROR_CODES)) {
    const { exitCode: own } = RUN_STATES[stateAfter(code as ErrorCode)];
    if (own !== null) expect(`${code} ${exitCode}`).toBe(`${code} ${own}`);
  }
});
