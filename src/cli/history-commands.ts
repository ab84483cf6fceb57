import type { Command } from "commander";
import { TidemarkError } from "../core/errors.js";
import type { PipelineDefinition } from "../index.js";

/** What the commands share with the rest of the command line. */
export interface CommandContext {
  pipelineOf(config: string | undefined): Promise<PipelineDefinition>;
  isJson(): boolean;
  print(text: string): void;
  logLevel(): string | undefined;
}

const CONFIG = ["[config]", "configuration file (default: tidemark.config.ts)"] as const;

/** Adds the commands that deal with what has been: record, replay and bookmark. */
export function addHistoryCommands(program: Command, context: CommandContext): void {
  const { pipelineOf, isJson, print } = context;
  program
    .command("record")
    .argument(...CONFIG)
    .description("keep the stream of a pipeline's tables in a folder, by a slot of its own")
    .option("--dir <folder>", "where to (default: the pipeline's record.dir or TIDEMARK_RECORD)")
    .option("--slot <name>", "replication slot (default: tidemark_<pipeline>_record)")
    .action(async (config, options) => {
      const { recordCommand } = await import("./record.js");
      const { createLogger } = await import("./logger.js");
      await recordCommand(await pipelineOf(config), createLogger(context.logLevel()), options);
    });
  program
    .command("replay")
    .argument(...CONFIG)
    .description("run a pipeline over what was recorded, and say what differs from its results")
    .option("--from <position>", "LSN or commit time (default: the beginning)")
    .option("--to <position>", "LSN or commit time (default: where the results stand, or the end)")
    .option("--recording <folder>", "recording to read (default: as for record)")
    .option("--bookmark <name>", "read the live log from this bookmark instead")
    .option("--into <target>", "keep the results in this schema, or print them: stdout")
    .option("--all", "compare all rows, not only those that depend on the range alone")
    .option("--show <n>", "different rows to show for each output", "10")
    .action(async (config, options) => {
      const { replayCommand } = await import("./replay/replay-command.js");
      const { renderReplay, replayJson } = await import("./replay/render-replay.js");
      const report = await replayCommand(await pipelineOf(config), {
        ...options,
        all: options.all === true,
        maxExamples: wholeNumber("--show", options.show),
      });
      if (report.comparisons === null) return; // stdout is the results'
      print(isJson() ? JSON.stringify(replayJson(report), null, 2) : renderReplay(report));
    });
  addBookmarkCommands(program, context);
}

function addBookmarkCommands(program: Command, context: CommandContext): void {
  const { pipelineOf, isJson, print } = context;
  const bookmark = program
    .command("bookmark")
    .description("positions of the live log that can be replayed");
  const commands = async (config: string | undefined) => {
    const { BookmarkCommands } = await import("./bookmark.js");
    return new BookmarkCommands(await pipelineOf(config));
  };
  bookmark
    .command("create")
    .argument("<name>", "lower-case letters, digits, underscores")
    .argument(...CONFIG)
    .description("keep the log from the pipeline's checkpoint on, by a copy of its slot")
    .action(async (name, config) => {
      const { text, json } = await (await commands(config)).create(name);
      print(isJson() ? JSON.stringify(json, null, 2) : text);
    });
  bookmark
    .command("list")
    .argument(...CONFIG)
    .description("all bookmarks, how old they are and what WAL they hold")
    .action(async (config) => {
      const { text, json } = await (await commands(config)).list();
      print(isJson() ? JSON.stringify(json, null, 2) : text);
    });
  bookmark
    .command("drop")
    .argument("<name>")
    .argument(...CONFIG)
    .description("let the server discard what the bookmark keeps")
    .action(async (name, config) => {
      const { text, json } = await (await commands(config)).drop(name);
      print(isJson() ? JSON.stringify(json, null, 2) : text);
    });
  bookmark
    .command("prune")
    .argument(...CONFIG)
    .description("drop the bookmarks that are lost, too old or too large")
    .action(async (config) => {
      const { text, json } = await (await commands(config)).prune();
      print(isJson() ? JSON.stringify(json, null, 2) : text);
    });
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TidemarkError("CONFIG_INVALID", `${option} takes a whole number, not "${text}".`);
}
