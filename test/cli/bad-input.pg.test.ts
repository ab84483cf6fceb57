import { tmpdir } from "node:os";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../src/cli/embedded/supervise.js";
import { ERROR_CODES, type ErrorCode } from "../../src/core/error-codes.js";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import type { Sql } from "../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";

const [server, noLogical, oneOfEach] = await Promise.all([
  ownPostgres({ settings: { max_replication_slots: "60", max_wal_senders: "20" } }),
  ownPostgres({ settings: { wal_level: "replica" } }),
  ownPostgres({ settings: { max_replication_slots: "1", max_wal_senders: "1" } }),
]);
const PASSWORD = "correct-horse-battery";

/** What a case changes of a pipeline that would run. */
interface Parts {
  readonly name?: string;
  readonly slot?: string;
  readonly options?: string;
  readonly from?: string;
  readonly groupBy?: string;
  readonly aggregates?: string;
  readonly view?: string;
}

function configText(parts: Parts = {}): string {
  const { name = uniqueName("bad"), slot = "{}", options = "", from = "sales" } = parts;
  const { groupBy = "shop", aggregates = "{ rows: count() }", view = `${name}_view` } = parts;
  return `
import { avg, count, defineConfig, pipeline, postgres, slot, sum, tumbling } from "tidemark";
export default defineConfig(
  pipeline("${name}", { source: slot(${slot}), ${options} }, (from) => {
    from("${from}", { appendOnly: true })
      .groupBy("${groupBy}")
      .window(tumbling("1 hour"))
      .aggregate(${aggregates})
      .into(postgres.view("${view}"));
  }),
);
`;
}

const tables = `create table if not exists sales (shop integer not null, amount bigint, note text);
  create table if not exists other (shop integer not null)`;
for (const { sql } of [server, noLogical, oneOfEach]) await sql(tables);

function run(text: string, url = server.url, args: readonly string[] = []): TidemarkProcess {
  const env = { TIDEMARK_SOURCE_URL: url, TIDEMARK_SLOT_WAIT: "500ms" };
  return tidemark(["run", fileWith(text), ...args], { env });
}

