// Commits one row at a time and looks how long it takes until the row's own group is in the view.
// The looking is a tight loop of prepared selects on a second connection: one round trip a turn,
// which is the resolution, and which is measured beside it on the source table.
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { answerAndExit, type ProberOrder, type ProberReport, readOrder } from "./order.js";

/** A row that is not there after this long is lost, not late. */
const LOST_AFTER_MS = 30_000;
const FLUSH_EVERY = 5;

const order = readOrder<ProberOrder>();
const { table, view, series } = order;
const writer = await connect();
const observer = await connect();
const insert = `insert into ${table} (event_type, user_id, amount, data, created_at)
  values ($1, 1, 1.00, '{}', clock_timestamp()) returning id`;
const lookInView = `select 1 from ${view} where event_type = $1`;
const lookInSource = `select 1 from ${table} where id = $1`;
await writer.query(`create table if not exists bench_flush (k text primary key, n bigint)`);
await writer.query("insert into bench_flush values ('progress', 0) on conflict do nothing");

const report: ProberReport = { visibleMs: [], polls: [], observerMs: [], flushMs: [] };
const endMs = performance.now() + order.seconds * 1000;
for (let i = 0; i < order.probes && performance.now() < endMs; i++) {
  await pause(5 + Math.random() * 15);
  await probe(`${series}_${i}`);
  if (i % FLUSH_EVERY === 0) report.flushMs.push(await bareFlush(`${series}_${i}`));
}
await Promise.all([writer.end(), observer.end()]);
answerAndExit(report);

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: order.url });
  await client.connect();
  return client;
}

async function probe(key: string): Promise<void> {
  const { rows } = await writer.query({ name: "insert", text: insert, values: [key] });
  const committedMs = performance.now();
  let polls = 0;
  for (let found = 0; found === 0; polls++) {
    const result = await observer.query({ name: "view", text: lookInView, values: [key] });
    found = result.rowCount ?? 0;
    if (performance.now() - committedMs > LOST_AFTER_MS) {
      throw new Error(`Probe ${key} is not in the view after ${LOST_AFTER_MS} ms.`);
    }
  }
  const visibleMs = performance.now();
  await observer.query({ name: "source", text: lookInSource, values: [rows[0]?.id] });
  report.observerMs.push(performance.now() - visibleMs);
  report.visibleMs.push(visibleMs - committedMs);
  report.polls.push(polls);
}

/** What the server needs for a transaction such as the pipeline's smallest write. */
async function bareFlush(key: string): Promise<number> {
  const beganMs = performance.now();
  await writer.query("begin");
  await writer.query("update bench_flush set n = n + 1 where k = 'progress'");
  await writer.query({
    name: "upsert",
    text: "insert into bench_flush values ($1, 1) on conflict (k) do update set n = excluded.n",
    values: [key],
  });
  await writer.query("commit");
  return performance.now() - beganMs;
}
