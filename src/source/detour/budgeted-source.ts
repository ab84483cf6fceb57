import type { CatalogTable } from "../../core/catalog.js";
import type { Clock } from "../../core/clock.js";
import { TidemarkError } from "../../core/errors.js";
import { type Lsn, maxLsn, ZERO_LSN } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import type { ChangeSource, ChangeStream, SourceUpkeep, StreamRequest } from "../../core/source.js";
import { Recorder } from "../recording/recorder.js";
import { readRecordingEnd } from "../recording/recording-end.js";
import { RecordingStream } from "../recording/recording-stream.js";
import type { RecordingOptions } from "../recording/recording-writer.js";
import type { SlotLag } from "../slot-lag.js";
import { SlotSource, type SlotSourceOptions } from "../slot-source.js";
import { inWordsOfDetour, overBudget } from "./budget-errors.js";
import type { BudgetEvent, DetourStatus } from "./budget-event.js";
import { detourStart } from "./detour-start.js";
import { watchedStream } from "./detour-stream.js";
import { GrowingRecording } from "./growing-recording.js";
import { type DetourPhase, type Excess, judgeBudget, observeExcess } from "./judge-budget.js";

/** Where a stream goes while its slot would keep too much. */
export interface DetourOptions {
  readonly recording: RecordingOptions;
  /** Bytes on disk; beyond, recording waits. */
  readonly maxBytes: number;
  readonly whenFull: "stop" | "wait";
}

/** What a budgeted source is made of. */
export interface BudgetedSourceParts {
  /** Of the slot; recorded is only what takes a detour. */
  readonly source: SlotSourceOptions;
  /** WAL that the slot may keep for us, in bytes. */
  readonly budgetBytes: number;
  /** How long it may keep more without getting nearer. */
  readonly patienceMs: number;
  /** Null: the pipeline stops with WAL_BUDGET. */
  readonly detour: DetourOptions | null;
  readonly clock: Clock;
  /** 0 to 1, for the jitter of retries. */
  readonly random: () => number;
  /** How often an idle position is noted, in milliseconds. */
  readonly idleIntervalMs: number;
  readonly retry: { readonly minMs: number; readonly maxMs: number };
  readonly onEvent: (event: BudgetEvent) => void;
}

const LOOK_MS = 5_000;
const MAX_SYNC_MS = 1_000;
const BEGIN_POLL_MS = 50;

/**
 * A slot that may keep only so much WAL. When results are not taken for so long that it keeps more,
 * the stream makes a detour: a recorder takes over the slot and is told what is on this machine's
 * disk, and sessions read what is recorded, from their checkpoint on, as they would read the slot.
 * When they have nearly caught up with the server, recording ends; once a checkpoint has passed the
 * end, the detour is removed and the slot is read again. Every change between the two ends the
 * session without an error, so that it is a restart like any other.
 *
 * While there is a detour, the slot may be ahead of the checkpoint. A process that finds one when
 * it starts goes on with it before it looks at anything else.
 */
export class BudgetedSource implements ChangeSource {
  readonly upkeep: SourceUpkeep;
  readonly #parts: BudgetedSourceParts;
  readonly #slot: SlotSource;
  readonly #recording: GrowingRecording | null;
  #phase: DetourPhase = "slot";
  /** Settles when the phase is what it is going to be. */
  #changing: Promise<void> = Promise.resolve();
  #recorder: Recorder | null = null;
  #recorded: Promise<void> = Promise.resolve();
  /** Where recording began, before there is anything in it. */
  #begun: Position | null = null;
  /** Where a detour ends that is read to its end. */
  #endLsn: Lsn | null = null;
  #stream: ChangeStream | null = null;
  /** A session of this process had the slot: it is ours, and checkpoint and slot fit. */
  #isOurs = false;
  #settled: Lsn = ZERO_LSN;
  #applied: Lsn = ZERO_LSN;
  #excess: Excess | null = null;
  #wasFull = false;
  #isStopped = false;
  #cancelLook: () => void = () => {};
  #end: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null;

  constructor(parts: BudgetedSourceParts) {
    const { source, detour } = parts;
    this.#parts = parts;
    this.#slot = new SlotSource(source);
    this.#recording = detour === null ? null : new GrowingRecording(detour.recording.dir);
    const isHolding = (): boolean => this.#phase !== "slot";
    this.upkeep = {
      get isHolding() {
        return isHolding();
      },
      run: () => this.#run(),
      stop: () => this.#stop(),
    };
  }

