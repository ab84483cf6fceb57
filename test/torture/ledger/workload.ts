import type pg from "pg";
import type { Random } from "../random.js";
import { type Ending, type Writers, writeRounds } from "../write-rounds.js";

/** What the writers write to. `wl_key` is not published: it hands out the numbers of a key. */
export const TABLES = `
  create table wl_key (key integer primary key, seq bigint not null default 0);
  insert into wl_key select generate_series(0, 11);
  create table wl_event (
    id bigint generated always as identity primary key,
    tx_id bigint not null,
    key integer not null,
    seq bigint not null,
    amount integer not null,
    at timestamptz not null,
    is_kept boolean not null
  );
  create index on wl_event (tx_id);
  create table wl_item (id bigint primary key, tx_id bigint not null, value integer not null);
  create table wl_tx (tx_id bigint primary key, n integer not null, sum bigint not null)`;

/** $2 rows of key $1 in transaction $3; $4: whether they are meant to be committed. */
const EVENTS = `
  with k as (update wl_key set seq = seq + $2::int where key = $1 returning seq),
  added as (
    insert into wl_event (tx_id, key, seq, amount, at, is_kept)
    select $3, $1, k.seq - $2::int + g, (random() * 2000 - 1000)::int,
           clock_timestamp() - random() * interval '5 minutes', $4
    from k, generate_series(1, $2::int) g
    returning amount)
  select count(*)::int as n, coalesce(sum(amount), 0)::int as sum from added`;

const WRITERS = 3;

/**
 * Three connections write at the same time, each to keys of its own: some rows, savepoints that are
 * rolled back, items that are inserted, updated (their key, too) and deleted, and last the row of
 * `wl_tx` that says how many events the transaction has and their sum. A tenth is rolled back. Now
 * and then one of them truncates the items. Whatever fails because the server is down is tried
 * anew; what was committed, the tables know. It begins at rest.
 */
export function startWorkload(url: string, random: Random): Writers {
  let nextId = 1;
  return writeRounds(url, {
    connections: WRITERS,
    paceMs: 60,
    isExpected: () => true,
    beginsAtRest: true,
    write: (client, lane) => write({ client, lane, txId: nextId++, random }),
    between: async (client) => {
      if (random.chance(0.01)) await client.query("truncate wl_item");
    },
  });
}

interface Writer {
  readonly client: pg.Client;
  readonly lane: number;
  readonly txId: number;
  readonly random: Random;
}

/** Everything of one transaction but its end, which is returned. */
async function write(writer: Writer): Promise<Ending> {
  const { client, txId, random } = writer;
  const isRollback = random.chance(0.1);
  await client.query("begin");
  let n = 0;
  let sum = 0;
  const addEvents = async (isKept: boolean): Promise<void> => {
    const key = writer.lane + WRITERS * random.between(0, 3);
    const added = await client.query(EVENTS, [key, sizeOf(random), txId, isKept && !isRollback]);
    if (!isKept) return;
    n += added.rows[0].n;
    sum += added.rows[0].sum;
  };
  for (let part = random.between(1, 2); part > 0; part--) await addEvents(true);
  if (random.chance(0.2)) {
    await client.query("savepoint undone");
    await addEvents(false);
    await client.query("rollback to undone");
    await client.query("savepoint kept");
    await addEvents(true);
    await client.query("release kept");
  }
  if (random.chance(0.5)) await changeItems(writer);
  await client.query("insert into wl_tx values ($1, $2, $3)", [txId, n, sum]);
  return isRollback ? "rollback" : "commit";
}

function sizeOf(random: Random): number {
  if (random.chance(0.7)) return random.between(1, 3);
  return random.chance(0.9) ? random.between(1, 60) : random.between(200, 800);
}

/** A lane has the items whose id is its own modulo the number of writers. */
async function changeItems({ client, lane, txId, random }: Writer): Promise<void> {
  const mine = `id in (select id from wl_item where id % ${WRITERS} = ${lane} order by random()`;
  const ids = Array.from({ length: random.between(1, 5) }, (_, i) => {
    return (txId * 10 + i) * WRITERS + lane;
  });
  await client.query(
    "insert into wl_item select id, $2, (random() * 1000)::int from unnest($1::bigint[]) id",
    [ids, txId],
  );
  if (random.chance(0.6)) {
    await client.query(
      `update wl_item set value = value + 1, tx_id = $1 where ${mine} limit ${random.between(1, 4)})`,
      [txId],
    );
  }
  if (random.chance(0.2)) {
    const to = (txId * 10 + 9) * WRITERS + lane;
    await client.query(`update wl_item set id = $1, tx_id = $2 where ${mine} limit 1)`, [to, txId]);
  }
  if (random.chance(0.4)) {
    await client.query(`delete from wl_item where ${mine} limit ${random.between(1, 3)})`);
  }
}
