import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../src/core/error-codes.js";
import { errorsPage } from "./errors-page.js";

const file = new URL("../../docs/errors.md", import.meta.url);

if (process.env["UPDATE_DOCS"] === "1") writeFileSync(file, errorsPage());

test("docs/errors.md is what the registry of codes says", () => {
  const regenerate = "docs/errors.md is stale; run: UPDATE_DOCS=1 npx vitest run test/docs";
  expect(readFileSync(file, "utf8") === errorsPage(), regenerate).toBe(true);
});

test("the page has each code once, with its paragraph", () => {
  const page = errorsPage();
  for (const [code, { doc, domain, retry, exitCode }] of Object.entries(ERROR_CODES)) {
    const facts = `Domain ${domain}, retry ${retry}, exit code ${exitCode}.`;
    expect(page.split(`### ${code}\n\n${facts}\n\n${doc}\n`)).toHaveLength(2);
  }
});