  /** Null while the slot is read. */
  get detour(): DetourStatus | null {
    const recording = this.#recording;
    if (recording === null || this.#phase === "slot") return null;
    return {
      isRecording: this.#phase === "recording",
      isFull: this.#recorder?.isPaused ?? false,
      recordedLsn: this.#endLsn ?? this.#recorder?.receivedLsn ?? ZERO_LSN,
      diskBytes: recording.diskBytes,
    };
  }

  describe(tables: readonly string[]): Promise<readonly CatalogTable[]> {
    return this.#slot.describe(tables);
  }

  async open(request: StreamRequest): Promise<ChangeStream> {
    await this.#changing;
    if (this.#phase === "slot") {
      const stream = await this.#slot.open(request);
      // A copy has to be saved first: before that there is nothing that a detour could lead to.
      if (stream.snapshot == null) this.#isOurs = true;
      if (this.#phase === "slot") return this.#watch(stream, () => {});
      await stream.close(); // a detour began meanwhile
      await this.#changing;
    }
    const recording = this.#recording as GrowingRecording;
    if (request.beginsAnew === true) throw onDetour(recording.dir);
    return this.#openDetour(recording, request);
  }

  async reset(): Promise<void> {
    await this.#slot.reset();
    await this.#recording?.remove();
  }

  async #openDetour(recording: GrowingRecording, request: StreamRequest): Promise<ChangeStream> {
    const begin = await this.#begin(recording);
    const { dir } = recording;
    const { slotName } = this.#parts.source;
    const header = await request.readCheckpoint();
    const position = detourStart({ dir, slotName, begin, header });
    const { pieces, stop } = recording.read(position.lsn);
    const decoder = this.#slot.decoder.create();
    const { handlers } = request;
    return this.#watch(new RecordingStream({ pieces, position, decoder, handlers }), stop);
  }

  /** Where the detour begins, once it has begun. */
  async #begin(recording: GrowingRecording): Promise<Position> {
    const { clock, source } = this.#parts;
    const untilMs = clock.monotonic() + source.slotWaitMs;
    while (clock.monotonic() < untilMs && !this.#isStopped) {
      const begin = (await recording.range())?.begin ?? this.#begun;
      if (begin !== null) return begin;
      await new Promise<void>((resolve) => void clock.after(BEGIN_POLL_MS, resolve));
    }
    throw new TidemarkError(
      "SOURCE_UNREACHABLE",
      `The detour in ${recording.dir} has not begun yet: its recorder waits for the slot or the ` +
        "server. It is tried again.",
    );
  }

