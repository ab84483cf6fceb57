import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, describe, expect, test } from "vitest";
import { pgoutput, pgoutputWith } from "../../decoders/pgoutput/pgoutput-factory.js";
import { generateTypes, isStale } from "../../src/cli/types/generate-types.js";
import { parser } from "../../src/pipeline/specs.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { usePostgres } from "../services/postgres.js";
import { fileWith, tidemark } from "../services/tidemark-process.js";
import { compileErrors } from "./compile-errors.js";

const database = await usePostgres();
const { sql } = database;
const decoder = pgoutput;
const connect = (url: string) => sqlConnect({ url, role: "source", applicationName: "types" })();
const session = await connect(database.url);
afterAll(() => session.end());

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/types/${name}`, import.meta.url));

await sql(await readFile(fixture("tables.sql"), "utf8"));
const all = await generateTypes(session, { decoder });

describe("the generated source", () => {
  test("is the golden file", async () => {
    if (process.env["UPDATE_GOLDEN"] === "1") await writeFile(fixture("golden.ts.txt"), all);
    expect(all).toBe(await readFile(fixture("golden.ts.txt"), "utf8"));
  });

  test("is the same when it is generated again", async () => {
    expect(await generateTypes(session, { decoder })).toBe(all);
  });

  test("has no error for the strict compiler", () => {
    expect(compileErrors({ "types.ts": all })).toEqual([]);
  });

  test("is not touched by the formatter", async () => {
    const { execFile } = await import("node:child_process");
    const args = ["biome", "format", "--stdin-file-path=types.ts"];
    const formatted = await new Promise<string>((resolve, reject) => {
      const child = execFile("npx", args, (error, out) => (error ? reject(error) : resolve(out)));
      child.stdin?.end(all);
    });
    expect(formatted).toBe(all);
  });

  test("parses into one member for each column, whatever its name", () => {
    const source = ts.createSourceFile("types.ts", all, ts.ScriptTarget.Latest);
    const odd = source.statements
      .filter(ts.isInterfaceDeclaration)
      .find((declaration) => declaration.name.text === "OddNamesSelectFrom");
    expect(odd?.members.map((member) => (member.name as ts.Identifier).text)).toEqual([
      "__proto__",
      "constructor",
      "class",
      "with space",
      "größe",
      "表",
      "1st",
      'say "it\'s"',
      "back\\slash",
      "end */ of",
    ]);
  });
});

describe("the selection", () => {
  test("of a publication has its tables and the columns it sends", async () => {
    const source = await generateTypes(session, { publication: "some columns", decoder });
    expect(source).toBe(
      [
        "// Generated from the database's catalogue; edits are lost. To write it again:",
        "// tidemark types --publication 'some columns'",
        "",
        'import type { Published } from "tidemark";',
        "",
        "/** Tables by name, for `pipeline<Database>(...)`. */",
        "export interface Database {",
        '  "public.plain": Published<PublicPlain, null>;',
        "}",
        "",
        "export interface PublicPlain {",
        "  id: bigint;",
        "  body: unknown;",
        "}",
        "",
      ].join("\n"),
    );
  });

  test("of a publication that sends stored generated columns has them", async () => {
    const source = await generateTypes(session, { publication: "generated too", decoder });
    expect(source).toContain("  doubled: number | null;");
    expect(all).not.toContain("doubled");
  });

  test("of a publication of all partitions names the partitions", async () => {
    const leaves = await generateTypes(session, { publication: "leaves", decoder });
    expect(leaves).toContain('"public.parts_1": Published<PublicParts1, null>;');
    expect(leaves).not.toContain('"public.parts":');
    expect(all).toContain('"public.parts": Published<PublicParts, null>;');
    expect(all).not.toContain("parts_1");
  });

  test("of named tables has these, each once, in the order of their names", async () => {
    const tables = ["public.plain", "events", '"public"."plain"'];
    const source = await generateTypes(session, { tables, decoder });
    expect(source.match(/^ {2}"[^"]+": /gm)).toEqual(['  "public.events": ', '  "public.plain": ']);
    expect(compileErrors({ "types.ts": source })).toEqual([]);
  });

  test.each([
    ["PUBLICATION_MISSING", { publication: "no such" }],
    ["SOURCE_TABLE_MISSING", { tables: ["public.no_such"] }],
    ["SOURCE_TABLE_MISSING", { tables: ["public.no_such"], publication: "leaves" }],
    ["SOURCE_TABLE_MISSING", { publication: "empty" }],
  ])("of what is not there is %s", async (code, options) => {
    await expect(generateTypes(session, { ...options, decoder })).rejects.toMatchObject({ code });
  });

  test("in a database without tables is SOURCE_TABLE_MISSING", async () => {
    const empty = await connect((await database.createDatabase()).url);
    try {
      await expect(generateTypes(empty, { decoder })).rejects.toMatchObject({
        code: "SOURCE_TABLE_MISSING",
      });
    } finally {
      await empty.end();
    }
  });
});

describe("a pipeline with the generated Database", () => {
  const program = (body: string): string =>
    [
      'import { avg, count, max, sum, tumbling, UNCHANGED } from "tidemark";',
      'import { pipeline, postgres, slot } from "tidemark";',
      'import type { Database } from "./types.js";',
      'export default pipeline<Database>("p", { source: slot() }, (from) => {',
      `  ${body}`,
      "});",
    ].join("\n");
  const events = 'from("public.events", { eventTime: "created_at", appendOnly: true })';
  const bodies: readonly (readonly [what: string, body: string, error: RegExp | null])[] = [
    [
      "columns of the right kinds",
      `${events}.filter((row) => row.mood === "ok" && row.amount !== null).groupBy("event_type")
         .window(tumbling("1 minute")).aggregate({ n: count(), s: sum("amount"), a: avg("id"),
           m: max("created_at") }).into(postgres.view("v"));`,
      null,
    ],
    ["no such table", 'from("public.event", { appendOnly: true });', /"public\.event"/],
    [
      "no such event time",
      'from("public.events", { eventTime: "create_at", appendOnly: true });',
      /"create_at"/,
    ],
    [
      "text as event time",
      'from("public.events", { eventTime: "event_type", appendOnly: true });',
      /"event_type"/,
    ],
    ["no such group", `${events}.groupBy("even_type");`, /"even_type"/],
    [
      "no such sum",
      `${events}.groupBy().window(tumbling("1m")).aggregate({ s: sum("amnt") });`,
      /"amnt"/,
    ],
    [
      "a sum of text",
      `${events}.groupBy().window(tumbling("1m")).aggregate({ s: sum("event_type") });`,
      /"event_type"/,
    ],
    ["no such label", `${events}.filter((row) => row.mood === "glad");`, /"glad"/],
    ["no such column in a filter", `${events}.filter((row) => row.moods === null);`, /'moods'/],
    ["a number where bigint is", `${events}.filter((row) => row.id === 1);`, /'bigint'/],
    [
      "images of changes by their operation",
      `from("public.events").changes().filter((c) => c.op === "update"
         ? c.after.note !== UNCHANGED && c.before?.id !== c.after.id
         : c.op === "delete" ? c.before.id > 1n : c.op === "truncate" || c.after.note !== null)
         .into(postgres.append("a"));
       from("public.kept_whole").changes().filter((c) => c.op === "update"
         && c.before.note?.length !== c.after.note?.length).into(postgres.append("b"));`,
      null,
    ],
    [
      "what the key lacks of a deleted row",
      'from("public.events").changes().filter((c) => c.op === "delete" && c.before.note !== "");',
      /'note' does not exist on type 'Readonly<PublicEvents2Key>'/,
    ],
    [
      "a large value that may not have been sent",
      `from("public.events").changes().filter((c) => c.op === "update"
         && (c.after.note?.length ?? 0) > 1);`,
      /'length' does not exist on type '.*symbol/,
    ],
    [
      "an update of a table without a replica identity",
      'from("public.plain").changes().filter((c) => c.op === "update");',
      /and '"update"' have no overlap/,
    ],
    ["NULL not considered", `${events}.filter((row) => row.note.length > 1);`, /possibly 'null'/],
  ];
  const files = Object.fromEntries(bodies.map(([, body], i) => [`p${i}.ts`, program(body)]));
  const errors = compileErrors({ "types.ts": all, ...files });

  test.each(bodies.map(([what, , error], i) => [what, `p${i}.ts`, error] as const))(
    "%s",
    (_what, file, error) => {
      const own = errors.filter((line) => line.startsWith(file));
      if (error === null) expect(own).toEqual([]);
      else expect(own).toEqual([expect.stringMatching(error)]);
    },
  );
});

describe("parsers", () => {
  test("make the types that they say, of a type, an enum, an array and a column", async () => {
    const parsers = {
      numeric: parser("number", Number),
      "numeric[]": parser("string", String),
      mood: parser('import("./mood.js").Mood', String),
      "public.plain.body": parser("Map<string, string>", () => new Map()),
    };
    const source = await generateTypes(session, {
      decoder: pgoutputWith(parsers),
      tables: ["public.events", "public.plain"],
      config: "shop/tidemark.config.ts",
    });
    const [command = ""] = /^\/\/ tidemark .*$/m.exec(source) ?? [];
    expect(command).toContain("tidemark types shop/tidemark.config.ts --table public.events");
    for (const line of [
      "  amount: number | null;",
      "  rate: number | null;",
      "  matrix: string | null;",
      '  mood: import("./mood.js").Mood | null;',
      "  body: Map<string, string> | null;",
      "  doc: unknown;",
    ]) {
      expect(source.split("\n")).toContain(line);
    }
  });

  test("of a configuration are honoured by the command, and --check goes by them", async () => {
    const folder = await mkdtemp(join(tmpdir(), "types-"));
    const out = join(folder, "types.ts");
    const config = fileWith(`
      import { count, defineConfig, parser, pipeline, postgres, slot } from "tidemark";
      export default defineConfig(pipeline("p", {
        source: slot({ url: ${JSON.stringify(database.url)},
          parsers: { numeric: parser("number", Number) } }),
      }, (from) => {
        from("events").groupBy("id").aggregate({ n: count() }).into(postgres.view("v"));
      }));`);
    const types = (...flags: string[]) => tidemark(["types", config, "--out", out, ...flags]).ended;
    try {
      expect(await types()).toMatchObject({ code: 0 });
      expect(await readFile(out, "utf8")).toContain("  amount: number | null;");
      expect(await types("--check")).toMatchObject({ code: 0 });
      await sql("alter table kept_whole replica identity default");
      const stale = await types("--check");
      expect(stale).toMatchObject({ code: 2, stdout: expect.stringContaining("is stale") });
    } finally {
      await sql("alter table kept_whole replica identity full");
      await rm(folder, { recursive: true });
    }
  });
});

describe("a types file is stale", () => {
  test("when it is missing or differs, line ends aside", async () => {
    const folder = await mkdtemp(join(tmpdir(), "types-"));
    const path = join(folder, "types.ts");
    try {
      expect(await isStale(path, all)).toBe(true);
      await writeFile(path, all.replaceAll("\n", "\r\n"));
      expect(await isStale(path, all)).toBe(false);
      await writeFile(path, `${all}\n`);
      expect(await isStale(path, all)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
