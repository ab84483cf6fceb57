// The example of docs/decoder.md, run as it stands there against the built package.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, onTestFinished, test } from "vitest";
import { readStory } from "../fixtures/decoders/story.js";
import { TRANSACTIONS } from "../fixtures/decoders/story-sql.js";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/decoder.md"), "utf8");

test("the example reads what a server sent", () => {
  const [, example = ""] = /```ts\n(.*?)```/s.exec(page) ?? [];
  expect(example).toContain("function onMessage(");
  const { outputText } = ts.transpileModule(example, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext },
  });
  // Inside the package, so that its own name leads to its exports.
  mkdirSync(join(root, ".tidemark"), { recursive: true });
  const folder = mkdtempSync(join(root, ".tidemark", "example-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, "example.mjs");
  const feed = `for (const message of ${JSON.stringify(readStory().pgoutput)}) {
    onMessage(Buffer.from(message, "base64"));
  }`;
  writeFileSync(script, `${outputText}\n${feed}\n`);
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const lines = stdout.split("\n");
  expect(lines.filter((line) => line.includes("committed, ends at"))).toHaveLength(
    TRANSACTIONS.length,
  );
  expect(lines.filter((line) => /^\d+ public\.moving 1 /.test(line))).toHaveLength(5);
  expect(stdout).toContain("public.moving 3 null");
  expect(stdout).toContain("{ id: 5, renamed: 'a', b: 'b', c: null }");
});
