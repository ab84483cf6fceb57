import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Numeric } from "../../src/core/numeric.js";
import { Timestamp } from "../../src/core/timestamp.js";
import { checkCondition, checkExpression } from "../../src/expression/check/check-expression.js";
import { compileExpression } from "../../src/expression/compile/compile-expression.js";
import { CATALOG } from "../../src/expression/functions/catalog.js";
import { loadGrammar } from "../../src/expression/grammar.js";
import { predicatesOf } from "../../src/expression/predicates.js";
import { explainExpression } from "../../src/expression/print/explain-expression.js";
import { printFlinkSql } from "../../src/expression/print/print-flink.js";
import { printSql } from "../../src/expression/print/print-sql.js";
import { namedColumn, rowScope, type Scope } from "../../src/expression/scope.js";
import { sql } from "../../src/expression/sql-text.js";
import type { Expression } from "../../src/expression/tree.js";
import type { Value } from "../../src/expression/values/value.js";
import { seededRandom } from "../torture/random.js";
import { Generator } from "./oracle/generator.js";
import { oneOf } from "./oracle/literals.js";
import { SCOPE_COLUMNS } from "./oracle/table.js";

const grammar = await loadGrammar();
const columns = [
  { name: "amount", typeOid: 1700, typeName: "numeric" },
  { name: "event_type", typeOid: 25, typeName: "text", collation: "en_US.utf8" },
  { name: "code", typeOid: 25, typeName: "text", collation: "C" },
  { name: "units", typeOid: 23, typeName: "integer" },
  { name: "data", typeOid: 3802, typeName: "jsonb" },
  { name: "place", typeOid: 600, typeName: "point" },
  { name: "at", typeOid: 1184, typeName: "timestamp with time zone" },
];
const parts = { table: "events", columns, collation: "en_US.utf8", hasNow: true };
const scope = rowScope(parts);
const oracleScope = rowScope({ ...parts, columns: SCOPE_COLUMNS, collation: "C.UTF-8" });
const check = (text: string, where: Scope = scope): Expression =>
  checkExpression(grammar, text, where);

/** A tree without the places that printing moves. */
function withoutPlaces(tree: Expression): unknown {
  return JSON.parse(JSON.stringify(tree, (key, value) => (key === "at" ? undefined : value)));
}

describe("what is not supported is refused with its place", () => {
  test.each<[string, RegExp]>([
    ["", /column 1: it is empty/],
    ["amount >", /column \d+: syntax error/],
    ["1; drop table x", /not one expression/],
    ["amount, units", /not one expression/],
    ["amount from events", /not one expression/],
    ["amount as x", /not one expression/],
    [
      "units > 1\n  and amont > 2",
      /line 2, column 7: there is no column amont; did you mean amount\?/,
    ],
    ["place is null", /column place has type point/],
    ["units = 'x'", /column 9: 'x' is no integer/],
    ["units and true", /AND takes a condition, and this is of type integer/],
    ["units + event_type", /there is no operator integer \+ text/],
    ["random() < 0.5", /random\(\) is volatile/],
    ["clock_timestamp() > at", /volatile/],
    ["sum(units) > 1", /is an aggregate/],
    ["sin(units) > 0", /last digit/],
    ["lowr(code) = 'x'", /the nearest is lower\(\)/],
    ["(select 1) = 1", /a subquery/],
    ["$1 = 1", /a parameter/],
    ["event_type < 'b'", /collation is "en_US.utf8".*COLLATE "C"/],
    ["greatest(event_type, 'b') = 'b'", /GREATEST orders text/],
    ["code ~ '(a)\\1'", /backreferences/],
    ["code ~ 'a(?=b)'", /lookaround/],
    ["code ~ event_type", /argument 2 of ~ has to be a constant/],
    ["at at time zone 'Mars/Base' > '2020-01-01'", /IANA/],
    ["units / 0 = 1", /^$/],
    ["units > 1 / 0", /Division by zero. It would fail for every row/],
    ["units = any(1)", /take an array/],
    [`${"(".repeat(300)}1${")".repeat(300)} = 1 ${"and true ".repeat(900)}`, /longer than|parts/],
    [`${"not ".repeat(1500)}true`, /nested deeper/],
    ["units[1] = 1", /one element of an array/],
    ["code similar to event_type", /has to be a constant/],
    ["units::regclass is null", /the type regclass/],
    ["row(1, 2) = row(1, 2)", /a row of values/],
  ])("%s", (text, message) => {
    const use = (): unknown => compileExpression(check(text), text, { read: () => () => null });
    if (message.source === "^$") return expect(use).not.toThrow();
    expect(use).toThrow(
      expect.objectContaining({
        code: "EXPRESSION_INVALID",
        message: expect.stringMatching(message),
      }),
    );
  });

  test("a filter is a condition", () => {
    expect(() => checkCondition(grammar, "units + 1", scope)).toThrow(/a filter takes a condition/);
    expect(checkCondition(grammar, "'true'", scope).type).toBe("bool");
  });
});

