// Patterns over a real slot, with kills on the way; PostgreSQL says what they have to find.
import { expect, test } from "vitest";
import { eventually } from "../../services/eventually.js";
import { usePostgres } from "../../services/postgres.js";
import { uniqueName } from "../../services/shared-service.js";
import { fileWith, type TidemarkProcess, tidemark } from "../../services/tidemark-process.js";

const { url, sql } = await usePostgres();

/** Starts the pipeline of a configuration, and again after a kill. */
async function run(config: string): Promise<TidemarkProcess> {
  const env = { TIDEMARK_SOURCE_URL: url, TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "300ms" };
  const process = tidemark(["run", config], { env });
  await process.logged("running");
  return process;
}

test("login, purchase, logout within an hour are what LEAD finds in the same rows", async () => {
  const name = uniqueName("journey");
  await sql(`create table ${name} (id bigserial primary key, user_id integer not null,
             event_type text not null, at timestamptz not null)`);
  const config = fileWith(`
import { defineConfig, pipeline, postgres, slot } from "tidemark";
export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    from("${name}", { appendOnly: true, eventTime: "at", outOfOrder: "20 minutes" })
      .keyBy("user_id")
      .match((begin) =>
        begin("login").where((e) => e.event_type === "login")
          .next("purchase").where((e) => e.event_type === "purchase")
          .next("logout").where((e) => e.event_type === "logout")
          .within("1 hour"))
      .select((first) => ({ login: first.login.id, logout: first.logout.id }))
      .into(postgres.append("${name}_found"));
  }),
);
`);
  // A day of events of 20 users, in an order that is up to ten minutes wrong.
  const insert = (from: number, to: number) =>
    sql(
      `insert into ${name} (user_id, event_type, at)
       select abs(hashint4(n)) % 20,
              (array['login', 'purchase', 'logout', 'view'])[1 + abs(hashint4(n + 9999)) % 4],
              now() - interval '2 days' + n * interval '30 seconds'
       from generate_series($1::int, $2::int) n order by n / 20, hashint4(-n)`,
      [from, to],
    );
  const first = await run(config);
  await insert(1, 1000);
  await insert(1001, 1500);
  await first.end("SIGKILL");
  await insert(1501, 2000);
  const second = await run(config);
  await insert(2001, 2880);
  const expected = await sql(
    `select user_id, id as login, logout from (
       select user_id, id, event_type, at,
              lead(event_type) over w as second, lead(event_type, 2) over w as third,
              lead(at, 2) over w as until, lead(id, 2) over w as logout
       from ${name} window w as (partition by user_id order by at, id)) rows
     where event_type = 'login' and second = 'purchase' and third = 'logout'
       and until - at < interval '1 hour'
     order by id`,
  );
  expect(expected.length).toBeGreaterThan(20);
  const found = () => sql(`select user_id, login, logout from ${name}_found order by login`);
  const isAll = async (): Promise<boolean> => (await found()).length >= expected.length;
  await eventually("all journeys are found", isAll, { explain: () => second.stderr });
  expect(await found()).toEqual(expected);
  expect(await sql(`select * from ${name}_found_late`)).toEqual([]);
  expect((await second.end("SIGTERM")).code).toBe(0);
});

test("what is not paid in time is found once on a quiet database, across a kill", async () => {
  const name = uniqueName("unpaid");
  await sql(`create table ${name} (order_id integer not null, status text not null)`);
  const config = fileWith(`
import { defineConfig, pipeline, postgres, slot } from "tidemark";
export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    from("${name}", { appendOnly: true })
      .keyBy("order_id")
      .match((begin) =>
        begin("created").where((e) => e.status === "created")
          .notFollowedBy("paid").where((e) => e.status === "paid")
          .within("4s"))
      .into(postgres.append("${name}_found"));
  }),
);
`);
  const first = await run(config);
  await sql(`insert into ${name} select n, 'created' from generate_series(1, 100) n`);
  await sql(`insert into ${name} select n, 'paid' from generate_series(1, 100) n where n % 3 = 0`);
  await first.end("SIGKILL");
  const second = await run(config);
  const found = () =>
    sql(`select f.order_id, f._matched_at - (f._events -> 0 ->> 'at')::timestamptz
           = interval '4s' as is_on_time from ${name}_found f order by 1`);
  const isAll = async (): Promise<boolean> => (await found()).length >= 67;
  await eventually("all unpaid orders are found", isAll, { explain: () => second.stderr });
  const unpaid = Array.from({ length: 100 }, (_, i) => i + 1).filter((n) => n % 3 !== 0);
  expect(await found()).toEqual(unpaid.map((order_id) => ({ order_id, is_on_time: true })));
  await second.end("SIGKILL");
  const third = await run(config);
  await sql(`insert into ${name} values (1, 'other')`);
  expect((await third.end("SIGTERM")).code).toBe(0);
  expect(await found()).toHaveLength(67);
});
