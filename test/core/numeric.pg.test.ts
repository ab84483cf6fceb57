import fc from "fast-check";
import { expect, test } from "vitest";
import { Numeric } from "../../src/core/numeric.js";
import { divide } from "../../src/core/numeric-division.js";
import { usePostgres } from "../services/postgres.js";

const { sql } = await usePostgres();

const digits = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength });

const finite = fc
  .tuple(fc.boolean(), digits(30), digits(25), fc.constantFrom("", "0000", "00000000000"))
  .map(([negative, whole, fraction, zeros]) => {
    const text = `${negative ? "-" : ""}${whole || "0"}.${zeros}${fraction}`;
    return text.endsWith(".") ? text.slice(0, -1) : text;
  });
const integer = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String);
const special = fc.constantFrom("NaN", "Infinity", "-Infinity", "0", "0.000", "1", "-1");
const operand = fc.oneof(
  { weight: 6, arbitrary: finite },
  { weight: 2, arbitrary: integer },
  { weight: 1, arbitrary: special },
);

/** Pairs, drawn with the seed that a failure prints; one statement answers for all of them. */
function draw(count: number): { seed: number; pairs: [string, string][] } {
  const seed = Date.now() % 2 ** 31;
  return { seed, pairs: fc.sample(fc.tuple(operand, operand), { numRuns: count, seed }) };
}

test("parse, print, +, -, * and comparison are PostgreSQL's", async () => {
  const { seed, pairs } = draw(3000);
  const rows = await sql<Record<string, string>>(
    `select a::text as a, (a + b)::text as sum, (a - b)::text as difference,
            (a * b)::text as product, (-a)::text as negated,
            (case when a < b then -1 when a > b then 1 else 0 end)::text as sign
     from (select x::numeric as a, y::numeric as b, n
           from unnest($1::text[], $2::text[]) with ordinality as t(x, y, n)) as pairs
     order by n`,
    [pairs.map(([a]) => a), pairs.map(([, b]) => b)],
  );
  expect(rows).toHaveLength(pairs.length);
  rows.forEach((row, i) => {
    const [a, b] = (pairs[i] as [string, string]).map(Numeric.parse) as [Numeric, Numeric];
    const ours = {
      a: a.toString(),
      sum: a.add(b).toString(),
      difference: a.subtract(b).toString(),
      product: a.multiply(b).toString(),
      negated: a.negate().toString(),
      sign: String(Math.sign(a.compare(b))),
    };
    expect(ours, `seed ${seed}, pair ${pairs[i]}`).toEqual(row);
  });
});

test("a quotient has PostgreSQL's scale and rounding", async () => {
  const { seed, pairs: drawn } = draw(4000);
  const pairs = drawn.filter(([, b]) => {
    const divisor = Numeric.parse(b);
    return divisor.isFinite && divisor.sign !== 0;
  });
  const rows = await sql<{ quotient: string }>(
    `select (x::numeric / y::numeric)::text as quotient
     from unnest($1::text[], $2::text[]) with ordinality as t(x, y, n) order by n`,
    [pairs.map(([a]) => a), pairs.map(([, b]) => b)],
  );
  rows.forEach(({ quotient }, i) => {
    const [a, b] = (pairs[i] as [string, string]).map(Numeric.parse) as [Numeric, Numeric];
    expect(divide(a, b).toString(), `seed ${seed}, pair ${pairs[i]}`).toBe(quotient);
  });
});

test("avg is the sum divided by the count", async () => {
  const seed = Date.now() % 2 ** 31;
  const groups = fc.sample(fc.array(fc.oneof(finite, integer), { minLength: 1, maxLength: 12 }), {
    numRuns: 300,
    seed,
  });
  for (const [i, values] of groups.entries()) {
    const [row] = await sql<{ average: string }>(
      "select avg(x::numeric)::text as average from unnest($1::text[]) as t(x)",
      [values],
    );
    const sum = values.map(Numeric.parse).reduce((total, value) => total.add(value));
    const average = divide(sum, Numeric.of(values.length));
    expect(average.toString(), `seed ${seed}, group ${i}: ${values}`).toBe(row?.average);
  }
});

test("avg of bigint is the same division", async () => {
  const [row] = await sql<{ average: string }>(
    "select avg(x)::text as average from unnest(array[9223372036854775807, 1, 1]::int8[]) as t(x)",
  );
  const sum = Numeric.of(9223372036854775807n + 2n);
  expect(divide(sum, Numeric.of(3)).toString()).toBe(row?.average);
});

test("the largest and the finest numeric survive", async () => {
  for (const expression of ["10::numeric ^ 1000", "repeat('9', 1000)::numeric", "1e-16383"]) {
    const [row] = await sql<{ value: string }>(`select (${expression})::text as value`);
    expect(Numeric.parse(row?.value ?? "").toString()).toBe(row?.value);
  }
});
