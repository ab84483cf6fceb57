import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { checkPipeline } from "../../src/cli/check/check-pipeline.js";
import type { Finding } from "../../src/cli/check/finding.js";
import { renderFindings } from "../../src/cli/check/render-findings.js";
import { formatLsn, parseLsn } from "../../src/core/lsn.js";
import {
  count,
  type PipelineDefinition,
  pipeline,
  postgres,
  type Settings,
  slot,
  start,
  sum,
  tumbling,
} from "../../src/index.js";
import { resolveSettings } from "../../src/pipeline/settings.js";
import { ownPostgres, type TestDatabase, usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";

const server = await usePostgres();

interface Setup {
  readonly database: TestDatabase;
  readonly definition: PipelineDefinition;
  readonly settings: Settings;
  /** The findings by name; each name once. */
  check(changes?: { url?: string; resultsUrl?: string }): Promise<Map<string, Finding>>;
}

interface SetupOptions {
  readonly aggregate?: Parameters<typeof sum>[0];
  readonly table?: string;
  readonly createPublication?: boolean;
  readonly schema?: string;
}

const EVENTS = `create table events (id bigint primary key, kind text not null, amount numeric,
  created_at timestamptz not null)`;

async function setup(options: SetupOptions = {}): Promise<Setup> {
  const database = await server.createDatabase();
  await database.sql(options.schema ?? EVENTS);
  const name = uniqueName("check");
  const { url } = database;
  const { createPublication } = options;
  const definition = pipeline<Record<string, Record<string, never>>>(
    name,
    { source: slot({ createPublication }) },
    (from) => {
      from(options.table ?? "public.events", { eventTime: "created_at" as never, appendOnly: true })
        .groupBy("kind" as never)
        .window(tumbling("1 minute"))
        .aggregate({ n: count(), total: sum((options.aggregate ?? "amount") as never) })
        .into(postgres.view("totals"));
    },
  );
  const settings = (urls: Record<string, string | undefined>) =>
    resolveSettings(definition, (variable) => urls[variable]);
  return {
    database,
    definition,
    settings: settings({ TIDEMARK_SOURCE_URL: url }),
    async check(changes = {}) {
      const findings = await checkPipeline(
        definition,
        settings({
          TIDEMARK_SOURCE_URL: changes.url ?? url,
          TIDEMARK_RESULTS_URL: changes.resultsUrl,
        }),
      );
      const byName = new Map(findings.map((finding) => [finding.name, finding]));
      expect(findings.map(({ name: each }) => each)).toEqual([...byName.keys()]);
      return byName;
    },
  };
}

const verdicts = (findings: Map<string, Finding>): Record<string, string> =>
  Object.fromEntries([...findings].map(([name, { verdict }]) => [name, verdict]));

async function createSlot({ database, settings }: Setup): Promise<void> {
  await database.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [
    settings.source.slotName,
  ]);
}

/** Runs the pipeline until it reads, and stops it. */
async function runOnce({ definition, database }: Setup): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const running = start(definition, {
      env: (name) => (name === "TIDEMARK_SOURCE_URL" ? database.url : undefined),
      onRunning: () => void running.stop().then(resolve, reject),
    });
    running.done.catch(reject);
  });
}

const roles: string[] = [];
afterEach(async () => {
  for (const role of roles.splice(0)) await server.sql(`drop role if exists ${role}`);
});

/** URL of a new role that owns nothing. */
async function loginAs(database: TestDatabase, attributes = ""): Promise<string> {
  const role = uniqueName("role");
  await database.sql(`create role ${role} login password 'p' ${attributes}`);
  roles.push(role);
  const url = new URL(database.url);
  url.username = role;
  url.password = "p";
  return url.href;
}

