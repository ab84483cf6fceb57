// What the measuring program and the processes it measures tell each other: the order is JSON in
// an environment variable (an argument would show the password to everyone), the answers are lines
// of JSON on stdout, later instructions are lines on stdin.

/** Name of the variable that holds the order. */
export const ORDER_VARIABLE = "TIDEMARK_BENCH_ORDER";

/** For the readers that take a recorded stretch of WAL and do nothing with it. */
export interface ReaderOrder {
  readonly url: string;
  readonly slotName: string;
  readonly publication: string;
  /** Read up to the first commit that ends after this position. */
  readonly afterLsn: string;
  /** Only the raw reader: leave the socket alone after small reads. */
  readonly pace: boolean;
}

/** For a pipeline as users write one. */
export interface PipelineOrder {
  readonly url: string;
  /** Results and checkpoints; the source when absent. */
  readonly resultsUrl: string | null;
  readonly pipeline: string;
  readonly slotName: string;
  readonly publication: string;
  readonly table: string;
  readonly view: string;
  /** Put a filter in front that reads every column. */
  readonly touchAll: boolean;
  /** Stop once this is visible in the view; null runs until a line arrives on stdin. */
  readonly endLsn: string | null;
  /** Keep the stream in a folder as well. */
  readonly record?: { readonly dir: string; readonly compression: "deflate" | "none" };
}

/** For the process that runs the pipeline over a recording, without a server. */
export interface ReplayerOrder {
  readonly dir: string;
  readonly table: string;
}

/** For a process that inserts rows. */
export interface WriterOrder {
  readonly url: string;
  readonly table: string;
  readonly connections: number;
  readonly rowsPerTransaction: number;
  /** Null: each connection begins the next transaction as soon as the last one has ended. */
  readonly rowsPerSecond: number | null;
  readonly seconds: number;
}

/** For the process that measures commit to visible. */
export interface ProberOrder {
  readonly url: string;
  readonly table: string;
  readonly view: string;
  /** In the names of the probes, so that no two series share a group. */
  readonly series: string;
  /** Ends after so many probes, or after `seconds`. */
  readonly probes: number;
  readonly seconds: number;
}

/** For the process that decodes recorded messages. */
export interface DecodeOrder {
  readonly inputs: readonly {
    readonly name: string;
    /** Files of messages, each behind its UInt32 length. */
    readonly text: string;
    readonly binary: string;
    readonly rows: number;
    /** The three columns that a reader of three touches. */
    readonly touched: readonly string[];
  }[];
  readonly runs: number;
}

/** What that process reports. */
export interface DecodeReport {
  readonly results: {
    readonly input: string;
    readonly reader: string;
    /** An entry a round. */
    readonly microsPerRow: number[];
  }[];
  readonly keptBytes: number;
}

/** For the process that holds a streamed transaction. */
export interface HeldOrder {
  readonly file: string;
  readonly rows: number;
  /** Where it spills. */
  readonly directory: string;
}

/** What that process reports. */
export interface HeldReport {
  readonly rows: number;
  readonly mib: number;
  readonly spilledMiB: number;
  readonly peakRssMiB: number;
  /** From the commit to the last row. */
  readonly rowsPerSecond: number;
}

/** For a pipeline whose stream is generated, to measure its checkpoints. */
export interface CheckpointOrder {
  /**
   * `save`: fills the state, then takes checkpoints one by one. `restore`: loads what `save` left.
   * `flow`: fills the state, then measures the rate with a checkpoint every `intervalMs`.
   */
  readonly task: "save" | "restore" | "flow";
  readonly store: StorePlace;
  readonly keys: number;
  /** Checkpoints of each kind. */
  readonly rounds: number;
  /** Of measured flow. */
  readonly seconds: number;
  /** Null takes none. */
  readonly intervalMs: number | null;
}

/** Where checkpoints go. */
export type StorePlace =
  | { readonly kind: "memory" }
  | { readonly kind: "file"; readonly dir: string }
  | { readonly kind: "postgres" | "redis"; readonly url: string };

/** Rows that a state holds. */
export interface Counted {
  readonly rows: number;
  /** Sum of their amounts. */
  readonly cents: number;
}

/** Longest stretches from one batch to the next, each by its own measure, in milliseconds. */
export interface Stretch {
  readonly wallMs: number;
  /** At work, at most: see busy-time.ts. */
  readonly busyMs: number;
}

/** One checkpoint. Times in milliseconds, the first three from the barrier on. */
export interface CheckpointFigures {
  /** All blocks are made. */
  readonly writtenOutMs: number;
  /** The store has made it the newest. */
  readonly savedMs: number;
  /** The slot may be told. */
  readonly settledMs: number;
  readonly blocks: number;
  readonly bytes: number;
  /** From before the barrier until it was settled. */
  readonly stretch: Stretch;
  /** As long without a checkpoint, just before. */
  readonly calm: Stretch;
  /** The checkpoint's own work in one go, the longest of each kind, as `busyMs`. */
  readonly parts: { readonly begin: number; readonly step: number; readonly save: number };
  /** Longest pause that V8 reports for garbage collection meanwhile. */
  readonly gcMs: number;
}

export interface SaveReport {
  readonly full: readonly CheckpointFigures[];
  /** After 1 % of the keys changed. */
  readonly some: readonly CheckpointFigures[];
  /** What the last checkpoint holds. */
  readonly saved: Counted;
  /** Of a store that does not outlive its process. */
  readonly restored: RestoreReport | null;
}

export interface RestoreReport {
  /** The store gives the blocks. */
  readonly loadMs: number;
  /** Load, blocks to state, and the first read may begin. */
  readonly totalMs: number;
  readonly found: Counted;
}

export interface FlowReport {
  readonly rows: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Part of the wall time in which rows were made up. */
  readonly generatingMs: number;
  readonly checkpoints: number;
  readonly peakRssMiB: number;
}

/** What a reader or a pipeline reports at its end. */
export interface ReaderReport {
  readonly rows: number;
  /** First row received to last row received (pipeline: reading begins to last row visible). */
  readonly wallMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  readonly peakRssMiB: number;
  /** Bytes received on the socket. */
  readonly bytes: number;
  /** Commit end LSN of the last transaction; for a pipeline what is visible in its view. */
  readonly endLsn: string;
}

/** What a writer reports. */
export interface WriterReport {
  readonly rows: number;
  readonly transactions: number;
  readonly wallMs: number;
  /** Of the single transactions. */
  readonly transactionMs: { readonly p50: number; readonly p99: number };
}

/** What the prober reports; each list has one entry a probe. */
export interface ProberReport {
  readonly visibleMs: number[];
  /** Selects needed until the row was there. */
  readonly polls: number[];
  /** Same observer, same moment, but the row is looked up in the source table. */
  readonly observerMs: number[];
  /** A transaction such as a flush is: begin, update, upsert, commit. */
  readonly flushMs: number[];
}

/** Reads the order of this process. */
export function readOrder<Order>(): Order {
  return JSON.parse(process.env[ORDER_VARIABLE] ?? "null") as Order;
}

/** Prints one answer. */
export function answer(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Prints the last answer and ends the process whatever is still open. */
export function answerAndExit(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`, () => process.exit(0));
}
