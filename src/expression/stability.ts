import { conversionOf } from "./functions/casts.js";
import { definitionOf } from "./functions/catalog.js";
import { COMMIT_TIME } from "./scope.js";
import { childrenOf, type Expression } from "./tree.js";

/**
 * Whether a tree's value depends on the row alone: not on the session's time zone, nor on when it
 * is computed. Only such conditions may filter a publication's rows.
 */
export function isImmutable(tree: Expression): boolean {
  return isImmutableNode(tree) && childrenOf(tree).every(isImmutable);
}

function isImmutableNode(node: Expression): boolean {
  switch (node.kind) {
    case "reference":
      return node.key !== COMMIT_TIME.key;
    case "cast":
      return conversionOf(node.arg.type, node.type)?.isStable === false;
    case "call":
    case "distinct":
    case "nullif":
    case "in":
    case "any":
    case "all":
      return !definitionOf(node.signature).isStable;
    default:
      return true;
  }
}