describe("a healthy source", () => {
  test("has one warning, for the missing limit of WAL, before the first run", async () => {
    const findings = await (await setup()).check();
    expect(verdicts(findings)).toEqual({
      node: "ok",
      source: "ok",
      "source TLS": "ok",
      version: "ok",
      wal_level: "ok",
      role: "ok",
      "replication slots": "ok",
      walsenders: "ok",
      max_slot_wal_keep_size: "warn",
      idle_replication_slot_timeout: "ok",
      clock: "ok",
      slot: "ok",
      "open transactions": "ok",
      publication: "ok",
      "table public.events": "ok",
      checkpoint: "ok",
      "checkpoint tables": "ok",
      results: "ok",
      "results version": "ok",
      "results tables": "ok",
      "view public.totals": "ok",
      replication: "ok",
      start: "ok",
      connections: "ok",
    });
    expect(findings.get("max_slot_wal_keep_size")?.fix).toMatch(/^ALTER SYSTEM SET/);
    expect(findings.get("publication")?.fix).toMatch(
      /^CREATE PUBLICATION "tidemark_\w+" FOR TABLE "public"."events"/,
    );
  });

  test("is not changed", async () => {
    const made = await setup();
    const objects = () =>
      made.database.sql(`select (select count(*) from pg_class) as classes,
        (select count(*) from pg_namespace) as schemas, (select count(*) from pg_publication) as p,
        (select count(*) from pg_replication_slots where database = current_database()) as slots`);
    const before = await objects();
    await made.check();
    expect(await objects()).toEqual(before);
  });

  test("after a run goes on from the checkpoint, and says what slot and state cost", async () => {
    const made = await setup();
    await runOnce(made);
    const findings = await made.check();
    const [row] = await made.database.sql("select lsn::text as lsn from tidemark.checkpoint");
    expect(findings.get("start")).toEqual({
      name: "start",
      verdict: "ok",
      summary: `The pipeline goes on from ${row?.["lsn"]}`,
    });
    expect(findings.get("slot WAL")?.cost).toMatch(/holds back \d.* of WAL/);
    expect(findings.get("state")?.summary).toMatch(/\d+ bytes|KiB/);
    expect(findings.get("view public.totals")?.summary).toContain("its 4 columns");
    expect([...findings.values()].filter(({ verdict }) => verdict === "fail")).toEqual([]);
  });
});

describe("the slot", () => {
  test("without a checkpoint fails with the way to adopt it", async () => {
    const made = await setup();
    await createSlot(made);
    expect((await made.check()).get("start")).toMatchObject({
      verdict: "fail",
      summary: expect.stringContaining("[SLOT_WITHOUT_CHECKPOINT]"),
      fix: "tidemark run --adopt-slot",
    });
  });

  test("that is gone, advanced, or read by somebody else fails", async () => {
    const made = await setup();
    const { sql } = made.database;
    const { slotName } = made.settings.source;
    await runOnce(made);
    const reader = new pg.Client({
      connectionString: made.database.url,
      application_name: "somebody",
      replication: "database",
    } as pg.ClientConfig);
    reader.on("error", () => {});
    await reader.connect();
    const { publication } = made.settings.source;
    const options = `(proto_version '1', publication_names '${publication}')`;
    reader.query(`START_REPLICATION SLOT ${slotName} LOGICAL 0/0 ${options}`).catch(() => {});
    await expect
      .poll(() => sql("select active from pg_replication_slots where slot_name = $1", [slotName]))
      .toEqual([{ active: true }]);
    expect((await made.check()).get("slot")).toMatchObject({
      verdict: "fail",
      summary: expect.stringMatching(/PID \d+, application "somebody".*\[SLOT_ACTIVE\]/),
      fix: expect.stringMatching(/^SELECT pg_terminate_backend\(\d+\);$/),
    });
    (
      reader as unknown as { connection: { stream: { destroy(): void } } }
    ).connection.stream.destroy();
    await expect
      .poll(() => sql("select active from pg_replication_slots where slot_name = $1", [slotName]))
      .toEqual([{ active: false }]);
    await sql("insert into events values (1, 'a', 1, now())");
    const end = "(select pg_current_wal_lsn())";
    await sql(`select pg_replication_slot_advance($1, ${end})`, [slotName]);
    expect((await made.check()).get("start")?.summary).toContain("[SLOT_AHEAD]");
    await sql("select pg_drop_replication_slot($1)", [slotName]);
    const gone = await made.check();
    expect(gone.get("start")).toMatchObject({ verdict: "fail", fix: "tidemark run --reset" });
    expect(gone.get("start")?.summary).toContain("[SLOT_MISSING]");
  });

  test("of a checkpoint from another system, or from a future, does not fit", async () => {
    const made = await setup();
    const { sql } = made.database;
    await runOnce(made);
    const [row] = await sql("select lsn::text as lsn from tidemark.checkpoint");
    const later = formatLsn(parseLsn(String(row?.["lsn"])) + (1n << 40n));
    for (const table of ["checkpoint", "progress"]) {
      await sql(`update tidemark.${table} set lsn = $1`, [later]);
    }
    expect((await made.check()).get("start")?.summary).toContain("[DIVERGED]");
    for (const table of ["checkpoint", "progress"]) {
      await sql(`update tidemark.${table} set system_id = '7'`);
    }
    expect((await made.check()).get("start")?.summary).toContain("[OTHER_SYSTEM]");
    await sql("delete from tidemark.checkpoint");
    expect((await made.check()).get("start")?.summary).toContain("The results stand at");
  });
});

