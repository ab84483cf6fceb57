import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { expressionsPage } from "./expressions-page.js";

const file = new URL("../../docs/expressions.md", import.meta.url);

if (process.env["UPDATE_DOCS"] === "1") writeFileSync(file, expressionsPage());

test("docs/expressions.md lists the operators and functions that there are", () => {
  const regenerate = "docs/expressions.md is stale; run: UPDATE_DOCS=1 npx vitest run test/docs";
  expect(readFileSync(file, "utf8") === expressionsPage(), regenerate).toBe(true);
});
