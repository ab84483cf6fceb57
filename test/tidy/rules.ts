// The house rules as pure functions of one file, so that each can be shown to fail on a bad
// example. They parse with the compiler of TypeScript 5; TypeScript 7 ships no such API, and the
// bad examples would then fail loudly.
import ts from "typescript";
import { importsPointDownward } from "./floors.js";
import { lineOf, syntaxOf, type TidyFile, type Violation, walk } from "./syntax.js";

/** A rule: which files it reads, and what it finds in one of them. */
export interface Rule {
  readonly appliesTo: (path: string) => boolean;
  readonly check: (file: TidyFile) => Violation[];
}

/** One file that may break one rule, and why. */
interface Exception {
  readonly path: string;
  readonly rule: string;
  readonly reason: string;
}

const maxFileLines = 500;
const maxFunctionLines = 70;
const maxColumns = 100;
const maxPositional = 3;

/** The files allowed to break a rule. An entry without a present file fails the tidy test. */
export const exceptions: readonly Exception[] = [];

const isProduct = (path: string): boolean => /^(src|decoders|sinks)\//.test(path);
const isCode = (path: string): boolean => /^(src|decoders|sinks|test|bench|examples)\//.test(path);
const isDeterministic = (path: string): boolean =>
  /^(src\/(core|operators|state)|decoders)\//.test(path) && path !== "src/core/clock.ts";

/** All rules by name. `src/core/clock.ts` alone may read the machine's time. */
export const rules: Readonly<Record<string, Rule>> = {
  "imports-point-downward": { appliesTo: isProduct, check: importsPointDownward },
  "file-length": { appliesTo: isCode, check: fileLength },
  "line-length": { appliesTo: isCode, check: lineLength },
  "folder-names": { appliesTo: isCode, check: folderNames },
  "file-names": { appliesTo: isCode, check: fileNames },
  "no-open-notes": { appliesTo: isCode, check: noOpenNotes },
  "deterministic-code": { appliesTo: isDeterministic, check: deterministicCode },
  "no-console": {
    appliesTo: (path) => isProduct(path) && !path.startsWith("src/cli/"),
    check: noConsole,
  },
  "operators-never-await": {
    appliesTo: (path) => /^src\/(expression|operators)\//.test(path),
    check: neverAwait,
  },
  "function-length": { appliesTo: isCode, check: functionLength },
  "positional-parameters": { appliesTo: isProduct, check: positionalParameters },
};

/** Everything a file breaks, listed exceptions left out. */
export function checkFile(file: TidyFile): Violation[] {
  return Object.entries(rules)
    .filter(([name, rule]) => rule.appliesTo(file.path) && !isExcepted(name, file.path))
    .flatMap(([, rule]) => rule.check(file));
}

function isExcepted(rule: string, path: string): boolean {
  return exceptions.some((exception) => exception.rule === rule && exception.path === path);
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}

function fileLength({ path, text }: TidyFile): Violation[] {
  const count = linesOf(text).length;
  if (count <= maxFileLines) return [];
  return [{ rule: "file-length", path, line: count, message: `${count} lines` }];
}

// A line that is one string or regular expression stays whole: the formatter cannot break it, and
// messages are searched for.
function isOneLiteral(content: string): boolean {
  return /^\s*(["`/]).*\1[a-z]*[,;)]*$/.test(content) && !/^\s*\/[/*]/.test(content);
}

function lineLength({ path, text }: TidyFile): Violation[] {
  return linesOf(text).flatMap((content, index) =>
    content.length <= maxColumns || isOneLiteral(content)
      ? []
      : [{ rule: "line-length", path, line: index + 1, message: `${content.length} columns` }],
  );
}

function folderNames({ path }: TidyFile): Violation[] {
  const vague = path
    .split("/")
    .slice(0, -1)
    .find((name) => ["utils", "common", "helpers", "managers"].includes(name));
  const isVague = vague !== undefined || path.startsWith("src/types/");
  return isVague ? [{ rule: "folder-names", path, line: 1, message: "says nothing" }] : [];
}

function fileNames({ path }: TidyFile): Violation[] {
  const name = path.split("/").at(-1) ?? "";
  if (/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*\.ts$/.test(name)) return [];
  return [{ rule: "file-names", path, line: 1, message: `${name} is not kebab-case` }];
}

function noOpenNotes({ path, text }: TidyFile): Violation[] {
  const note = new RegExp(
    `\\b(${["TO", "FIX"].map((head, i) => head + ["DO", "ME"][i]).join("|")})\\b`,
  );
  return linesOf(text).flatMap((content, index) =>
    note.test(content)
      ? [{ rule: "no-open-notes", path, line: index + 1, message: "finish it or drop it" }]
      : [],
  );
}

function find(
  file: TidyFile,
  rule: string,
  message: (node: ts.Node) => string | undefined,
): Violation[] {
  const source = syntaxOf(file);
  const violations: Violation[] = [];
  walk(source, (node) => {
    const found = message(node);
    if (found === undefined) return;
    violations.push({ rule, path: file.path, line: lineOf(source, node), message: found });
  });
  return violations;
}

function deterministicCode(file: TidyFile): Violation[] {
  const members = ["Date.now", "Math.random", "performance.now", "process.hrtime"];
  const calls = ["setTimeout", "setInterval", "setImmediate"];
  return find(file, "deterministic-code", (node) => {
    if (ts.isPropertyAccessExpression(node)) {
      return members.find((member) => node.getText() === member);
    }
    if (ts.isNewExpression(node) && node.expression.getText() === "Date") {
      return node.arguments?.length ? undefined : "new Date()";
    }
    return ts.isIdentifier(node) ? calls.find((call) => node.text === call) : undefined;
  });
}

function noConsole(file: TidyFile): Violation[] {
  return find(file, "no-console", (node) =>
    ts.isPropertyAccessExpression(node) && node.expression.getText() === "console"
      ? node.getText()
      : undefined,
  );
}

function neverAwait(file: TidyFile): Violation[] {
  return find(file, "operators-never-await", (node) => {
    if (ts.isAwaitExpression(node)) return "await";
    return node.kind === ts.SyntaxKind.AsyncKeyword ? "async" : undefined;
  });
}

// A describe block is a list of tests, not one function, so its length says nothing.
function isDescribeBody(node: ts.Node): boolean {
  const call = node.parent;
  return ts.isCallExpression(call) && call.expression.getText().startsWith("describe");
}

function functionLength(file: TidyFile): Violation[] {
  const source = syntaxOf(file);
  return find(file, "function-length", (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || isDescribeBody(node)) return undefined;
    const last = source.getLineAndCharacterOfPosition(node.end).line + 1;
    const count = last - lineOf(source, node) + 1;
    return count <= maxFunctionLines ? undefined : `a function of ${count} lines`;
  });
}

function isExported(node: ts.Node): boolean {
  const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function exportedFunction(node: ts.Node): ts.SignatureDeclaration | undefined {
  if (ts.isFunctionDeclaration(node)) return isExported(node) ? node : undefined;
  if (!ts.isArrowFunction(node) && !ts.isFunctionExpression(node)) return undefined;
  const statement = node.parent.parent?.parent;
  return ts.isVariableDeclaration(node.parent) && isExported(statement) ? node : undefined;
}

function positionalParameters(file: TidyFile): Violation[] {
  return find(file, "positional-parameters", (node) => {
    const count = exportedFunction(node)?.parameters.filter((p) => !p.dotDotDotToken).length ?? 0;
    return count <= maxPositional ? undefined : `${count} positional parameters`;
  });
}
