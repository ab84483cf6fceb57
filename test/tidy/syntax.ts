import ts from "typescript";

/** One file of the tree; `path` is relative to the root and uses forward slashes. */
export interface TidyFile {
  readonly path: string;
  readonly text: string;
}

/** One broken rule; `line` counts from 1. */
export interface Violation {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const parsed = new WeakMap<TidyFile, ts.SourceFile>();

/** The syntax tree of a file, parsed once per file object. */
export function syntaxOf(file: TidyFile): ts.SourceFile {
  let source = parsed.get(file);
  if (source === undefined) {
    source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2023, true);
    parsed.set(file, source);
  }
  return source;
}

/** Calls `visit` for each node below `node`, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** The line a node starts on, leading comments left out, counted from 1. */
export function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/** Every module a file names: static, dynamic, re-exported and in `import("x").T` types. */
export function importsOf(file: TidyFile): { readonly name: string; readonly line: number }[] {
  const source = syntaxOf(file);
  const found: { name: string; line: number }[] = [];
  walk(source, (node) => {
    const named = moduleNamedBy(node);
    if (named !== undefined && ts.isStringLiteralLike(named)) {
      found.push({ name: named.text, line: lineOf(source, node) });
    }
  });
  return found;
}

function moduleNamedBy(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return node.argument.literal;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return node.arguments[0];
  }
  return undefined;
}
