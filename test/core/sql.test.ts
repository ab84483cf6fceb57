import { expect, test } from "vitest";
import { quoteIdent, quoteLiteral, splitTableName } from "../../src/core/sql.js";

test.each([
  ["orders", "public", "orders"],
  ["shop.orders", "shop", "orders"],
  ["Shop.Orders", "Shop", "Orders"],
  ["shop.orders.old", "shop", "orders.old"],
  ['"shop.eu".orders', "shop.eu", "orders"],
  ['shop."or.ders"', "shop", "or.ders"],
  ['"a""b"."c""d"', 'a"b', 'c"d'],
  ['"Orders"', "public", "Orders"],
  ['"unclosed', "public", '"unclosed'],
])("%s is split into schema %s and table %s", (qualified, schema, name) => {
  expect(splitTableName(qualified)).toEqual({ schema, name });
});

test("quoting doubles the quote", () => {
  expect(quoteIdent('a"b')).toBe('"a""b"');
  expect(quoteLiteral("it's")).toBe("'it''s'");
  expect(quoteLiteral("a\\b'c")).toBe("E'a\\\\b''c'");
});
