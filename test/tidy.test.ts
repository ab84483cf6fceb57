import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { checkFile, exceptions, rules } from "./tidy/rules.js";
import { importsOf, type TidyFile } from "./tidy/syntax.js";

const root = fileURLToPath(new URL("..", import.meta.url));

function readTree(): TidyFile[] {
  const files: TidyFile[] = [];
  for (const folder of ["src", "decoders", "sinks", "test", "bench", "examples"]) {
    files.push(...readFolder(join(root, folder)));
  }
  return files;
}

function readFolder(folder: string): TidyFile[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => join(folder, name))
    .map((path) => ({
      path: relative(root, path).split(sep).join("/"),
      text: readFileSync(path, "utf8"),
    }));
}

const longFunction = `export function f(): void {\n${"  g();\n".repeat(69)}}\n`;

const badExamples: readonly (readonly [rule: string, path: string, text: string])[] = [
  ["imports-point-downward", "src/core/a.ts", 'import "../state/b.js";'],
  ["imports-point-downward", "src/core/a.ts", 'import { readFileSync } from "node:fs";'],
  ["imports-point-downward", "src/core/a.ts", 'import type { Client } from "pg";'],
  ["imports-point-downward", "src/state/a.ts", 'import "../expression/b.js";'],
  ["imports-point-downward", "src/operators/window/a.ts", 'import "../../source/b.js";'],
  ["imports-point-downward", "src/operators/a.ts", 'import "../../sinks/b.js";'],
  ["imports-point-downward", "src/pipeline/a.ts", 'export * from "../checkpoint/b.js";'],
  ["imports-point-downward", "src/pipeline/a.ts", 'await import("../source/b.js");'],
  ["imports-point-downward", "src/pipeline/a.ts", 'type T = import("../../decoders/b.js").T;'],
  ["imports-point-downward", "src/pipeline/a.ts", 'import "../observe/b.js";'],
  ["imports-point-downward", "src/source/a.ts", 'import "../index.js";'],
  ["imports-point-downward", "decoders/pgoutput/a.ts", 'import "../../src/source/b.js";'],
  ["imports-point-downward", "sinks/a.ts", 'import "../decoders/b.js";'],
  ["imports-point-downward", "src/observe/a.ts", 'import "../../test/b.js";'],
  ["imports-point-downward", "src/stuff/a.ts", ""],
  ["file-length", "src/core/a.ts", "a();\n".repeat(501)],
  ["line-length", "src/core/a.ts", `// ${"x".repeat(98)}`],
  ["folder-names", "src/core/utils/a.ts", ""],
  ["folder-names", "src/types/a.ts", ""],
  ["file-names", "src/core/myFile.ts", ""],
  ["no-open-notes", "src/core/a.ts", `// ${"TO"}${"DO"}: later`],
  ["deterministic-code", "src/core/a.ts", "const t = Date.now();"],
  ["deterministic-code", "src/state/a.ts", "const t = new Date();"],
  ["deterministic-code", "src/operators/a.ts", "setTimeout(f, 1);"],
  ["deterministic-code", "decoders/a/b.ts", "const r = Math.random();"],
  ["no-console", "src/source/a.ts", 'console.log("x");'],
  ["operators-never-await", "src/operators/a.ts", "const f = async (): Promise<void> => {};"],
  ["function-length", "src/core/a.ts", longFunction],
  ["positional-parameters", "src/core/a.ts", "export function f(a, b, c, d): void {}"],
  ["positional-parameters", "src/core/a.ts", "export const f = (a, b, c, d): void => {};"],
];

const goodExamples: readonly (readonly [path: string, text: string])[] = [
  ["src/core/a.ts", 'import { b } from "./b.js";\nexport function f(a, b, c): void {}'],
  ["src/core/clock.ts", "export const now = (): number => Date.now();"],
  ["src/operators/window/a.ts", 'import "../../core/b.js";\nimport "../map.js";'],
  ["src/index.ts", 'export * from "./pipeline/a.js";\nimport "../decoders/pgoutput/index.js";'],
  ["src/cli/a.ts", 'import "../index.js";\nimport "../../sinks/a.js";\nconsole.log(Date.now());'],
  ["decoders/types/a.ts", 'import "../../src/core/a.js";\nimport "../pgoutput/b.js";'],
  ["src/core/b.ts", longFunction.replace("  g();\n", "")],
  ["src/core/d.ts", `f(\n  "${"x".repeat(120)}",\n);`],
  ["src/core/c.ts", "// Date.now() and setTimeout are words here\nconst f = 'Math.random';"],
  ["test/core/a.test.ts", `describe("x", () => {\n${"  g();\n".repeat(90)}});\n`],
];

describe("the tidy rules", () => {
  test.each(badExamples)("%s rejects a bad %s", (rule, path, text) => {
    expect(checkFile({ path, text }).map((violation) => violation.rule)).toContain(rule);
  });

  test.each(goodExamples)("nothing is wrong with a good %s", (path, text) => {
    expect(checkFile({ path, text })).toEqual([]);
  });

  test("every rule has a bad example", () => {
    expect(new Set(badExamples.map(([rule]) => rule))).toEqual(new Set(Object.keys(rules)));
  });
});

describe("the tree", () => {
  const tree = readTree();

  test("keeps every rule", () => {
    const lines = tree
      .flatMap(checkFile)
      .map(({ rule, path, line, message }) => `${path}:${line} ${rule}: ${message}`);
    expect(lines).toEqual([]);
  });

  test("is seen by the parser", () => {
    const own = tree.find(({ path }) => path === "test/tidy.test.ts");
    expect(own && importsOf(own).map(({ name }) => name)).toContain("./tidy/rules.js");
  });

  test("still needs each listed exception", () => {
    for (const { rule, path } of exceptions) {
      const file = tree.find((candidate) => candidate.path === path);
      expect(file && rules[rule]?.check(file), `${path} ${rule}`).not.toHaveLength(0);
    }
  });
});
