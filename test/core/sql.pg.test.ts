import fc from "fast-check";
import { expect, test } from "vitest";
import { quoteIdent, quoteLiteral } from "../../src/core/sql.js";
import { usePostgres } from "../services/postgres.js";

const { sql } = await usePostgres();

// PostgreSQL's text holds every character but NUL.
const character = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("'", '"', "\\", "$", "%", ";", "-", "\n", "a", "E") },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
);
const text = fc.string({ unit: character, maxLength: 15 }).filter((value) => !value.includes("\0"));

test("a quoted literal is the value, and looks as quote_literal prints it", async () => {
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      const literal = quoteLiteral(value);
      const [row] = await sql(`select ${literal} as value, quote_literal($1) as quoted`, [value]);
      expect(row).toEqual({ value, quoted: literal });
    }),
    { numRuns: 300 },
  );
});

test("a quoted identifier is the name, and equals quote_ident where that quotes", async () => {
  await fc.assert(
    fc.asyncProperty(
      text.filter((value) => value !== ""),
      async (name) => {
        const quoted = quoteIdent(name);
        const [row] = await sql(`select quote_ident($1) as ident, 7 as ${quoted}`, [name]);
        expect(row?.[name.slice(0, 63)]).toBe(7);
        expect([quoted, name]).toContain(row?.["ident"]);
      },
    ),
    { numRuns: 300 },
  );
});
