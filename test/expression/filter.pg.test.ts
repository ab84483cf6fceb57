import { expect, onTestFinished, test } from "vitest";
import { checkPipeline } from "../../src/cli/check/check-pipeline.js";
import {
  count,
  describePlan,
  sql as expression,
  type PipelineDefinition,
  pipeline,
  postgres,
  type SqlText,
  slot,
  start,
  sum,
  tumbling,
} from "../../src/index.js";
import { resolveSettings } from "../../src/pipeline/settings.js";
import { eventually } from "../services/eventually.js";
import { type TestDatabase, usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";

const server = await usePostgres();

const EVENTS = `create table events (id bigserial primary key, event_type text,
  amount numeric(12,2), data jsonb, created_at timestamptz not null default now())`;

const ALERTS = expression`amount > 100 AND event_type = 'alert'
  OR data ->> 'level' IN ('high', ${"it's"}) AND created_at <= now()`;

function define(condition: SqlText): PipelineDefinition {
  return pipeline<Record<string, Record<string, never>>>(
    uniqueName("filter"),
    { source: slot() },
    (from) => {
      from("public.events", { appendOnly: true })
        .filter(condition)
        .groupBy("event_type" as never)
        .window(tumbling("5000 days", "period"))
        .aggregate({ n: count(), total: sum("amount" as never) })
        .into(postgres.view("alerts"));
    },
  );
}

async function run(
  definition: PipelineDefinition,
  { url }: TestDatabase,
): Promise<{ done: Promise<unknown> }> {
  let isRunning = false;
  const running = start(definition, {
    env: (name) => (name === "TIDEMARK_SOURCE_URL" ? url : undefined),
    onRunning: () => {
      isRunning = true;
    },
  });
  onTestFinished(() => running.stop());
  const done = running.done.catch((error: unknown) => error);
  await Promise.race([eventually("it runs", async () => isRunning), running.done]);
  return { done };
}

test("a filter in SQL lets the rows pass that PostgreSQL's WHERE does", async () => {
  const database = await server.createDatabase();
  const { sql } = database;
  await sql(EVENTS);
  await run(define(ALERTS), database);
  await sql(`
    insert into events (event_type, amount, data)
    select (array['alert', 'purchase', 'login', null])[1 + n % 4], (n * 7 % 300)::numeric / 1.5,
           jsonb_build_object('level', (array['high', 'it''s', 'low'])[1 + n % 3], 'n', n)
    from generate_series(1, 400) as n`);
  await sql("insert into events (amount, data) values ('NaN', null), (null, '[1]'), (101, '{}')");
  const wanted = `select event_type, count(*)::int as n, sum(amount)::text as total from events
    where ${ALERTS.text} group by 1 order by 1`;
  const seen = "select event_type, n::int as n, total::text as total from alerts order by 1";
  const expected = await sql(wanted);
  expect(expected.length).toBeGreaterThan(1);
  await eventually("the view is there", async () => {
    const rows = await sql(seen);
    return JSON.stringify(rows) === JSON.stringify(expected);
  });
});

test("columns of enums and domains are read, and the rows are those of PostgreSQL", async () => {
  const database = await server.createDatabase();
  const { sql } = database;
  await sql(`create type level as enum ('low', 'high', 'extreme');
    create domain price as numeric(12,2); create domain urgency as level;
    create table events (id bigserial primary key, event_type text, amount price, level level,
      urgency urgency, created_at timestamptz not null default now())`);
  const condition = expression`(level > 'low' AND amount > 100 OR urgency::level = 'extreme')
    AND level::text <> lower(event_type) AND coalesce(urgency::level, 'low') <> level`;
  await run(define(condition), database);
  await sql(`
    insert into events (event_type, amount, level, urgency)
    select (array['Low', 'HIGH', 'x'])[1 + n % 3], n * 7 % 300,
           (array['low', 'high', 'extreme', null]::level[])[1 + n % 4],
           (array['low', 'high', 'extreme', null]::level[])[1 + n % 5 % 4]
    from generate_series(1, 400) as n`);
  const rows = (from: string) => sql(`select event_type, n::int, total::text from ${from}`);
  const expected = await rows(`(select event_type, count(*) as n, sum(amount) as total from events
    where ${condition.text} group by 1 order by 1)`);
  expect(expected.length).toBeGreaterThan(1);
  await eventually("the view is there", async () => {
    const seen = await rows("(select * from alerts order by event_type)");
    return JSON.stringify(seen) === JSON.stringify(expected);
  });
});

test("a label that an enum has not stops the start and names some that it has", async () => {
  const { url, sql } = await server.createDatabase();
  await sql(`create type level as enum ('low', 'high');
    create table events (id bigserial primary key, event_type text, amount numeric, level level,
      created_at timestamptz not null default now())`);
  const env = (name: string) => (name === "TIDEMARK_SOURCE_URL" ? url : undefined);
  await expect(start(define(expression`level = 'hihg'`), { env }).done).rejects.toMatchObject({
    code: "EXPRESSION_INVALID",
    message: expect.stringMatching(/'hihg' is no level: .*low, high/),
  });
});

test("a row for which the condition fails stops the pipeline with place and reason", async () => {
  const database = await server.createDatabase();
  await database.sql(EVENTS);
  const condition = expression`amount /
    nullif(amount, 7) / (amount - 3) > 1`;
  const { done } = await run(define(condition), database);
  await database.sql("insert into events (event_type, amount) values ('secret', 3)");
  const error = await done;
  expect(error).toMatchObject({
    code: "EXPRESSION_FAILED",
    detail: { reason: "division_by_zero", sqlstate: "22012", line: 2, column: 23 },
  });
  expect(String(error)).toMatch(/filter: Expression, line 2, column 23: Division by zero/);
  expect(String(error)).not.toMatch(/secret/);
});

test("a condition that is wrong stops the start, and check says so", async () => {
  const { url, sql } = await server.createDatabase();
  await sql(EVENTS);
  const definition = define(expression`amont > 100`);
  const env = (name: string) => (name === "TIDEMARK_SOURCE_URL" ? url : undefined);
  await expect(start(definition, { env }).done).rejects.toMatchObject({
    code: "EXPRESSION_INVALID",
    message: expect.stringMatching(/column 1: there is no column amont; did you mean amount\?/),
  });
  const findings = await checkPipeline(definition, resolveSettings(definition, env));
  expect(findings).toContainEqual(
    expect.objectContaining({ verdict: "fail", summary: expect.stringMatching(/amount\?/) }),
  );
});

test("check prints the row filter that the server could apply, and it takes it", async () => {
  const { url, sql } = await server.createDatabase();
  await sql(EVENTS);
  await sql(`create publication stream_publication for table events with (publish = 'insert')`);
  const env = (name: string) =>
    ({ TIDEMARK_SOURCE_URL: url, TIDEMARK_PUBLICATION: "stream_publication" })[name];
  const findings = async (condition: SqlText) => {
    const definition = define(condition);
    return checkPipeline(definition, resolveSettings(definition, env));
  };
  const condition = expression`amount > 100 AND event_type LIKE 'al%' OR data @> '{"a": 1}'`;
  const found = (await findings(condition)).find(({ name }) => name.startsWith("row filter"));
  expect(found?.fix).toMatch(/ADD TABLE "public"."events" WHERE \(/);
  await sql(found?.fix ?? "");
  const after = (await findings(condition)).find(({ name }) => name.startsWith("rows public"));
  expect(after?.summary).toMatch(/sends only rows where/);
  const byTime = await findings(expression`created_at > now() - interval '1 hour'`);
  expect(byTime.some(({ name }) => name.startsWith("row filter"))).toBe(false);
});

test("explain prints the condition as it was written", () => {
  expect(describePlan(define(expression`amount > ${100n}`).plan)).toMatch(
    /rows where amount > 100/,
  );
});
