import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import { lowerBoundsOf } from "../../../src/core/array-bounds.js";
import { Numeric } from "../../../src/core/numeric.js";
import { readTypes } from "../../../src/source/read-types.js";
import { sqlConnect } from "../../../src/source/sql-client.js";
import { printValue } from "../../fixtures/print-value.js";
import { usePostgres } from "../../services/postgres.js";

const { url, sql } = await usePostgres();
await sql(`
  create type mood as enum ('sad', 'it''s "ok"', '');
  create domain positive as int4 check (value > 0);
  create domain tags as text[];
  create type pair as (a int4, "b c" text, c numeric[]);
  create type nested as (p pair, m mood);
  create type floatrange as range (subtype = float8);
  create type textrange as range (subtype = text)`);

const client = new pg.Client({
  connectionString: url,
  options:
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex " +
    "-c extra_float_digits=3",
  types: { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig,
});
await client.connect();
const session = await sqlConnect({ url, role: "source", applicationName: "round trips" })();
afterAll(async () => {
  await client.end();
  await session.end();
});

interface Sent {
  readonly text: string;
  readonly binary: Buffer;
  readonly oid: number;
  readonly typeName: string;
}

/** What the server sends for an expression in both forms. */
async function sent(expression: string): Promise<Sent> {
  const { rows: types } = await client.query(
    `select typsend::text as send, t.oid::int8::text as oid, format_type(t.oid, null) as name
     from pg_type t where t.oid = pg_typeof(${expression})`,
  );
  const { send, oid, name } = types[0];
  const { rows } = await client.query(
    `select format('%s', v) as text, encode(${send}(v), 'hex') as binary
     from (select ${expression} as v) as one`,
  );
  const { text, binary } = rows[0];
  return { text, binary: Buffer.from(binary, "hex"), oid: Number(oid), typeName: name };
}

/** How the server prints a text that it reads as a value of the type. */
async function printedAgain(text: string, typeName: string): Promise<string> {
  const { rows } = await client.query(
    `select format('%s', $1::${typeName === "character" ? "bpchar" : typeName}) as text`,
    [text],
  );
  return rows[0].text;
}

const scalars = [
  ...["true", "false", "'\\x'::bytea", "'\\x00ff10'::bytea"],
  ...["(-32768)::int2", "32767::int2", "(-2147483648)::int4", "2147483647", "4294967295::oid"],
  ...["'-9223372036854775808'::int8", "9223372036854775807", "0::int8", "(-1)::int8"],
  ...["4503599627370495::int8", "4503599627370496::int8", "(-4503599627370497)::int8"],
  ...["'-0'::float4", "'NaN'::float4", "'Infinity'::float4", "3.4028235e38::float4"],
  ...["1e-45::float4", "0.1::float4", "16777217::float4", "123456789::float4", "1e7::float4"],
  ...["'-0'::float8", "'NaN'::float8", "'-Infinity'::float8", "5e-324::float8", "0.1::float8"],
  ...["1.7976931348623157e308::float8", "9007199254740993::float8", "1e21::float8"],
  ...["'NaN'::numeric", "'Infinity'::numeric", "'-Infinity'::numeric", "0::numeric"],
  ...["0.000::numeric", "-0.00001::numeric", "1.10::numeric", "12345678901234567890.123456789"],
  ...["9999::numeric", "10000::numeric", "100000000::numeric", "9007199254740993::numeric"],
  ...["1e131071::numeric", "1e-16383::numeric", "repeat('9', 1000)::numeric", "0.0001::numeric"],
  ...["'äß🌊'::text", "''::text", "'ab'::char(4)", "'ab'::varchar", "'x'::\"char\"", "'n'::name"],
  ...["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid"],
  ...["'4713-01-01 BC'::date", "'0001-12-31 BC'::date", "'0001-01-01'::date", "'1999-12-31'::date"],
  ...["'5874897-12-31'::date", "'infinity'::date", "'-infinity'::date", "'2000-02-29'::date"],
  ...["'00:00'::time", "'24:00'::time", "'23:59:59.999999'::time", "'12:00:00.1'::time"],
  ...["'00:00+15:59:59'::timetz", "'24:00-15:59'::timetz", "'12:34:56.5+05:30'::timetz"],
  ...["'12:00+00'::timetz", "'12:00-00:00:01'::timetz"],
  ...["'4714-11-24 BC'::timestamp", "'294276-12-31 23:59:59.999999'::timestamp"],
  ...["'infinity'::timestamp", "'-infinity'::timestamp", "'1999-12-31 23:59:59.999999'::timestamp"],
  ...["'4714-11-24 00:00:00+00 BC'::timestamptz", "'294276-12-31 23:59:59.999999+00'::timestamptz"],
  ...["'infinity'::timestamptz", "'2026-11-24 01:02:03.000001+00'::timestamptz"],
  ...["'287396-10-12 08:59:00.993001'::timestamp", "'1969-12-31 23:59:59.999999'::timestamptz"],
  ...["'0'::interval", "'1 year'::interval", "'-1 mon'::interval", "'1 mon -1 day'::interval"],
  ...["'-1 year +2 mons 1 day -00:00:00.000001'::interval", "'infinity'::interval"],
  ...["'-infinity'::interval", "'178000000 years'::interval", "'-178000000 years'::interval"],
  ...["'2562047788:00:54.775807'::interval", "'-2562047788:00:54.775807'::interval"],
  ...["make_interval(days => 2147483646)", "'1 day 00:00:01'::interval", "'-1 day'::interval"],
  ...["'sad'::mood", "''::mood", "5::positive"],
];

const containers = [
  ...["'{}'::int4[]", "'{1,NULL,-2147483648}'::int4[]", "'[5:6]={1,2}'::int8[]"],
  ...["'{{1,2},{3,4}}'::int2[]", "'[-1:0][2:3]={{1,NULL},{3,4}}'::numeric[]"],
  ...["'{{{{{{1}}}}}}'::int4[]", "array['', 'NULL', null, 'a b', 'q\"', '\\', '{},;', 'ä']"],
  ...["array[' a', 'b ', 'null', E'\\t']", "array['\\x'::bytea, '\\xff'::bytea]"],
  ...["array[true, false, null]", "array['NaN'::float8, '-0', 'Infinity']"],
  ...["array['infinity'::timestamp, '4714-11-24 BC']", "array['1 mon -1 day'::interval]"],
  ...["array['1.50'::numeric, 'NaN']", "array['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid]"],
  ...["array['sad'::mood, '', null, 'it''s \"ok\"']", "array[1::positive, null]"],
  ...["array['24:00'::time]", "array['12:00+05:30'::timetz]", "array['infinity'::date, null]"],
  ...["'[1,5)'::int4range", "'empty'::int4range", "'(,)'::numrange", "'[1.50,)'::numrange"],
  ...["'[\"2026-01-01 00:00:00+00\",infinity]'::tstzrange", "'(,2026-01-01)'::daterange"],
  ...["'[a,b]'::textrange", '\'["","a,\\"\\\\ )"]\'::textrange', "'(\"NULL\",NULL)'::textrange"],
  ...["'{[1,2),[5,6)}'::int4multirange", "'{}'::int8multirange", "'{(,)}'::nummultirange"],
  ...['\'{["2026-01-01 00:00","2026-01-02 00:00"),["2027-01-01 00:00",)}\'::tsmultirange'],
  ...["array['[1,2)'::int4range, 'empty', null]", "array['{[1,2)}'::int4multirange]"],
  ...["row(1, 'a', '{1.0,NULL}')::pair", "row(null, null, null)::pair", "row(1, '', '{}')::pair"],
  ...["row(1, 'q\"(,) \\', null)::pair", "row(row(1, 'x y', '{2}')::pair, 'sad')::nested"],
  ...["array[row(1, 'a\"b', null)::pair, null]", "'[0.5,1.5)'::floatrange"],
];

/** Types whose value is the server's text. */
const textOnly = [
  ...["'$1,234.50'::money", "'(1,2)'::point", "'((0,0),(1,1))'::box", "'<(0,0),1>'::circle"],
  ...["'[(0,0),(1,1)]'::lseg", "'((0,0),(1,1))'::path", "'((0,0),(1,1),(2,0))'::polygon"],
  ...["'{1,2,3}'::line", "'192.168.0.1/24'::inet", "'::1'::inet", "'10.0.0.0/8'::cidr"],
  ...["'08:00:2b:01:02:03'::macaddr", "'08:00:2b:01:02:03:04:05'::macaddr8", "B'1011'::bit(4)"],
  ...["B'101'::varbit", "'<a>1</a>'::xml", "'16/B374D848'::pg_lsn", "'a b'::tsvector"],
  ...["'a & b'::tsquery", "'$.a'::jsonpath", "1::oid::regtype"],
  ...["array['((0,0),(1,1))'::box, '((2,2),(3,3))']", "array['10.0.0.1'::inet, null]"],
  ...["array['(1,2)'::point]", "array['a b'::tsvector]", "'{$1.00,$2.00}'::money[]"],
];

const own = await sql(
  "select oid::int8::text as oid from pg_type where typnamespace = 'public'::regnamespace",
);
const catalogue = await readTypes(
  session,
  own.map(({ oid }) => Number(oid)),
);
const asText = new DatabaseCodecs(catalogue, false);
const asBinary = new DatabaseCodecs(catalogue, true);

test.each([...scalars, ...containers])("%s is the same from both forms", async (expression) => {
  const { text, binary, oid, typeName } = await sent(expression);
  const bytes = Buffer.from(text);
  const value = asText.codecOf(oid).decode(bytes, 0, bytes.length);
  expect(await printedAgain(printValue(value, typeName), typeName)).toBe(text);
  expect(asBinary.hasBinary(oid)).toBe(true);
  // Between neighbours that a reader past the cell would see.
  const padded = Buffer.concat([Buffer.from([7]), binary, Buffer.from([7])]);
  const codec = asBinary.codecOf(oid);
  const other = codec.decode(padded, 1, 1 + binary.length);
  expect(other).toEqual(value);
  if (Array.isArray(value)) {
    expect(lowerBoundsOf(other as unknown[])).toEqual(lowerBoundsOf(value));
  }
  if (codec.hasCanonicalBytes) {
    const key = codec.canonicalText?.(padded, 1, 1 + binary.length) ?? binary.toString();
    expect(key).toBe(text);
  }
  expect(asText.codecOf(oid).hasCanonicalBytes).toBe(codec.hasCanonicalBytes);
});

test.each(textOnly)("%s is its text", async (expression) => {
  const { text, oid, typeName } = await sent(expression);
  const bytes = Buffer.from(text);
  const value = asText.codecOf(oid).decode(bytes, 0, bytes.length);
  if (Array.isArray(value) && !text.includes(";")) {
    expect(await printedAgain(printValue(value, typeName), typeName)).toBe(text);
  } else if (!Array.isArray(value)) expect(value).toBe(text);
  else expect(value).toEqual(["(1,1),(0,0)", "(3,3),(2,2)"]);
  expect(asBinary.hasBinary(oid)).toBe(false);
});

describe("numbers of both forms", () => {
  test("drawn at random are the same to every reader", async () => {
    const { rows } = await client.query(
      `select n::text as text, encode(numeric_send(n), 'hex') as binary, f::text as f4,
         encode(float4send(f), 'hex') as f4_binary
       from (select round((random() * 10 ^ (random() * 12))::numeric, (random() * 8)::int)
               * (case when random() < 0.5 then 1 else -1 end) as n,
               ((random() - 0.5) * 10 ^ (random() * 76 - 38))::float4 as f
             from generate_series(1, 3000)) drawn`,
    );
    const scaled = { unscaled: 0, scale: 0 };
    for (const row of rows) {
      const binary = Buffer.from(row.binary, "hex");
      const value = asBinary.codecOf(1700).decode(binary, 0, binary.length);
      expect(String(value)).toBe(row.text);
      if (asBinary.codecOf(1700).readScaled?.(binary, 0, binary.length, scaled)) {
        expect(String(Numeric.of(scaled.unscaled, scaled.scale))).toBe(row.text);
      }
      const single = Buffer.from(row.f4_binary, "hex");
      expect(asBinary.codecOf(700).decode(single, 0, 4), row.f4).toBe(Number(row.f4));
    }
  });
});
