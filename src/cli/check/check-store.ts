import { CheckpointFolder } from "../../checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "../../checkpoint/file/file-store.js";
import type { CheckpointSettings } from "../../pipeline/checkpoint-settings.js";
import { formatBytes } from "../render.js";
import type { CheckpointReport } from "./check-databases.js";
import { failure, ok } from "./finding.js";

/** The answer of a checkpoint store that is no database. */
export interface StoreAnswer {
  readonly findings: CheckpointReport["findings"];
  readonly report: CheckpointReport | null;
}

/** Whether a store in files can be read, and what it holds; creates nothing. */
export async function checkStore(
  { dir }: Extract<CheckpointSettings, { kind: "file" }>,
  pipeline: string,
  maxStateBytes: number,
): Promise<StoreAnswer> {
  const store = new FileCheckpointStore(new CheckpointFolder(dir), pipeline);
  try {
    const facts = await store.describe();
    if (facts === null) {
      const findings = [ok("checkpoint folder", `The first run makes ${dir}`)];
      return { findings, report: { findings, header: null } };
    }
    const summary = `${dir} holds ${formatBytes(facts.state_bytes)} of state`;
    const cost = `About that much memory at the least; the limit is ${formatBytes(maxStateBytes)}`;
    const findings = [ok("checkpoint folder", summary, { cost })];
    return { findings, report: { findings, header: await store.readHeader() } };
  } catch (error) {
    return { findings: [failure("checkpoint folder", error)], report: null };
  }
}
