/** A change that breaks the protocol on purpose; each `from` occurs exactly once in the file. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
  /** A world in which it is seen. */
  readonly seed: number;
}

const SESSION = "src/pipeline/session.ts";
const OPENING = "src/pipeline/open-session.ts";
const CHECKPOINTER = "src/pipeline/checkpointer.ts";
const ENGINE = "src/pipeline/engine.ts";
const VERDICT = "src/source/start-verdict.ts";

const LOAD = `await store.load({
    notBefore: earliestLoad(stream.position.lsn, judged, stands),
    notAfter: progress.position.lsn,
  });`;

const COLLECTABLE = "isCollectable: !engine.isInTransaction && !engine.isReplaying,";
const SKIPPING = "this.#isSkipping = slice.commitLsn < this.#cursor;";

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
 * - the ack of a session that is closing: its stream reports what it was told before;
 * - the waits of a stop for its last write and checkpoint: a stop that does not wait is a kill;
 * - `sink.prepare` and both claims before what follows on the same connection: requests are carried
 *   out in the order in which they are made.
 *
 * What sinks and stores do inside one call is the conformance suites' business.
 */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a checkpoint does not wait for its results",
    file: CHECKPOINTER,
    edits: [
      [
        "const [blocks] = await Promise.all([this.#writeOut(snapshot), written]);",
        "void written; const blocks = await this.#writeOut(snapshot);",
      ],
    ],
    seed: 15,
  },
  {
    name: "a checkpoint counts before it is saved",
    file: CHECKPOINTER,
    edits: [
      [
        "await store.save({ epoch, position, blocks });",
        "void store.save({ epoch, position, blocks }).catch(this.#parts.onFailed);",
      ],
    ],
    seed: 2,
  },
  {
    name: "the ack does not wait until it is durable",
    file: CHECKPOINTER,
    edits: [["await store.settled(saved);", ""]],
    seed: 1,
  },
  {
    name: "the checkpoint of an idle advance counts before it is durable",
    file: CHECKPOINTER,
    edits: [["if (holdsResults && store.settlesLate !== true) await", "if (false) await"]],
    seed: 5493,
  },
  {
    name: "a write counts before it has taken effect",
    file: SESSION,
    edits: [
      ["await this.#sink.write(commit);", "this.#sink.write(commit).catch((e) => this.#fail(e));"],
    ],
    seed: 5,
  },
  {
    name: "a failed write is forgotten",
    file: SESSION,
    edits: [
      [
        "() => this.#guard(() => this.#onWritten()),\n      (error: unknown) => this.#fail(error),",
        "() => this.#guard(() => this.#onWritten()),\n      () => this.#onWritten(),",
      ],
    ],
    seed: 5,
  },
  {
    name: "the results of a checkpoint need not be durable",
    file: SESSION,
    edits: [["mustBeDurable: withCheckpoint,", "mustBeDurable: false,"]],
    seed: 1,
  },
  {
    name: "the slot is told what is applied",
    file: SESSION,
    edits: [
      [
        "report(this.#checkpointer?.acknowledgeable ?? ZERO_LSN, this.#applied)",
        "report(this.#applied, this.#applied)",
      ],
    ],
    seed: 1,
  },
  {
    name: "the slot is told what is saved and not durable",
    file: SESSION,
    edits: [
      [
        "report(this.#checkpointer?.acknowledgeable ?? ZERO_LSN",
        "report(this.#checkpointer?.saved ?? ZERO_LSN",
      ],
    ],
    seed: 18,
  },
  {
    name: "an idle advance is recorded without its checkpoint",
    file: SESSION,
    edits: [["withCheckpoint && !this.#hasUnsavedRows ?", "!this.#hasUnsavedRows ?"]],
    seed: 89,
  },
  {
    name: "results are written while the checkpoint of an idle advance is under way",
    file: SESSION,
    edits: [["const holdsResults = idleMs !== null;", "const holdsResults = false;"]],
    seed: 4449,
  },
  {
    name: "a repeated idle advance is not saved",
    file: SESSION,
    edits: [["onReplayed: () => this.#saveReplayed(progress.idleMs),", "onReplayed: () => {},"]],
    seed: 3357,
  },
  {
    name: "results are collected in the middle of a transaction",
    file: SESSION,
    edits: [[COLLECTABLE, "isCollectable: !engine.isReplaying,"]],
    seed: 7,
  },
  {
    name: "results are collected during a replay",
    file: SESSION,
    edits: [[COLLECTABLE, "isCollectable: !engine.isInTransaction,"]],
    seed: 2,
  },
  {
    name: "the results are looked at before the checkpoint",
    file: OPENING,
    edits: [
      ["const header = await store.open();\n", ""],
      [
        "const seen = await sink.open();",
        "const seen = await sink.open(); const header = await store.open();",
      ],
    ],
    seed: 7107,
  },
  {
    name: "a first claim between the two looks is not looked for",
    file: OPENING,
    edits: [["if (!isClaimedSince && !isPending) refuse", "if (!isPending) refuse"]],
    seed: 55,
  },
  {
    name: "the epoch follows from the first look",
    file: OPENING,
    edits: [["nextEpoch(ownEpoch, seen, stands)", "nextEpoch(ownEpoch, seen, header)"]],
    seed: 9,
  },
  {
    name: "the first checkpoint may be lost after the results are claimed",
    file: OPENING,
    edits: [["if (seen === null) await store.settled", "if (seen === null) void store.settled"]],
    seed: 157,
  },
  {
    name: "the results are claimed before the checkpoint",
    file: OPENING,
    edits: [
      [
        "  await store.claim(epoch, stream.position);\n",
        "  const progress = await sink.claim(epoch, stream.position);\n" +
          "  await store.claim(epoch, stream.position);\n",
      ],
      [
        "  const progress = await sink.claim(epoch, stream.position);\n  const checkpoint",
        "  const checkpoint",
      ],
    ],
    seed: 9,
  },
  {
    name: "the results are not claimed again",
    file: OPENING,
    edits: [
      [
        "const progress = await sink.claim(epoch, stream.position);",
        "const progress = seen ?? (await sink.claim(epoch, stream.position));",
      ],
    ],
    seed: 2,
  },
  {
    name: "a replay ends where the results stood before the claim",
    file: OPENING,
    edits: [
      [
        "const progress = await sink.claim(epoch, stream.position);",
        "const progress = { ...(await sink.claim(epoch, stream.position)), ...seen };",
      ],
    ],
    seed: 611,
  },
  {
    name: "the state is loaded before the stream is open",
    file: OPENING,
    edits: [
      [
        "  const stream = await source.open({",
        "  const early = header?.position == null ? null : await store.load();" +
          "const stream = await source.open({",
      ],
      [LOAD, `early ?? ${LOAD}`],
    ],
    seed: 114,
  },
  {
    name: "the claim comes before the stream",
    file: OPENING,
    edits: [
      [
        "  const stream = await source.open({",
        "  if (seen !== null) " +
          "await store.claim(nextEpoch(ownEpoch, seen, header), seen.position);" +
          "const stream = await source.open({",
      ],
    ],
    seed: 2,
  },
  {
    name: "a transaction that begins at the cursor is taken for an old one",
    file: ENGINE,
    edits: [[SKIPPING, "this.#isSkipping = slice.commitLsn <= this.#cursor;"]],
    seed: 5,
  },
  {
    name: "a transaction that comes again is processed again",
    file: ENGINE,
    edits: [[SKIPPING, "this.#isSkipping = false;"]],
    seed: 20,
  },
  {
    name: "an idle advance is not repeated",
    file: ENGINE,
    edits: [["if (this.#idleMs !== null) this.onIdle(this.#idleMs);", ""]],
    seed: 138,
  },
  {
    name: "a slot whose birth was interrupted is made anew",
    file: VERDICT,
    edits: [
      ["if (facts.isBirthPending) return facts.isCopying", "if (facts.isBirthPending) return true"],
    ],
    seed: 212,
  },
];