/** The run must end by itself, with one sentence that holds `words` and the code's exit code. */
async function refuses(process: TidemarkProcess, code: ErrorCode, words: RegExp): Promise<void> {
  const { code: exitCode, stderr, stdout } = await process.ended;
  const sentences = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  expect(sentences, stderr).toHaveLength(1);
  expect(sentences[0]).toMatch(words);
  expect(sentences[0]).toMatch(new RegExp(`^tidemark: .+ \\[${code}\\]$`));
  expect(stderr).not.toMatch(/this is a bug|\n\s+at |undefined|\[object/);
  for (const secret of [PASSWORD, new URL(server.url).password, new URL(noLogical.url).password]) {
    expect(stdout + stderr).not.toContain(secret);
  }
  expect(exitCode).toBe(ERROR_CODES[code].exitCode);
}

function urlOf(base: string, change: (url: URL) => void): string {
  const url = new URL(base);
  change(url);
  return url.href;
}

/** What a role needs where its results go. */
const RESULTS = [
  "grant create on schema public",
  "grant usage, create on schema tidemark",
  "grant all on all tables in schema tidemark",
];

async function role(attributes: string, grants: readonly string[] = []): Promise<string> {
  const name = uniqueName("role");
  await server.sql(`create role ${name} login ${attributes} password '${PASSWORD}'`);
  await server.sql(`grant select on sales, other to ${name}`);
  for (const grant of grants) await server.sql(`${grant} to ${name}`);
  return urlOf(server.url, (url) => {
    url.username = name;
    url.password = PASSWORD;
  });
}

/** The first run on a server makes the schema tidemark. */
async function firstRun(): Promise<void> {
  const process = run(configText());
  await process.logged("running");
  await process.end("SIGTERM");
}

describe("a server that cannot be read", () => {
  test("does not answer", async () => {
    const url = `postgresql://reader:${PASSWORD}@127.0.0.1:${await freePort()}/shop`;
    await refuses(run(configText(), url), "SOURCE_UNREACHABLE", /check host, port/);
  });

  test("has a name that cannot be resolved", async () => {
    const url = `postgresql://reader:${PASSWORD}@no-such-host.invalid/shop`;
    await refuses(run(configText(), url), "SOURCE_UNREACHABLE", /check host, port/);
  });

  test("refuses the password", async () => {
    const url = urlOf(server.url, (u) => {
      u.password = `${PASSWORD}-wrong`;
    });
    await refuses(run(configText(), url), "SOURCE_AUTH", /correct user and password/);
  });

  test("has no such database", async () => {
    const url = urlOf(server.url, (u) => {
      u.pathname = "/nowhere";
    });
    await refuses(run(configText(), url), "CONFIG_INVALID", /does not exist; correct the URL/);
  });

  test("runs with wal_level = replica", async () => {
    const process = run(configText(), noLogical.url);
    await refuses(process, "SOURCE_WAL_LEVEL", /ALTER SYSTEM SET wal_level/);
  });

  test("has no free slot, then no free walsender", async () => {
    const make = "select pg_create_logical_replication_slot('taken', 'pgoutput')";
    await oneOfEach.sql(make);
    const noSlot = run(configText(), oneOfEach.url);
    await refuses(noSlot, "SLOT_LIMIT", /max_replication_slots/);
    await oneOfEach.sql("select pg_drop_replication_slot('taken')");

    const other = new pg.Client({ connectionString: `${oneOfEach.url}?replication=database` });
    await other.connect();
    onTestFinished(() => other.end());
    await refuses(run(configText(), oneOfEach.url), "SLOT_LIMIT", /max_wal_senders/);
  });

  test("gives the role no REPLICATION", async () => {
    await firstRun();
    const url = await role("noreplication", RESULTS);
    await refuses(
      run(configText(), url),
      "SOURCE_PRIVILEGE",
      /ALTER ROLE "\w+" (WITH )?REPLICATION/,
    );
  });

  test("gives the role no right to create the publication", async () => {
    await firstRun();
    const url = await role("replication", RESULTS);
    await refuses(run(configText(), url), "SOURCE_PRIVILEGE", /tidemark check prints the GRANT/);
  });
});

describe("results that cannot be written", () => {
  test("because the role may not create anything", async () => {
    const url = await role("replication");
    await refuses(
      run(configText(), url),
      "SINK_REFUSED",
      /lacks a privilege in the \w+ database; tidemark check prints the GRANT/,
    );
  });

  test("because the table exists with other columns", async () => {
    await server.sql("create table occupied (shop integer, price money)");
    const process = run(configText({ view: "occupied" }));
    await refuses(process, "VIEW_MISMATCH", /column "window_start" is missing.*drop the table/);
  });
});

describe("a source table", () => {
  test("that does not exist", async () => {
    const process = run(configText({ from: "sale" }));
    await refuses(process, "SOURCE_TABLE_MISSING", /public\.sale does not exist.*create it/);
  });

  test("that an existing publication leaves out", async () => {
    await server.sql("create publication of_other for table other");
    const process = run(configText({ slot: '{ publication: "of_other" }' }));
    await refuses(process, "SOURCE_TABLE_MISSING", /ALTER PUBLICATION "of_other" ADD TABLE/);
  });

  test("without the column that the plan names", async () => {
    const process = run(configText({ groupBy: "store" }));
    await refuses(process, "PLAN_INVALID", /no column "store"; it has shop, amount, note/);
  });

  test("with a column that has no sum", async () => {
    const process = run(configText({ aggregates: '{ total: sum("note") }' }));
    await refuses(process, "PLAN_INVALID", /sum.*"note".*text/);
  });
});

describe("a configuration file", () => {
  test.each([
    ["an unknown option of slot", { slot: '{ slott: "x" }' }, /slot\(\): unknown option slott/],
    [
      "an unknown option of pipeline",
      { options: "flush: 1" },
      /pipeline\(\): unknown option flush/,
    ],
    ["a malformed duration", { options: 'flushInterval: "soon"' }, /flushInterval/],
    ["a URL of another kind", { slot: '{ url: "mysql://x" }' }, /postgresql:\/\//],
    ["a slot name that is none", { slot: '{ slot: "My Slot" }' }, /lower-case letters/],
  ])("with %s", async (_, parts, words) => {
    await refuses(run(configText(parts)), "CONFIG_INVALID", words);
  });

  test("with a syntax error", async () => {
    await refuses(
      run("export default defineConfig(("),
      "CONFIG_INVALID",
      /cannot be loaded, correct it: .*:1:\d+/,
    );
  });

  test("that throws", async () => {
    await refuses(run("throw new Error('nothing here')"), "CONFIG_INVALID", /nothing here/);
  });

  test("without a default export", async () => {
    await refuses(run("export const x = 1;"), "CONFIG_NOT_FOUND", /export default defineConfig/);
  });

  test("that does not exist", async () => {
    const named = tidemark(["run", "nowhere.config.ts"]);
    await refuses(named, "CONFIG_NOT_FOUND", /nowhere\.config\.ts does not exist/);
    const unnamed = tidemark(["run"], { cwd: tmpdir() });
    await refuses(unnamed, "CONFIG_NOT_FOUND", /tidemark\.config\.ts/);
  });

  test("without a source", async () => {
    const process = tidemark(["run", fileWith(configText())]);
    await refuses(process, "CONFIG_INVALID", /TIDEMARK_SOURCE_URL/);
  });
});

test.each([
  [["run", "--adopt"], /unknown option '--adopt'/],
  [["rum"], /unknown command 'rum'/],
])("the command line %j is refused with a hint at --help", async (args, words) => {
  const { code, stderr } = await tidemark(args).ended;
  expect(code).toBe(2);
  expect(stderr).toMatch(words);
  expect(stderr).toMatch(/^tidemark: [^\n]*--help\.\n$/);
});

describe("a slot", () => {
  /** A pipeline that has run and was stopped. */
  async function hasRun(): Promise<{ name: string; slot: string; text: string; sql: Sql }> {
    const name = uniqueName("bad");
    const text = configText({ name });
    const process = run(text);
    await process.logged("running");
    await process.end("SIGTERM");
    const slot = `tidemark_${name}`;
    await eventually("the slot is free", async () => {
      const query = "select active from pg_replication_slots where slot_name = $1";
      return (await server.sql(query, [slot]))[0]?.["active"] === false;
    });
    return { name, slot, text, sql: server.sql };
  }

  test("that exists without a checkpoint", async () => {
    const name = uniqueName("bad");
    const make = "select pg_create_logical_replication_slot($1, 'pgoutput')";
    await server.sql(make, [`tidemark_${name}`]);
    const words = /--adopt-slot .*pg_drop_replication_slot/;
    await refuses(run(configText({ name })), "SLOT_WITHOUT_CHECKPOINT", words);
  });

  test("of another plugin", async () => {
    const name = uniqueName("bad");
    const make = "select pg_create_physical_replication_slot($1)";
    await server.sql(make, [`tidemark_${name}`]);
    await refuses(run(configText({ name })), "SLOT_FOREIGN", /another slot name/);
  });

  test("that was dropped", async () => {
    const { slot, text, sql } = await hasRun();
    await sql("select pg_drop_replication_slot($1)", [slot]);
    await refuses(run(text), "SLOT_MISSING", /--reset/);
  });

  test("that was advanced by hand", async () => {
    const { slot, text, sql } = await hasRun();
    await sql("insert into sales values (1, 1)");
    await sql("select pg_replication_slot_advance($1, pg_current_wal_lsn())", [slot]);
    await refuses(run(text), "SLOT_AHEAD", /beyond the checkpoint.*--reset/);
  });

  test("that was dropped and made anew", async () => {
    const { slot, text, sql } = await hasRun();
    await sql("select pg_drop_replication_slot($1)", [slot]);
    await sql("insert into sales values (1, 1)");
    await sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await refuses(run(text), "SLOT_AHEAD", /made anew/);
  });

  test("whose checkpoint comes from another server", async () => {
    const { name, text, sql } = await hasRun();
    for (const table of ["checkpoint", "progress"]) {
      await sql(`update tidemark.${table} set system_id = '1' where pipeline = $1`, [name]);
    }
    await refuses(run(text), "OTHER_SYSTEM", /Check the source URL.*--reset/);
  });

  test("that another instance reads", async () => {
    const name = uniqueName("bad");
    const text = configText({ name });
    const first = run(text);
    await first.logged("running");
    await refuses(run(text), "SLOT_ACTIVE", /PID \d+, application "tidemark tidemark_\w+"/);
    // The loser has not fenced off the one that reads.
    await server.sql("insert into sales values (9, 9)");
    const query = `select 1 from ${name}_view where shop = 9`;
    const explain = (): string => first.stderr;
    await eventually("the row", async () => (await server.sql(query)).length === 1, { explain });
    expect(first.isRunning()).toBe(true);
  });
});

test("an instance whose results a newer one has claimed writes nothing and is FENCED", async () => {
  const name = uniqueName("bad");
  const process = run(configText({ name }));
  await process.logged("running");
  await server.sql("update tidemark.progress set epoch = epoch + 1 where pipeline = $1", [name]);
  await server.sql("insert into sales values (8, 8)");
  await refuses(process, "FENCED", /has taken over/);
  expect(await server.sql(`select * from ${name}_view`)).toEqual([]);
});

test("a checkpoint block that was tampered with is CHECKPOINT_CORRUPT", async () => {
  const name = uniqueName("bad");
  const text = configText({ name });
  const first = run(text);
  await first.logged("running");
  await server.sql("insert into sales values (7, 7)");
  const blocks = "select 1 from tidemark.checkpoint_block where pipeline = $1";
  await eventually("a block", async () => (await server.sql(blocks, [name])).length > 0);
  await first.end("SIGTERM");
  await server.sql(
    `update tidemark.checkpoint_block set bytes = set_byte(bytes, 5, get_byte(bytes, 5) # 255)
     where pipeline = $1`,
    [name],
  );
  await refuses(run(text), "CHECKPOINT_CORRUPT", /./);
});
