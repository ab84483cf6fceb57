// Runs one published CEP case through the matcher.
import { compilePattern } from "../../src/operators/pattern/compile-pattern.js";
import { Matcher } from "../../src/operators/pattern/matcher.js";
import { type KeyRuns, type Taken, takenOf } from "../../src/operators/pattern/run.js";
import {
  conditionsOf,
  definitionOf,
  type VectorEvent,
  type VectorPattern,
  type VectorRow,
} from "./cep-format.js";

export type Steps = Readonly<Record<string, readonly string[]>>;

/** Something a case puts out, in the order it does. */
export type Output =
  | { readonly match: Steps; readonly t: number; readonly processingTime: number }
  | { readonly timeout: Steps; readonly t: number; readonly processingTime: number }
  | { readonly watermark: number | string };

export interface FeedEntry {
  readonly event?: number;
  readonly watermark?: number | "min" | "max";
  readonly processingTime?: number;
  readonly checkpoint?: boolean;
}

/** The part of a case that a run needs. */
export interface VectorInput {
  readonly pattern: VectorPattern;
  readonly events: readonly VectorEvent[];
  readonly operator?: {
    readonly time: "event" | "processing";
    readonly keyBy: string | null;
    readonly comparator?: { readonly field: string };
  };
}

/** A case under way: one matcher, and what its keys remember. */
export class VectorRun {
  readonly outputs: Output[] = [];
  readonly late: string[] = [];
  readonly steps: readonly string[];
  readonly #input: VectorInput;
  readonly #keys = new Map<unknown, KeyRuns<VectorRow>>();
  readonly #matcher: Matcher<VectorRow>;
  readonly #waiting: VectorEvent[] = [];
  #watermark = Number.NEGATIVE_INFINITY;
  #clock = 0;
  #sequence = 0n;

  constructor(input: VectorInput) {
    this.#input = input;
    const definition = definitionOf(input.pattern);
    const { automaton, conditions } = compilePattern(definition);
    this.steps = automaton.steps;
    this.#matcher = new Matcher({
      automaton,
      conditions: conditionsOf(conditions, automaton.steps, () => this.#clock),
      afterMatch: definition.afterMatch,
      handler: {
        onMatch: ({ last, ms }) => this.outputs.push({ match: this.#named(last), ...this.#at(ms) }),
        onTimeout: ({ last }, ms) =>
          this.outputs.push({ timeout: this.#named(last), ...this.#at(ms) }),
      },
      keep: (event) => event,
    });
  }

  /** Feeds an event at once, time first; the format's `nfa` mode. */
  offer(event: VectorEvent): void {
    if (event.processingTime !== undefined) this.#clock = event.processingTime;
    this.#offer(event, event.t);
  }

  /** Lets time pass for every key. */
  advance(ms: number): void {
    for (const key of this.#keys.values()) this.#matcher.advance(key, ms);
  }

  /** One entry of an `operator` case. */
  feed(entry: FeedEntry): void {
    if (entry.processingTime !== undefined) this.#setClock(entry.processingTime);
    if (entry.watermark !== undefined) this.#setWatermark(entry.watermark);
    if (entry.event === undefined) return;
    const event = this.#input.events.find(({ i }) => i === entry.event);
    if (event === undefined) throw new Error(`no event ${entry.event}`);
    const { time, comparator } = this.#input.operator ?? { time: "event" };
    if (time === "processing" && comparator === undefined) this.#offer(event, this.#clock);
    else if (time === "processing" || event.t > this.#watermark) this.#waiting.push(event);
    else this.late.push(`e${event.i}`);
  }

  /** Live runs, of one key or of all. */
  runs(key?: unknown): { readonly step: string; readonly last: Taken<VectorRow> }[] {
    const keys = key === undefined ? [...this.#keys.values()] : [this.#keys.get(key)];
    return keys.flatMap((one) =>
      (one?.runs ?? []).map((run) => ({ step: this.#matcher.waitsFor(run), last: run.last })),
    );
  }

  #setClock(ms: number): void {
    const { time, comparator } = this.#input.operator ?? {};
    if (time === "processing" && comparator !== undefined && ms > this.#clock) {
      this.#release(
        () => true,
        () => this.#clock,
      );
    }
    this.#clock = ms;
    if (time === "processing") this.advance(ms);
  }

  #setWatermark(watermark: number | "min" | "max"): void {
    const limits = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
    this.#watermark = typeof watermark === "number" ? watermark : limits[watermark];
    this.#release(
      (event) => event.t <= this.#watermark,
      (event) => event.t,
    );
    this.advance(Math.min(this.#watermark, Number.MAX_SAFE_INTEGER));
    this.outputs.push({ watermark });
  }

  #release(isDue: (event: VectorEvent) => boolean, ms: (event: VectorEvent) => number): void {
    const field = this.#input.operator?.comparator?.field;
    const due = this.#waiting.filter(isDue);
    const rest = this.#waiting.filter((event) => !isDue(event));
    this.#waiting.splice(0, Number.POSITIVE_INFINITY, ...rest);
    const rank = (event: VectorEvent) => (field === undefined ? 0 : (event[field] as number));
    due.sort((a, b) => ms(a) - ms(b) || rank(a) - rank(b));
    for (const event of due) this.#offer(event, ms(event));
  }

  #offer(row: VectorEvent, ms: number): void {
    const keyBy = this.#input.operator?.keyBy ?? null;
    const key = keyBy === null ? null : row[keyBy];
    const runs = this.#keys.get(key) ?? { runs: [], completed: [] };
    this.#keys.set(key, runs);
    this.#matcher.offer(runs, { row, ms, commitLsn: this.#sequence++, ordinal: 0 });
  }

  #at(t: number): { t: number; processingTime: number } {
    return { t, processingTime: this.#clock };
  }

  #named(last: Taken<VectorRow>): Steps {
    const named: Record<string, string[]> = {};
    for (const { step, event } of takenOf(last)) {
      const name = this.steps[step] ?? "";
      named[name] = [...(named[name] ?? []), `e${event.row.i}`];
    }
    return named;
  }
}
