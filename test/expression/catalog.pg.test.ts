// What the catalogue says of each operator and function, held against PostgreSQL's own.
import { expect, test } from "vitest";
import { CATALOG } from "../../src/expression/functions/catalog.js";
import type { Definition } from "../../src/expression/functions/definition.js";
import { usePostgres } from "../services/postgres.js";
import type { SqlRow } from "../services/sql.js";

const { sql } = await usePostgres();
const { sql: older } = await usePostgres({ version: 16 });

interface Known {
  readonly signature: string;
  readonly strict: boolean;
  readonly volatility: "i" | "s" | "v";
  /** Written in SQL, and how. */
  readonly body: string | null;
}

/** Every operator, with what its function is like, and every function of pg_catalog. */
const KNOWN = `
  with called as (
    select o.oprname as name, p.* from pg_operator o join pg_proc p on p.oid = o.oprcode
    union all
    select p.proname as name, p.* from pg_proc p where p.prokind = 'f'
      and p.pronamespace = 'pg_catalog'::regnamespace
  )
  select name || '(' || coalesce((
      select string_agg(regexp_replace(t.typname, '^_(.*)', '\\1[]'), ',' order by n)
        from unnest(c.proargtypes) with ordinality as a(type, n)
        join pg_type t on t.oid = a.type where n <= given), '') || ')' as signature,
    c.proisstrict as strict, c.provolatile as volatility,
    case when l.lanname = 'sql' then pg_get_function_sqlbody(c.oid) end as body
    from called c join pg_language l on l.oid = c.prolang,
      generate_series(c.pronargs - c.pronargdefaults, c.pronargs::int) as given`;

function describe({ isStrict, isStable, isExchanged }: Definition): string {
  return [
    isStrict ? "strict" : "not strict",
    isStable ? "stable" : "immutable",
    isExchanged ? "its arguments exchanged" : "its arguments in order",
  ].join(", ");
}

function describeKnown({ strict, volatility, body }: Known): string {
  return [
    strict ? "strict" : "not strict",
    volatility === "s" ? "stable" : "immutable",
    /\(\$2 \+ \$1\)/.test(body ?? "") ? "its arguments exchanged" : "its arguments in order",
  ].join(", ");
}

test.each([
  ["18", sql],
  ["16", older],
])("each operator and function is as strict and immutable as PostgreSQL %s's", async (_, ask) => {
  const known = new Map((await ask<Known & SqlRow>(KNOWN)).map((row) => [row.signature, row]));
  const differences = Object.values(CATALOG)
    .flat()
    .flatMap((definition) => {
      const theirs = known.get(definition.signature);
      if (theirs === undefined) return [`${definition.signature} is not in pg_catalog`];
      const [own, its] = [describe(definition), describeKnown(theirs)];
      return own === its ? [] : [`${definition.signature}: ${own}; PostgreSQL: ${its}`];
    });
  expect(differences).toEqual([]);
});