describe("the publication", () => {
  test("that is missing and may not be created fails with the statement", async () => {
    const finding = (await (await setup({ createPublication: false })).check()).get("publication");
    expect(finding).toMatchObject({ verdict: "fail", fix: expect.stringMatching(/^CREATE PUBL/) });
    expect(finding?.summary).not.toContain("Run:");
  });

  test("that is missing beside a slot fails, because the slot is older than it", async () => {
    const made = await setup();
    await createSlot(made);
    expect((await made.check()).get("publication")).toMatchObject({
      verdict: "fail",
      summary: expect.stringContaining("[PUBLICATION_MISSING]"),
    });
  });

  test("that lacks the table, or inserts, fails with statements that mend it", async () => {
    const made = await setup();
    const { sql } = made.database;
    await sql(
      `create publication ${made.settings.source.publication} with (publish = 'update, delete')`,
    );
    const findings = await made.check();
    const fixes = ["publication", "published public.events"].map((name) => findings.get(name));
    for (const finding of fixes) expect(finding?.verdict).toBe("fail");
    for (const finding of fixes) await sql(String(finding?.fix));
    const mended = await made.check();
    expect(mended.has("published public.events")).toBe(false);
    expect(mended.get("publication")).toMatchObject({
      verdict: "ok",
      cost: expect.stringContaining("APPEND_ONLY"),
    });
  });

  test("that leaves out columns and rows is reported, and the fix mends it", async () => {
    const made = await setup();
    const { sql } = made.database;
    const { publication } = made.settings.source;
    await sql(`create publication ${publication} for table events (id, kind, created_at)
      where (id > 5) with (publish = 'insert')`);
    const findings = await made.check();
    const filtered = findings.get("rows public.events");
    expect(filtered).toMatchObject({ verdict: "warn", summary: expect.stringContaining("id > 5") });
    const columns = findings.get("columns public.events");
    expect(columns).toMatchObject({ verdict: "fail", summary: expect.stringMatching(/: amount$/) });
    for (const statement of String(columns?.fix).split("; ")) await sql(statement);
    const mended = await made.check();
    expect(mended.has("columns public.events")).toBe(false);
    expect(mended.has("rows public.events")).toBe(false);
  });

  test("of a partitioned table sends the partitions' names until told otherwise", async () => {
    const made = await setup({
      schema: `${EVENTS.replace("primary key", "")} partition by range (id);
        create table events_1 partition of events default`,
    });
    const { sql } = made.database;
    await sql(`create publication ${made.settings.source.publication} for table events`);
    const finding = (await made.check()).get("published public.events");
    expect(finding?.verdict).toBe("fail");
    await sql(String(finding?.fix));
    expect((await made.check()).has("published public.events")).toBe(false);
  });

  test("of a table without replica identity breaks the application's updates", async () => {
    const made = await setup({ schema: EVENTS.replace("primary key", "not null") });
    const { sql } = made.database;
    const name = "replica identity public.events";
    const creation = (await made.check()).get("publication");
    expect(creation?.fix).toContain("publish = 'insert, truncate'");
    expect((await made.check()).has(name)).toBe(false);
    await sql(`create publication ${made.settings.source.publication} for table events`);
    const finding = (await made.check()).get(name);
    await expect(sql("delete from events")).rejects.toThrow("replica identity");
    await sql(String(finding?.fix));
    await sql("delete from events");
    expect((await made.check()).has(name)).toBe(false);
  });
});

