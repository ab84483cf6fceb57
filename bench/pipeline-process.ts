import type { PipelineOrder, ReaderReport } from "./processes/order.js";
import { type BenchProcess, startProcess } from "./processes.js";

/** A pipeline that reads. */
export interface PipelineProcess {
  /** Resident memory when it began to read. */
  readonly idleRssMiB: number;
  /** The report of a pipeline whose order names an end. */
  report(): Promise<ReaderReport>;
  /** Stops it now: last checkpoint, then the report. */
  finish(): Promise<ReaderReport>;
  readonly process: BenchProcess;
}

/** Starts a pipeline in a process of its own and waits until it reads. */
export async function startPipeline(
  order: PipelineOrder,
  nodeFlags: readonly string[] = [],
): Promise<PipelineProcess> {
  const process = startProcess({ script: "pipeline", order, nodeFlags });
  const { rssMiB } = await process.next<{ rssMiB: number }>();
  const report = async (): Promise<ReaderReport> => {
    const answer = await process.next<ReaderReport>();
    await process.ended;
    return answer;
  };
  return {
    idleRssMiB: rssMiB,
    report,
    finish: () => {
      process.finish();
      return report();
    },
    process,
  };
}
