#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { EXIT } from "../core/error-codes.js";
import { reportFailure } from "./failure.js";
import { addHistoryCommands } from "./history-commands.js";

// Each command imports what it needs when it runs, so that --help stays fast.

const program = new Command("tidemark")
  .description("Stream processing on the PostgreSQL write-ahead log")
  .version(await version())
  .option("--json", "print JSON")
  .option("--log-level <level>", "trace, debug, info, warn, error or silent")
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

program
  .command("demo")
  .description("embedded PostgreSQL, live data, and a view that is kept fresh")
  .option("--data-dir <folder>", "where the database is kept between runs")
  .option("--rate <rows>", "rows a second", "2000")
  .option("--seconds <n>", "stop after so many seconds")
  .option("--fresh", "begin with an empty database")
  .action(async (options) => {
    const { demoCommand } = await import("./demo/demo.js");
    await demoCommand(options);
  });

program
  .command("run")
  .argument("[config]", "configuration file (default: tidemark.config.ts)")
  .description("run a pipeline until it is stopped")
  .option("--adopt-slot", "begin at the position of a slot that exists without a checkpoint")
  .option("--record <folder>", "keep the stream in this folder, to be replayed")
  .option("--allow-drop-state", "drop saved state that the changed pipeline cannot go on with")
  .option("--rebuild", "make state and results anew from the tables as they stand now")
  .option("--reset", "first remove slot, checkpoint and result tables: start from nothing")
  .action(async (config, options) => {
    const { runCommand } = await import("./run.js");
    const { createLogger } = await import("./logger.js");
    const log = createLogger(program.opts()["logLevel"] ?? process.env["TIDEMARK_LOG_LEVEL"]);
    const flags = {
      adoptSlot: options.adoptSlot === true,
      reset: options.reset === true,
      allowDropState: options.allowDropState === true,
      rebuild: options.rebuild === true,
      record: options.record,
    };
    await runCommand(await pipelineOf(config), log, flags);
  });

program
  .command("check")
  .argument("[config]", "configuration file (default: tidemark.config.ts)")
  .description("what is wrong, what it costs, and the statement that fixes it; changes nothing")
  .action(async (config) => {
    const { checkPipeline } = await import("./check/check-pipeline.js");
    const { renderFindings } = await import("./check/render-findings.js");
    const { wantsColor } = await import("./render.js");
    const { resolveSettings } = await import("../pipeline/settings.js");
    const { environment } = await import("./environment.js");
    const definition = await pipelineOf(config);
    const findings = await checkPipeline(definition, resolveSettings(definition, environment));
    const color = wantsColor(process.stdout, process.env);
    print(isJson() ? JSON.stringify(findings, null, 2) : renderFindings(findings, { color }));
    if (findings.some((finding) => finding.verdict === "fail")) process.exitCode = EXIT.source;
  });

program
  .command("types")
  .argument(
    "[config]",
    "configuration file whose source and parsers are used (default: TIDEMARK_SOURCE_URL)",
  )
  .description("write the TypeScript types of the source's tables")
  .option("--publication <name>", "only the tables and columns that this publication publishes")
  .option("--table <name...>", "only these tables, schema.name")
  .option("--out <file>", "file to write, - for stdout", "tidemark-types.ts")
  .option("--check", "write nothing; exit with 2 when the file is stale")
  .action(async (config, options) => {
    const { typesCommand } = await import("./types/types-command.js");
    const source = config === undefined ? {} : (await pipelineOf(config)).source.options;
    process.exitCode = await typesCommand(source, { ...options, config });
  });

program
  .command("status")
  .argument("[config]", "configuration file (default: tidemark.config.ts)")
  .description("where a pipeline stands: slot, results, checkpoint")
  .action(async (config) => {
    const { readStatus, renderStatus } = await import("./status.js");
    const status = await readStatus(await pipelineOf(config));
    print(isJson() ? JSON.stringify(status, null, 2) : renderStatus(status));
  });

program
  .command("explain")
  .argument("[config]", "configuration file (default: tidemark.config.ts)")
  .description("the steps of a pipeline")
  .action(async (config) => {
    const { describePlan } = await import("../index.js");
    const { plan } = await pipelineOf(config);
    print(isJson() ? JSON.stringify(plan, null, 2) : describePlan(plan));
  });

const { addRecoveryCommands } = await import("./recovery/commands.js");
addRecoveryCommands(program, async (config) => pipelineOf(config));
addHistoryCommands(program, {
  pipelineOf,
  isJson,
  print,
  logLevel: () => program.opts()["logLevel"] ?? process.env["TIDEMARK_LOG_LEVEL"],
});

async function pipelineOf(config: string | undefined) {
  const { loadPipeline } = await import("./config-file.js");
  return loadPipeline(config);
}

async function version(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const file = new URL("../../../package.json", import.meta.url);
  return JSON.parse(await readFile(file, "utf8")).version;
}

function isJson(): boolean {
  return program.opts()["json"] === true;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) process.exit(EXIT.ok);
    const message = error.message.replace(/^error: /, "").replaceAll(/\s+/g, " ");
    process.stderr.write(`tidemark: ${message.replace(/\.?$/, ".")} See tidemark --help.\n`);
    process.exit(EXIT.config);
  }
  process.exitCode = reportFailure(error, isJson());
}