describe("tables and outputs", () => {
  test("that do not exist or cannot be computed fail, each for itself", async () => {
    const missing = await (await setup({ table: "public.evens" })).check();
    expect(missing.get("table public.evens")?.summary).toContain("[SOURCE_TABLE_MISSING]");
    const wrong = await (await setup({ aggregate: "amnt" })).check();
    expect(wrong.get("output public.totals")?.summary).toMatch(/"amnt".*\[PLAN_INVALID\]/);
  });

  test("of an unlogged table never change in the log", async () => {
    const made = await setup({ schema: EVENTS.replace("create", "create unlogged") });
    const finding = (await made.check()).get("table public.events");
    expect(finding?.verdict).toBe("fail");
    await made.database.sql(String(finding?.fix));
    expect((await made.check()).get("table public.events")?.verdict).toBe("ok");
  });

  test("whose view exists with other columns is a VIEW_MISMATCH", async () => {
    const made = await setup();
    await made.database.sql("create table totals (kind text)");
    expect((await made.check()).get("view public.totals")?.summary).toContain("[VIEW_MISMATCH]");
  });

  test("whose view is published with its updates cannot be updated until the fix", async () => {
    const made = await setup();
    const { sql } = made.database;
    await runOnce(made);
    await sql("create publication everything for all tables");
    await sql("insert into totals values ('a', now(), 1, 1)");
    await sql("update totals set n = 3"); // as Tidemark makes the view
    await sql("alter table totals replica identity default");
    await expect(sql("update totals set n = 2")).rejects.toThrow("replica identity");
    const finding = (await made.check()).get("replica identity public.totals");
    expect(finding?.verdict).toBe("fail");
    await sql(String(finding?.fix));
    await sql("update totals set n = 2");
    expect((await made.check()).has("replica identity public.totals")).toBe(false);
  });
});

describe("the role", () => {
  test("that may do nothing is told what to grant, until everything is mended", async () => {
    const made = await setup();
    const { sql } = made.database;
    await sql("revoke create on schema public from public");
    const url = await loginAs(made.database);
    const before = await made.check({ url });
    for (const name of ["role", "publication", "results tables", "view public.totals"]) {
      expect(before.get(name), name).toMatchObject({ verdict: "fail", fix: expect.any(String) });
      await sql(String(before.get(name)?.fix));
    }
    const after = await made.check({ url });
    expect([...after.values()].filter(({ verdict }) => verdict === "fail")).toEqual([]);
    await sql(`drop owned by ${new URL(url).username}`);
  });

  test("without rights on tables that exist is told which", async () => {
    const made = await setup();
    await runOnce(made);
    const url = await loginAs(made.database, "replication");
    const refused = await made.check({ url });
    const fixed = ["results tables", "checkpoint tables", "view public.totals"];
    for (const name of fixed) {
      expect(refused.get(name)?.verdict, name).toBe("fail");
      await made.database.sql(String(refused.get(name)?.fix));
    }
    const granted = await made.check({ url });
    for (const name of ["results tables", "checkpoint tables"]) {
      expect(granted.get(name)?.fix, name).toMatch(/^GRANT SELECT, INSERT, UPDATE, DELETE ON/);
      await made.database.sql(String(granted.get(name)?.fix));
    }
    const after = await made.check({ url });
    for (const name of fixed) expect(after.get(name)?.verdict, name).toBe("ok");
    await made.database.sql(`drop owned by ${new URL(url).username}`);
  });
});