describe("a tree prints", () => {
  const condition = "amount > 100 AND event_type = 'it''s' AND units BETWEEN 1 AND 5";

  test("as SQL that parses to the same tree, for random expressions", () => {
    const random = seededRandom();
    const definitions = Object.values(CATALOG).flat();
    const generator = new Generator(random, definitions);
    let compared = 0;
    for (const [i, definition] of [...definitions, ...definitions, ...definitions].entries()) {
      const text = i % 4 === 0 ? generator.condition(3) : generator.call(definition, 3);
      let tree: Expression;
      try {
        tree = check(text, oracleScope);
      } catch {
        continue; // a literal that is no value of its type: the oracle compares these
      }
      const printed = printSql(tree);
      expect(withoutPlaces(check(printed, oracleScope)), `${text}\n${printed}`).toEqual(
        withoutPlaces(tree),
      );
      compared++;
    }
    expect(compared).toBeGreaterThan(definitions.length * 2);
  });

  test("as SQL", () => {
    expect(printSql(check(condition))).toBe(
      "(amount > 100) AND (event_type = 'it''s') AND (units >= 1) AND (units <= 5)",
    );
  });

  test("as Flink SQL, or says what has no counterpart", () => {
    expect(printFlinkSql(check(condition))).toBe(
      "((`amount` > 100) AND (`event_type` = 'it''s') AND (`units` >= 1) AND (`units` <= 5))",
    );
    expect(printFlinkSql(check("data ->> 'k' LIKE 'a%' AND units::bigint % 2 = 0"))).toBe(
      "((JSON_VALUE(`data`, '$.\"k\"') LIKE 'a%' ESCAPE '\\') AND (MOD(CAST(`units` AS BIGINT), 2) = 0))",
    );
    expect(() => printFlinkSql(check("amount / 3 > 1"))).toThrow(/no counterpart/);
    expect(() => printFlinkSql(check("greatest(units, 1) > 1"))).toThrow(/GREATEST/);
  });

  test("as JSON, unchanged", () => {
    const tree = check(condition);
    expect(JSON.parse(JSON.stringify(tree))).toEqual(tree);
  });

  test("as an explanation with every type and cast", () => {
    expect(explainExpression(check("units > 1.5"))).toBe(
      [
        "operator >(numeric,numeric): boolean",
        "  implicit cast: numeric",
        "    units: integer",
        '  constant "1.5": numeric',
      ].join("\n"),
    );
  });
});

test("equalities and ranges of a condition are known without evaluating it", () => {
  const text = "100 < amount AND event_type IN ('a', 'b', NULL) AND code = 'x' AND units + 1 > 2";
  expect(predicatesOf(check(text))).toEqual([
    { key: "amount", type: "numeric", operator: ">", values: [Numeric.of(100)] },
    { key: "event_type", type: "text", operator: "in", values: ["a", "b"] },
    { key: "code", type: "text", operator: "=", values: ["x"] },
  ]);
  expect(predicatesOf(check("code = 'x' OR units = 1"))).toEqual([]);
});

test("the grammar costs nothing until it is used: only its loading imports the package", () => {
  const root = new URL("../../src/", import.meta.url);
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  const imports = files.flatMap((file) => {
    const text = file.endsWith(".ts") ? readFileSync(new URL(file, root), "utf8") : "";
    const found = text.match(
      /^import (?!type)[^;]*from "libpg-query"|[^f] import\("libpg-query"\)/gm,
    );
    return (found ?? []).map((line) => `${file}: ${line.trim()}`);
  });
  expect(imports).toEqual(['expression/grammar.ts: = import("libpg-query")']);
});