  #watch(inner: ChangeStream, onClose: () => void): ChangeStream {
    const stream: ChangeStream = watchedStream(inner, {
      onReport: (flush, apply) => this.#onReport(flush, apply),
      onClose,
    });
    this.#stream = stream;
    return stream;
  }

  #onReport(flush: Lsn, apply: Lsn): void {
    this.#applied = maxLsn(this.#applied, apply);
    if (flush <= this.#settled) return;
    this.#settled = flush;
    this.#isOurs = true;
    if (this.#phase === "recording") void this.#recording?.prune(flush).catch(this.#fail);
    this.#finishIfRead();
  }

  /** Ends the pipeline. */
  readonly #fail = (error: unknown): void => this.#end?.reject(error);

  async #run(): Promise<void> {
    const over = new Promise<void>((resolve, reject) => {
      this.#end = { resolve, reject };
    });
    over.catch(() => {}); // awaited below
    this.#changing = this.#resume();
    this.#changing.catch(this.#fail);
    await this.#changing;
    this.#lookLater();
    await over;
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook();
    await this.#changing.catch(() => {}); // told already
    await this.#recorder?.stop();
    await this.#recorded;
    this.#end?.resolve();
  }

  /** Goes on with a detour that an earlier process left. */
  async #resume(): Promise<void> {
    const recording = this.#recording;
    if (recording === null || (await recording.range()) === null) return;
    this.#parts.onEvent({ kind: "detour-resumes", dir: recording.dir });
    this.#phase = "recording";
    this.#record(recording);
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    const { clock, patienceMs } = this.#parts;
    this.#cancelLook = clock.after(Math.min(LOOK_MS, patienceMs / 3), () => {
      this.#look().then(() => this.#lookLater(), this.#fail);
    });
  }

  async #look(): Promise<void> {
    const { clock, budgetBytes, patienceMs, detour } = this.#parts;
    // A server that does not answer is what sessions and the recorder try again for.
    const lag = await this.#slot.lag().catch(() => null);
    if (lag === null || this.#isStopped) return;
    const nowMs = clock.monotonic();
    const budget = BigInt(budgetBytes);
    const look = { nowMs, unsettledBytes: lag.walLsn - this.#settled, budgetBytes: budget };
    const lagBytes = lag.walLsn - lag.confirmedLsn;
    this.#excess = observeExcess(this.#excess, { ...look, lagBytes });
    const verdict = judgeBudget({
      ...look,
      phase: this.#phase,
      excess: this.#excess,
      patienceMs,
      isFullAndRead: this.#recorder?.isPaused === true && this.#settled >= lag.confirmedLsn,
      mayDetour: detour !== null && this.#isOurs,
      lastResort: detour?.whenFull ?? "stop",
    });
    switch (verdict) {
      case "begin":
        return this.#change(() => this.#beginDetour(lag));
      case "end":
        return this.#change(() => this.#endDetour());
      case "stop":
        throw overBudget({
          ...{ slotName: this.#parts.source.slotName, lag, budgetBytes, patienceMs },
          detourBytes: this.#phase === "recording" ? (this.detour?.diskBytes ?? 0) : null,
        });
      case "wait":
        this.#tellFull(lag);
    }
  }

  /** One change at a time; a stream that is opened meanwhile waits for it. */
  async #change(action: () => Promise<void>): Promise<void> {
    this.#changing = this.#changing.then(action);
    await this.#changing;
    this.#excess = null;
    this.#wasFull = false;
  }

  async #beginDetour(lag: SlotLag): Promise<void> {
    const recording = this.#recording as GrowingRecording;
    const lagBytes = Number(lag.walLsn - lag.confirmedLsn);
    this.#parts.onEvent({ kind: "detour-begins", lagBytes, dir: recording.dir });
    const wasEnding = this.#phase === "ending";
    this.#phase = "recording";
    this.#endLsn = null;
    // A session that reads a detour to its end goes on reading it.
    if (!wasEnding) await this.#stream?.close();
    this.#record(recording);
  }

  #record(recording: GrowingRecording): void {
    const { source, detour, clock, random, retry, patienceMs, idleIntervalMs, onEvent } =
      this.#parts;
    const { recording: options, maxBytes } = detour as DetourOptions;
    const recorder = new Recorder({
      source: new SlotSource({
        ...source,
        copiedTables: [],
        emptyTables: [],
        isStreaming: false,
        mayAdoptSlot: true,
        mayCreatePublication: false,
        record: options,
        onWriter: (writer) => recording.attach(writer),
      }),
      readEnd: () => readRecordingEnd(options.dir),
      clock,
      random,
      syncIntervalMs: Math.min(MAX_SYNC_MS, patienceMs / 4),
      idleIntervalMs,
      retry,
      retriesFirst: true,
      isFull: () => recording.diskBytes >= maxBytes,
      appliedLsn: () => this.#applied,
      onRetry: (error, delayMs) => onEvent({ kind: "detour-retry", error, delayMs }),
      onRecording: (position) => {
        this.#begun ??= position;
      },
    });
    this.#recorder = recorder;
    this.#recorded = recorder.run().catch((error: unknown) => {
      this.#fail(inWordsOfDetour(error, options.dir));
    });
  }

  async #endDetour(): Promise<void> {
    await this.#recorder?.stop();
    await this.#recorded;
    this.#recorder = null;
    const range = await this.#recording?.range();
    this.#phase = "ending";
    this.#endLsn = range?.end.lsn ?? this.#settled;
    this.#parts.onEvent({ kind: "detour-ends", endLsn: this.#endLsn });
    this.#finishIfRead();
  }

  /** Back to the slot, once a checkpoint that its store cannot lose has the whole detour. */
  #finishIfRead(): void {
    if (this.#phase !== "ending" || this.#endLsn === null || this.#settled < this.#endLsn) return;
    this.#endLsn = null;
    const finish = async (): Promise<void> => {
      await this.#stream?.close();
      await this.#recording?.remove();
      this.#begun = null;
      this.#phase = "slot";
      this.#parts.onEvent({ kind: "detour-over" });
    };
    this.#change(finish).catch(this.#fail);
  }

  #tellFull(lag: SlotLag): void {
    if (this.#wasFull || this.#phase !== "recording") return;
    this.#wasFull = true;
    const diskBytes = this.#recording?.diskBytes ?? 0;
    const lagBytes = Number(lag.walLsn - lag.confirmedLsn);
    this.#parts.onEvent({ kind: "detour-full", lagBytes, diskBytes });
  }
}

function onDetour(dir: string): TidemarkError {
  return new TidemarkError(
    "REBUILD_REFUSED",
    `The stream is on a detour through the recording in ${dir}, which the slot cannot leave yet. ` +
      "Nothing was changed: run without --rebuild until the detour is over.",
    { detail: { dir } },
  );
}