describe("a database that does not answer", () => {
  test("is one finding, and the others are still asked", async () => {
    const made = await setup();
    const url = "postgresql://nobody@127.0.0.1:1/none";
    const findings = await made.check({ url, resultsUrl: made.database.url });
    expect(findings.get("source")).toMatchObject({
      verdict: "fail",
      summary: expect.stringContaining("[SOURCE_UNREACHABLE]"),
    });
    expect(findings.has("wal_level")).toBe(false);
    expect(findings.get("results tables")?.verdict).toBe("ok");
    const nothing = await made.check({ url });
    expect([...nothing.keys()]).toEqual(["node", "source", "connections"]);
  });

  test("says nothing about the password", async () => {
    const made = await setup();
    const url = new URL(made.database.url);
    url.password = "s3cret";
    url.pathname = "/no_such_database";
    const findings = [...(await made.check({ url: url.href })).values()];
    expect(JSON.stringify(findings)).not.toContain("s3cret");
    expect(renderFindings(findings, { color: true })).not.toContain("s3cret");
  });
});

describe("a server with other settings", async () => {
  const own = await ownPostgres({
    settings: {
      wal_level: "replica",
      max_slot_wal_keep_size: "64MB",
      idle_replication_slot_timeout: "1h",
      max_replication_slots: "0",
      max_prepared_transactions: "1",
    },
  });
  await own.sql(EVENTS);
  const { definition } = await setup();

  test("fails for wal_level and slots, and warns of what loses a slot", async () => {
    const settings = resolveSettings(definition, (name) =>
      name === "TIDEMARK_SOURCE_URL" ? own.url : undefined,
    );
    const findings = await checkPipeline(definition, {
      ...settings,
      source: { ...settings.source, slotName: "s", publication: "p" },
    });
    const byName = new Map(findings.map((finding) => [finding.name, finding]));
    expect(byName.get("wal_level")).toMatchObject({
      verdict: "fail",
      fix: "ALTER SYSTEM SET wal_level = 'logical';",
    });
    expect(byName.get("replication slots")?.verdict).toBe("fail");
    expect(byName.get("max_slot_wal_keep_size")).toMatchObject({
      verdict: "warn",
      summary: expect.stringContaining("64 MiB"),
    });
    expect(byName.get("idle_replication_slot_timeout")).toMatchObject({
      verdict: "warn",
      summary: expect.stringContaining("60 min"),
    });
    for (const name of ["max_slot_wal_keep_size", "idle_replication_slot_timeout", "wal_level"]) {
      for (const statement of String(byName.get(name)?.fix).split("; ")) await own.sql(statement);
    }
  });

  test("names the prepared transaction that is open", async () => {
    const { judgeTransactions, readOldestTransaction } = await import(
      "../../src/cli/check/open-transactions.js"
    );
    await own.sql("begin");
    await own.sql("insert into events values (1, 'a', 1, now())");
    await own.sql("prepare transaction 'it''s mine'");
    const session = { query: (text: string) => own.sql(text), end: async () => {} };
    const oldest = await readOldestTransaction(session);
    expect(oldest).toMatchObject({ end: "ROLLBACK PREPARED 'it''s mine';" });
    expect(judgeTransactions(oldest).verdict).toBe("ok");
    expect(judgeTransactions(oldest && { ...oldest, ageS: 61 })).toMatchObject({
      verdict: "warn",
      fix: oldest?.end,
    });
    await own.sql(String(oldest?.end));
    expect(await readOldestTransaction(session)).toBeNull();
  });
});

test("PostgreSQL 16 is asked nothing it does not know", async () => {
  const old = await usePostgres({ version: 16 });
  await old.sql(EVENTS);
  const { definition } = await setup();
  const url = (name: string) => (name === "TIDEMARK_SOURCE_URL" ? old.url : undefined);
  const findings = await checkPipeline(definition, resolveSettings(definition, url));
  expect(findings.filter(({ verdict }) => verdict === "fail")).toEqual([]);
  expect(findings.map(({ name }) => name)).not.toContain("idle_replication_slot_timeout");
});