describe("a scope of its own", () => {
  /** Events of a pattern, the old and new row of a change, its operation. */
  const events: Scope = {
    names: ["login.user_id", "op"],
    now: "events have several",
    collation: "C",
    resolve(path) {
      const key = path.join(".");
      if (key === "op") return { key, sql: key, type: "text", typeOid: 25, collation: "C" };
      const [event = "", name = ""] = path;
      const column = columns.find((candidate) => candidate.name === name);
      const isEvent = ["login", "b", "new", "old"].includes(event);
      return isEvent && column !== undefined ? namedColumn(column, { key, sql: key }) : null;
    },
    call(name, [argument]) {
      if (name === "count" && Array.isArray(argument)) {
        return {
          key: `count ${argument}`,
          sql: `COUNT(${argument})`,
          type: "int8",
          typeOid: 20,
          collation: null,
        };
      }
      if (name !== "last" || !Array.isArray(argument)) return null;
      const named = this.resolve(argument);
      if (named === null || typeof named === "string") return "LAST takes a column of a step";
      return { ...named, key: `last ${named.key}`, sql: `LAST(${named.sql})` };
    },
  };
  const values: Readonly<Record<string, Value>> = {
    "last b.amount": Numeric.parse("2.50"),
    "count b": 3n,
    "new.code": "paid",
    "old.code": "open",
    op: "update",
  };
  const run = (text: string): Value => {
    const tree = check(text, events);
    return compileExpression(tree, text, {
      read:
        ({ key }) =>
        () =>
          values[key] ?? null,
    })(null);
  };

  test.each<[string, Value]>([
    ["LAST(b.amount) * COUNT(b) = 7.50", true],
    ["op = 'update' AND old.code <> new.code AND new.code IN ('paid', 'sent')", true],
    ["login.units IS NULL AND COUNT(b) >= 3", true],
  ])("answers %s", (text, value) => {
    expect(run(text)).toBe(value);
    expect(printSql(check(printSql(check(text, events)), events))).toBe(
      printSql(check(text, events)),
    );
  });

  test("says what is wrong with a call of its own", () => {
    expect(() => run("LAST(b.none) > 1")).toThrow(/LAST takes a column of a step/);
    expect(() => run("now() > '2020-01-01'")).toThrow(/no fixed meaning/);
  });
});

describe("sql`…`", () => {
  test("turns values into literals, never into syntax", () => {
    const hostile = "x' OR true --";
    expect(sql`code = ${hostile}`.text).toBe("code = 'x'' OR true --'");
    expect(sql`code = ${"back\\slash'"}`.text).toBe("code = E'back\\\\slash'''");
    expect(sql`units = ${-1} AND amount = ${Numeric.parse("1.50")} OR ${sql`units > 2`}`.text).toBe(
      "units = (-1) AND amount = '1.50'::numeric OR (units > 2)",
    );
    expect(sql`units = ANY(${[1, 2]}) AND at > ${Timestamp.of(0)}`.text).toBe(
      "units = ANY(ARRAY[1, 2]) AND at > '1970-01-01 00:00:00+00'::timestamptz",
    );
    expect(() => sql`code = ${{} as never}`).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });

  test("keeps backslashes as they are written", () => {
    expect(sql`code ~ '^\d+$'`.text).toBe("code ~ '^\\d+$'");
  });
});

test("hostile patterns end in time that grows with the text, not with its powers", () => {
  const text = "a".repeat(20_000);
  const started = performance.now();
  for (const pattern of ["(a+)+$", "(a|aa)*b", "(a*)*c", "(?:a?){50}a{50}x"]) {
    const condition = `code ~ '${pattern}'`;
    compileExpression(check(condition), condition, { read: () => () => text })(null);
  }
  const like = `code like '${"%a".repeat(30)}%b'`;
  expect(compileExpression(check(like), like, { read: () => () => text })(null)).toBe(false);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("fuzzed text is an expression or an error with a place, at once", () => {
  const random = seededRandom();
  const words = [
    ...["amount", "units", "code", "data", "at", "(", ")", "'", '"', "and", "or", "not", "=", "<"],
    ...["->>", "@>", "~", "like", "in", "between", "case", "when", "then", "end", "null", "1", "-"],
    ...[
      "1e999",
      "::",
      "numeric",
      "[",
      "]",
      ",",
      ";",
      "--",
      "/*",
      "$$",
      "\\",
      "E'",
      "é",
      "🎉",
      "\0",
    ],
    ...[
      "array",
      "any",
      "extract",
      "from",
      "interval",
      "date",
      "now()",
      "cast",
      "as",
      "collate",
      ".",
    ],
  ];
  for (let n = 0; n < 4000; n++) {
    const text = Array.from({ length: random.between(1, 14) }, () => oneOf(random, words)).join(
      random.chance(0.8) ? " " : "",
    );
    const started = performance.now();
    try {
      compileExpression(check(text), text, { read: () => () => null })(null);
    } catch (error) {
      expect(error, text).toMatchObject({ code: expect.stringMatching(/^EXPRESSION_/) });
      expect(error, text).toMatchObject({ detail: { line: expect.any(Number) } });
    }
    expect(performance.now() - started, text).toBeLessThan(2000);
  }
});
