/** A change that breaks the protocol on purpose; each `from` occurs exactly once in the file. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
}

const SESSION = "src/pipeline/session.ts";
const CHECKPOINTER = "src/pipeline/checkpointer.ts";

const one = (file: string, name: string, from: string, to: string): Mutation => {
  return { name, file, edits: [[from, to]] };
};

/**
 * Awaits and orders of the checkpoint protocol, taken away one at a time. The simulator has to
 * notice each. Not here, because nothing would change that anybody could see:
 *
 * - an idle position inside a transaction: the stream hands none over, and the session's own check
 *   is a second lock (test/source/slot-stream.test.ts has the first);
 * - results that a replay does not discard: views take the same rows again, and append tables
 *   refuse a position that is there (test/conformance/sink.ts);
 * - the wait for the last write at the end of a session: the next one claims a greater epoch, which
 *   fences that write off;
 * - the ack of a session that is closing: its stream reports what it was told before.
 *
 * What sinks and stores do inside one call is the conformance suites' business.
 */
export const MUTATIONS: readonly Mutation[] = [
  one(
    CHECKPOINTER,
    "a checkpoint does not wait for its results",
    "const [blocks] = await Promise.all([this.#writeOut(snapshot), written]);",
    "void written; const blocks = await this.#writeOut(snapshot);",
  ),
  one(
    CHECKPOINTER,
    "a checkpoint counts before it is saved",
    "await store.save({ epoch, position, blocks });",
    "void store.save({ epoch, position, blocks }).catch(this.#parts.onFailed);",
  ),
  one(CHECKPOINTER, "the ack does not wait until it is durable", "await store.settled(saved);", ""),
  one(
    SESSION,
    "the results of a checkpoint need not be durable",
    "mustBeDurable: withCheckpoint,",
    "mustBeDurable: false,",
  ),
  one(
    SESSION,
    "the slot is told what is applied",
    "report(this.#checkpointer?.acknowledgeable ?? ZERO_LSN, this.#applied)",
    "report(this.#applied, this.#applied)",
  ),
  one(
    SESSION,
    "the slot is told what is saved and not durable",
    "report(this.#checkpointer?.acknowledgeable ?? ZERO_LSN",
    "report(this.#checkpointer?.saved ?? ZERO_LSN",
  ),
];
