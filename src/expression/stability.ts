import { conversionOf } from "./functions/casts.js";
import { definitionOf } from "./functions/catalog.js";
import { COMMIT_TIME } from "./scope.js";
import { childrenOf, type Expression } from "./tree.js";

/** OIDs from here on are those of types that users made. */
const FIRST_MADE_OID = 16_384;

/**
 * Whether a tree's value depends on the row alone: not on the session's time zone, nor on when it
 * is computed, nor on a type that users made. Only such conditions may filter a publication's rows.
 */
export function isImmutable(tree: Expression): boolean {
  return isImmutableNode(tree) && childrenOf(tree).every(isImmutable);
}

function isImmutableNode(node: Expression): boolean {
  switch (node.kind) {
    case "reference":
      return node.key !== COMMIT_TIME.key && node.typeOid < FIRST_MADE_OID;
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
