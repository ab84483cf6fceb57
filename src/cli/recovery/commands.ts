import { type Command, InvalidArgumentError } from "commander";
import { EXIT } from "../../core/error-codes.js";
import type { PipelineDefinition } from "../../index.js";
import { type Outcome, renderOutcome } from "./outcome.js";

type Load = (config: string | undefined) => Promise<PipelineDefinition>;

const CONFIG = "configuration file (default: tidemark.config.ts)";
const YES = "do it; without this, only say what would be done";

/**
 * The commands that get a pipeline out of a state: resync, takeover and checkpoint. Each says what
 * it would do and ends with 2, unless it has `--yes`.
 */
export function addRecoveryCommands(program: Command, load: Load): void {
  const show = (outcome: Outcome): void => {
    const isJson = program.opts()["json"] === true;
    const text = isJson ? JSON.stringify(outcome, null, 2) : renderOutcome(outcome);
    process.stdout.write(`${text}\n`);
    if (!outcome.isDone) process.exitCode = EXIT.config;
  };
  program
    .command("resync")
    .argument("[config]", CONFIG)
    .description("start anew: forget slot, checkpoint and position; says first what is lost")
    .option("--results <fate>", "empty or keep the rows of result tables", fate, "empty")
    .option("--yes", YES)
    .action(async (config, options) => {
      const { resync } = await import("./resync.js");
      const isConfirmed = options.yes === true;
      show(await resync(await load(config), { isConfirmed, results: options.results }));
    });
  program
    .command("takeover")
    .argument("[config]", CONFIG)
    .description("end the instance that runs the pipeline, and fence it off")
    .option("--yes", YES)
    .action(async (config, options) => {
      const { takeOver } = await import("./takeover.js");
      show(await takeOver(await load(config), options.yes === true));
    });
  program
    .command("release")
    .argument("[config]", CONFIG)
    .description("let rows pass again whose keys are blocked by a dead letter")
    .option("--yes", YES)
    .action(async (config, options) => {
      const { release } = await import("./release.js");
      show(await release(await load(config), options.yes === true));
    });
  addCheckpointCommands(program.command("checkpoint"), load, show);
}

function addCheckpointCommands(
  checkpoint: Command,
  load: Load,
  show: (outcome: Outcome) => void,
): void {
  checkpoint.description("look at a pipeline's saved state, save it, bind it to another slot");
  checkpoint
    .command("show")
    .argument("[config]", CONFIG)
    .description("where it stands and what it holds, by step")
    .action(async (config) => {
      const { showCheckpoint } = await import("./checkpoint-commands.js");
      show(await showCheckpoint(await load(config)));
    });
  checkpoint
    .command("export")
    .argument("<file>", "file to write")
    .argument("[config]", CONFIG)
    .description("write it to a file")
    .action(async (file, config) => {
      const { exportCheckpoint } = await import("./checkpoint-commands.js");
      show(await exportCheckpoint(await load(config), file));
    });
  checkpoint
    .command("import")
    .argument("<file>", "file that export wrote")
    .argument("[config]", CONFIG)
    .description("put an exported one in its place")
    .option("--yes", YES)
    .action(async (path, config, options) => {
      const { importCheckpoint } = await import("./checkpoint-commands.js");
      const isConfirmed = options.yes === true;
      show(await importCheckpoint(await load(config), { path, isConfirmed }));
    });
  checkpoint
    .command("rebind")
    .argument("[config]", CONFIG)
    .description("let it go on from another slot, after a verified failover or restored backup")
    .option("--backup <file>", "where it is kept as it was", "tidemark-checkpoint.backup")
    .option("--accept-gap", "changes may be missing, as told without this")
    .option("--yes", YES)
    .action(async (config, options) => {
      const { rebind } = await import("./rebind.js");
      const { backup, acceptGap, yes } = options;
      const flags = { isConfirmed: yes === true, acceptsGap: acceptGap === true, backup };
      show(await rebind(await load(config), flags));
    });
}

function fate(value: string): "empty" | "keep" {
  if (value === "empty" || value === "keep") return value;
  throw new InvalidArgumentError("It takes empty or keep.");
}
