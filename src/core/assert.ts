/** A broken invariant of our own: a bug, never bad input. It is not caught anywhere. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** Throws `AssertionFailure` unless the condition holds; the message states the invariant. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionFailure(`invariant broken: ${invariant}`);
}
