import { definitionOf } from "../functions/catalog.js";
import { printedType } from "../sql-type.js";
import { childrenOf, type Expression } from "../tree.js";

/** A tree as lines, a part a line, with the types and casts that were found for it. */
export function explainExpression(tree: Expression): string {
  return lines(tree, "").join("\n");
}

function lines(tree: Expression, indent: string): string[] {
  const own = `${indent}${describe(tree)}: ${printedType(tree.type)}`;
  return [own, ...childrenOf(tree).flatMap((child) => lines(child, `${indent}  `))];
}

function describe(tree: Expression): string {
  switch (tree.kind) {
    case "constant":
      return tree.text === null ? "NULL" : `constant ${JSON.stringify(tree.text)}`;
    case "reference":
      return tree.collation === null ? tree.sql : `${tree.sql} (collation ${tree.collation})`;
    case "call":
      return /^[a-z]/.test(tree.signature)
        ? `function ${tree.signature}`
        : `operator ${tree.signature}`;
    case "cast": {
      const size = tree.modifiers.length === 0 ? "" : ` (${tree.modifiers.join(", ")})`;
      return `${tree.implicit ? "implicit cast" : "cast"}${size}`;
    }
    case "any":
    case "all":
      return `${definitionOf(tree.signature).name} ${tree.kind} of an array`;
    default:
      return "negated" in tree && tree.negated ? `not: ${tree.kind}` : tree.kind;
  }
}
