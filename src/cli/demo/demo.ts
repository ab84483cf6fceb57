import { mkdir, readdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import pg from "pg";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, parseLsn } from "../../core/lsn.js";
import { type RunningPipeline, start } from "../../index.js";
import { type PostgresServer, startPostgres } from "../embedded/postgres-server.js";
import { onStopSignal } from "../run.js";
import { Generator } from "./generator.js";
import { demoPipeline, EVENTS_TABLE, SOURCE_QUERY } from "./pipeline.js";
import { type DemoFrame, DemoScreen } from "./screen.js";

/** Options as the command line gives them. */
export interface DemoCommandOptions {
  readonly dataDir?: string;
  readonly rate: string;
  readonly seconds?: string;
  readonly fresh?: boolean;
}

const FRAME_MS = 1_000;
const CATCH_UP_MS = 20_000;

/**
 * Starts an embedded PostgreSQL, writes events, keeps `mv_realtime_stats` and shows it; at the end
 * compares the view with the same query on the source. The database stays, so that the next run
 * goes on where this one stopped.
 */
export async function demoCommand(options: DemoCommandOptions): Promise<void> {
  const rate = positive(options.rate, "--rate");
  const seconds = options.seconds === undefined ? null : positive(options.seconds, "--seconds");
  const dataDir = resolve(options.dataDir ?? defaultFolder());
  await mkdir(dataDir, { recursive: true });
  const isCluster = (await readdir(dataDir)).includes("PG_VERSION");
  const isKept = isCluster && options.fresh !== true;
  // Only what is a database is removed, whatever folder was named.
  if (isCluster && !isKept) {
    await rm(dataDir, { recursive: true });
    await mkdir(dataDir);
  }
  say(`${isKept ? "Going on with" : "Starting"} PostgreSQL in ${dataDir} …`);
  const server = await startPostgres({ dataDir });
  try {
    await withServer(server, rate, seconds);
  } finally {
    await server.close();
  }
}

/** Root's home may be closed to the account that PostgreSQL then runs under. */
function defaultFolder(): string {
  return process.getuid?.() === 0 ? "/var/tmp/tidemark-demo" : ".tidemark/demo";
}

async function withServer(server: PostgresServer, rate: number, seconds: number | null) {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  client.on("error", () => {}); // shows itself at the next query
  await client.query(EVENTS_TABLE);
  const running = start(demoPipeline(server.url));
  const generator = new Generator(server.url, rate);
  say(`psql "${server.url}"`);
  say("  select * from mv_realtime_stats order by time_window desc;\n");
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const release = onStopSignal(finish);
  const limit = seconds === null ? null : setTimeout(finish, seconds * 1000);
  const screen = new DemoScreen();
  const watch = watchView(client, running, (frame) => screen.show(frame));
  try {
    await Promise.race([
      finished,
      running.done,
      generator.start(() => finish()).then(() => finished),
    ]);
  } finally {
    if (limit !== null) clearTimeout(limit);
    await watch.stop();
    await generator.stop();
  }
  try {
    await compare(client, running);
  } finally {
    await running.stop();
    await client.end();
    release();
  }
  await running.done;
}

function watchView(
  client: pg.Client,
  running: RunningPipeline,
  show: (frame: DemoFrame) => void,
): { stop(): Promise<void> } {
  let before = { changes: 0, atMs: performance.now() };
  let last: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    const { status } = running;
    const found = await client.query(`select to_regclass('mv_realtime_stats') as view`);
    if (status === null || found.rows[0]?.view === null) return;
    const { rows } = await client.query({
      text: `select event_type, time_window::text, event_count::text, total_amount::text
             from mv_realtime_stats order by time_window desc, event_type limit 10`,
      rowMode: "array",
    });
    const now = { changes: status.changes, atMs: performance.now() };
    const rowsPerSecond = ((now.changes - before.changes) * 1000) / (now.atMs - before.atMs);
    before = now;
    const lag = await client.query(
      "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), $1) as lag",
      [formatLsn(status.applied)],
    );
    show({ status, rowsPerSecond, lagBytes: Number(lag.rows[0]?.lag), rows });
  };
  const timer = setInterval(() => {
    last = last.then(look).catch(() => {}); // the pipeline reports what is wrong
  }, FRAME_MS);
  return {
    async stop() {
      clearInterval(timer);
      await last;
    },
  };
}

/** Waits until the view has everything, then compares it with the query it stands for. */
async function compare(client: pg.Client, running: RunningPipeline): Promise<void> {
  const { rows } = await client.query("select pg_current_wal_flush_lsn()::text as lsn");
  const end = parseLsn(String(rows[0]?.lsn));
  const deadline = performance.now() + CATCH_UP_MS;
  while ((running.status?.applied ?? 0n) < end && performance.now() < deadline) {
    await client.query("select pg_logical_emit_message(false, 'tidemark', 'demo', true)");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const view = "select event_type, time_window, event_count, total_amount from mv_realtime_stats";
  const difference = await client.query(
    `select (select count(*) from ((${SOURCE_QUERY}) except (${view})) missing)::int as missing,
            (select count(*) from ((${view}) except (${SOURCE_QUERY})) extra)::int as extra,
            (select count(*) from mv_realtime_stats)::int as rows,
            (select count(*) from events)::text as events`,
  );
  const { missing, extra, rows: viewRows, events } = difference.rows[0] ?? {};
  const counts = `${viewRows} rows in the view, from ${Number(events).toLocaleString("en")} events`;
  if (missing === 0 && extra === 0) {
    say(`\nThe view equals the query on the source: ${counts}.`);
    return;
  }
  throw new Error(`the view differs: ${missing} rows missing, ${extra} too many (${counts})`);
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new TidemarkError("CONFIG_INVALID", `${option} takes a number above 0, not "${text}".`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
