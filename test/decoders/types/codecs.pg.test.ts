import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { codecOf } from "../../../decoders/types/codecs.js";
import { CalendarDate } from "../../../src/core/calendar-date.js";
import { Interval } from "../../../src/core/interval.js";
import { Numeric } from "../../../src/core/numeric.js";
import { Range } from "../../../src/core/range.js";
import { TimeOfDay } from "../../../src/core/time-of-day.js";
import type { Timestamp } from "../../../src/core/timestamp.js";
import { usePostgres } from "../../services/postgres.js";

const { url } = await usePostgres();
// The session settings under which the stream prints values.
const client = new pg.Client({
  connectionString: url,
  options:
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex " +
    "-c extra_float_digits=3",
  types: { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig,
});
await client.connect();
afterAll(() => client.end());

/** What the server prints for an expression, the type's OID and format_type's name. */
async function printed(expression: string): Promise<{ text: string; oid: number; name: string }> {
  const { rows } = await client.query(
    `select v as text, pg_typeof(v)::oid::int as oid, format_type(pg_typeof(v)::oid, null) as name
     from (select ${expression} as v) as one`,
  );
  const [row] = rows;
  return { text: row.text, oid: Number(row.oid), name: row.name };
}

function decode(oid: number, text: string): unknown {
  const bytes = Buffer.from(text);
  return codecOf(oid).decode(bytes, 0, bytes.length);
}

const half = { isLowerInclusive: true, isUpperInclusive: false };
const large = ([, ...rest]: unknown[]): unknown[] => [Numeric.parse("1e400"), ...rest];

const values: readonly (readonly [expression: string, value: unknown])[] = [
  ["true", true],
  ["false", false],
  ["'\\x00ff10'::bytea", Uint8Array.of(0, 255, 16)],
  ["''::bytea", new Uint8Array(0)],
  ["(-32768)::int2", -32768],
  ["2147483647", 2147483647],
  ["(-2147483648)::int4", -2147483648],
  ["9223372036854775807", 9223372036854775807n],
  ["'-9223372036854775808'::int8", -9223372036854775808n],
  ["0::int8", 0n],
  ["4294967295::oid", 4294967295],
  ["'-0'::float8", -0],
  ["'1e-320'::float8", 1e-320],
  ["1.7976931348623157e308::float8", Number.MAX_VALUE],
  ["0.1::float8 + 0.2::float8", 0.1 + 0.2],
  ["'NaN'::float8", Number.NaN],
  ["'-Infinity'::float4", Number.NEGATIVE_INFINITY],
  ["3.4028235e38::float4", 3.4028235e38],
  ["0.1::float4", 0.1],
  ["'x'::\"char\"", "x"],
  ["'a name'::name", "a name"],
  ["'äß🌊'::text", "äß🌊"],
  ["''::text", ""],
  ["'ab'::char(4)", "ab  "],
  ["'ab'::varchar", "ab"],
  ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  ["'{\"a\": [1, null]}'::jsonb", { a: [1, null] }],
  ["'\"text\"'::json", "text"],
  ["'null'::jsonb", null],
  ["'4713-01-01 BC'::date", CalendarDate.of(-4712, 1, 1)],
  ["'5874897-12-31'::date", CalendarDate.of(5_874_897, 12, 31)],
  ["'infinity'::date", CalendarDate.ofEpochDays(Number.POSITIVE_INFINITY)],
  ["'1 day 2 hours'::interval", Interval.of({ days: 1, micros: 7_200_000_000 })],
  ["array[1, null]::int4[]", [1, null]],
  ["'12:00'::time", TimeOfDay.of(43_200_000_000)],
  ["'[1,5)'::int4range", Range.of({ ...half, lower: 1, upper: 5 })],
  [
    `'{"a": 9007199254740993, "b": [1e400, 1.0, 1e2], "__proto__": 0.1}'::json`,
    JSON.parse('{"a": 0, "b": [0, 1, 100], "__proto__": 0.1}', (key, value) =>
      key === "a" ? Numeric.parse("9007199254740993") : key === "b" ? large(value) : value,
    ),
  ],
];

describe("what PostgreSQL prints is what was meant", () => {
  test.each(values)("%s", async (expression, value) => {
    const { text, oid } = await printed(expression);
    expect(decode(oid, text)).toEqual(value);
  });

  test.each(["'NaN'", "'Infinity'", "'-Infinity'", "0.00", "-0.001", "1e300", "1e-300"])(
    "%s::numeric",
    async (literal) => {
      const { text, oid } = await printed(`${literal}::numeric`);
      expect(String(decode(oid, text))).toBe(text);
    },
  );
});

/** Microseconds since 1970, exact; `extract(epoch ...)` alone rounds where they pass 2^63. */
function microsOf(timestamp: string): string {
  return (
    `(extract(epoch from date_trunc('second', ${timestamp})) * 1000000 ` +
    `+ extract(microseconds from ${timestamp}) % 1000000)::numeric(20)`
  );
}

const instants = [
  "4714-11-24 00:00:00 BC",
  "0044-03-15 12:34:56.000001 BC",
  "0001-12-31 23:59:59.999999 BC",
  "0001-01-01 00:00:00",
  "1582-10-10 00:00:00",
  "1969-12-31 23:59:59.999999",
  "1970-01-01 00:00:00",
  "1999-12-31 23:59:59.5",
  "2000-02-29 12:00:00",
  "2026-11-23 06:07:14.123456",
  "2026-11-23 06:07:14.1",
  "9999-12-31 23:59:59.999999",
  "10000-01-01 00:00:00",
  "294276-12-31 23:59:59.999999",
  "infinity",
  "-infinity",
];

describe("timestamps keep every microsecond", () => {
  test.each(instants)("%s", async (instant) => {
    const zoned = await printed(`'${instant}'::timestamptz`);
    const local = await printed(`'${instant}'::timestamp`);
    const value = decode(zoned.oid, zoned.text) as Timestamp;
    expect(value.toString()).toBe(zoned.text);
    expect((decode(local.oid, local.text) as Timestamp).toLocalString()).toBe(local.text);
    if (!value.isFinite) return;
    const micros = microsOf(`'${instant}'::timestamptz`);
    expect(String(value.epochMicros)).toBe((await printed(`(${micros})::text`)).text);
    const floor = `floor((${micros}) / 1000)::text`;
    const bytes = Buffer.from(zoned.text);
    const ms = codecOf(zoned.oid).readEpochMs?.(bytes, 0, bytes.length);
    // Doubles hold only even milliseconds past 2^53, in the year 287396.
    const unit = value.epochMs > Number.MAX_SAFE_INTEGER ? 2n : 1n;
    const exact = BigInt((await printed(floor)).text);
    expect(BigInt(ms as number)).toBe(exact - (exact % unit));
  });

  test("drawn over the whole range", async () => {
    const { rows } = await client.query(
      `select t::text as text, (${microsOf("t")})::text as micros
       from (select to_timestamp(random() * 9435184819199 - 210866803200) as t
             from generate_series(1, 5000)) as drawn`,
    );
    for (const { text, micros } of rows) {
      const value = decode(1184, text) as Timestamp;
      expect(value.toString()).toBe(text);
      expect(String(value.epochMicros), text).toBe(micros);
    }
  });

  test("another zone than the session's is read as the same instant", async () => {
    const { text: utc } = await printed("'2026-11-23 06:07:14.5+00'::timestamptz");
    for (const text of ["2026-11-23 11:37:14.5+05:30", "2026-11-22 22:07:14.5-08"]) {
      expect(String(decode(1184, text))).toBe(utc);
    }
  });
});

test.each(["2026-11-23", "0044-03-15 BC", "10000-01-01", "1969-12-31", "infinity", "-infinity"])(
  "the date %s is midnight UTC to windows",
  async (day) => {
    const { text, oid } = await printed(`'${day}'::date`);
    const bytes = Buffer.from(text);
    const ms = codecOf(oid).readEpochMs?.(bytes, 0, bytes.length);
    const epoch = `(extract(epoch from '${day}'::date) * 1000)::float8`;
    expect(ms).toBe(Number((await printed(epoch)).text));
  },
);

const types = [
  "bool",
  "bytea",
  "int8",
  "int2",
  "int4",
  "oid",
  "text",
  "float4",
  "float8",
  "bpchar",
];

test.each([...types, "name", "varchar", "uuid", "json", "jsonb", "date", "numeric", "timestamp"])(
  "the codec of %s has PostgreSQL's name of it",
  async (type) => {
    const { oid, name } = await printed(`null::${type}`);
    expect(codecOf(oid).typeName).toBe(name);
  },
);
