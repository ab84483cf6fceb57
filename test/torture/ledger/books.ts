import type { Sql } from "../../services/sql.js";

/** Widths that the view which changes takes turns in. */
export const SPANS: readonly string[] = ["1 minute", "2 minutes"];

/**
 * The pipeline whose results are checked against the books: a view, tables of every change, and a
 * view whose windows are `span` wide: state of another width fits it no more.
 */
export function ledgerConfig(name: string, span: string): string {
  return `
import { count, defineConfig, max, pipeline, postgres, slot, sum, tumbling } from "tidemark";

export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    from("wl_event", { eventTime: "at", appendOnly: true })
      .groupBy("key")
      .window(tumbling("1 minute", "minute"))
      .aggregate({ rows: count(), total: sum("amount"), newest: max("seq") })
      .into(postgres.view("event_minutes"));
    from("wl_event", { eventTime: "at", appendOnly: true })
      .groupBy("key")
      .window(tumbling("${span}", "span"))
      .aggregate({ rows: count(), total: sum("amount") })
      .into(postgres.view("event_spans"));
    from("wl_event", { appendOnly: true }).into(postgres.append("event_log"));
    from("wl_tx", { appendOnly: true }).into(postgres.append("tx_log"));
    from("wl_item").changes().into(postgres.append("item_log"));
  }),
);
`;
}

/** The two databases, and nothing else: the check believes neither the pipeline nor the writers. */
export interface Books {
  readonly source: Sql;
  readonly results: Sql;
  readonly spans: Spans;
}

/** What the view that changes has to hold now. */
export interface Spans {
  readonly width: string;
  /** LSN of the checkpoint after which it has counted: where its state was dropped last. */
  readonly since: string;
}

const TRANSACTIONS = `
  select t.tx_id::text as id, t.n, t.sum::text as sum, coalesce(e.n, 0) as counted,
         coalesce(e.sum, 0)::text as added
  from TX t left join (
    select tx_id, count(*)::int as n, sum(amount) as sum from EVENTS group by tx_id
  ) e on e.tx_id = t.tx_id`;

const MINUTES = `
  select key, date_trunc('minute', at) as minute, count(*)::int as rows, sum(amount)::int as total,
         max(seq)::int as newest
  from wl_event group by 1, 2`;

/**
 * Compares the books when everything has arrived and nobody writes. Each line of the result is a
 * promise that was broken: L1 all of each transaction, L2 each change once, L3 nothing that was
 * rolled back, L4 each key's numbers without a gap and in order, L6 the views and the items as the
 * source has them.
 */
export async function compareBooks(books: Books): Promise<string[]> {
  const found = await Promise.all([
    transactions(books),
    changes(books),
    rolledBack(books),
    numbers(books),
    minutes(books),
    spans(books),
    items(books),
  ]);
  return found.flat();
}

async function transactions({ source, results }: Books): Promise<string[]> {
  const inTables = (tx: string, events: string): string =>
    TRANSACTIONS.replace("TX", tx).replace("EVENTS", events);
  const [wanted, actual] = await Promise.all([
    linesOf(source, inTables("wl_tx", "wl_event")),
    linesOf(results, inTables("tx_log", "event_log")),
  ]);
  return differing("L1 transactions", wanted, actual);
}

async function changes({ source, results }: Books): Promise<string[]> {
  const counts = (prefix: string, suffix: string): string =>
    ["event", "tx"].map((t) => `(select count(*)::int from ${prefix}${t}${suffix}) as ${t}`).join();
  const [wanted] = await source(`select ${counts("wl_", "")}`);
  const [actual] = await results(`select ${counts("", "_log")}`);
  const [twice] = await results(
    `select count(*)::int as n from (
       select 1 from event_log group by _commit_lsn, _ordinal having count(*) > 1) d`,
  );
  const same = JSON.stringify(wanted) === JSON.stringify(actual);
  return [
    ...(same ? [] : [`L2 rows: ${JSON.stringify(actual)} instead of ${JSON.stringify(wanted)}`]),
    ...(twice?.["n"] === 0 ? [] : [`L2 ${twice?.["n"]} positions occur twice`]),
  ];
}

async function rolledBack({ results }: Books): Promise<string[]> {
  const [row] = await results("select count(*)::int as n from event_log where not is_kept");
  return row?.["n"] === 0 ? [] : [`L3 ${row?.["n"]} rows of rolled back work`];
}

async function numbers({ results }: Books): Promise<string[]> {
  const rows = await results(
    `select key, count(*)::int as gaps from (
       select key, seq - lag(seq, 1, seq - 1)
         over (partition by key order by _commit_lsn, _ordinal) as step from event_log) s
     where step <> 1 group by key`,
  );
  return rows.map(({ key, gaps }) => `L4 key ${key} has ${gaps} steps that are not +1`);
}

async function minutes({ source, results }: Books): Promise<string[]> {
  const [wanted, actual] = await Promise.all([
    linesOf(source, MINUTES),
    linesOf(results, "select key, minute, rows::int, total::int, newest::int from event_minutes"),
  ]);
  return differing("L6 minutes", wanted, actual);
}

/**
 * Compared with the log in the results, since the source does not tell what was committed when. A
 * transaction is new from where its commit record begins, which may be where the checkpoint ends.
 */
async function spans({ results, spans: { width, since } }: Books): Promise<string[]> {
  const [wanted, actual] = await Promise.all([
    linesOf(
      results,
      `select key, date_bin('${width}', at, timestamptz 'epoch') as span, count(*)::int as rows,
              sum(amount)::int as total
       from event_log where _commit_lsn >= '${since}' group by 1, 2`,
    ),
    linesOf(results, "select key, span, rows::int, total::int from event_spans"),
  ]);
  return differing("L6 spans", wanted, actual);
}

/** Plays the changes of the items back and compares what is left. */
async function items({ source, results }: Books): Promise<string[]> {
  const wanted = await linesOf(source, "select id::text, tx_id::text as tx, value from wl_item");
  const changes = await results(
    `select _op as op, id::text, tx_id::text as tx, value, _before ->> 'id' as was
     from item_log order by _commit_lsn, _ordinal`,
  );
  const kept = new Map<string, string>();
  for (const { op, id, tx, value, was } of changes) {
    if (op === "truncate") kept.clear();
    else if (op === "delete") kept.delete(String(id));
    else {
      if (op === "update" && typeof was === "string") kept.delete(was);
      kept.set(String(id), JSON.stringify({ id, tx, value }));
    }
  }
  return differing("L6 items", wanted, new Set(kept.values()));
}

async function linesOf(sql: Sql, query: string): Promise<Set<string>> {
  const rows = await sql(`select row_to_json(r)::text as line from (${query}) r`);
  return new Set(rows.map(({ line }) => JSON.stringify(JSON.parse(String(line)))));
}

function differing(what: string, wanted: Set<string>, actual: Set<string>): string[] {
  const missing = [...wanted].filter((line) => !actual.has(line));
  const surplus = [...actual].filter((line) => !wanted.has(line));
  if (missing.length === 0 && surplus.length === 0) return [];
  const examples = [...missing.slice(0, 2), "instead of", ...surplus.slice(0, 2)].join(" ");
  return [`${what}: ${missing.length} missing, ${surplus.length} too many: ${examples}`];
}
