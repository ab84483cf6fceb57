/** Since when a slot keeps more than it may without getting nearer. */
export interface Excess {
  readonly sinceMs: number;
  /** The least it has kept since. */
  readonly leastBytes: bigint;
  /** The least that was missing in checkpoints since. */
  readonly leastUnsettled: bigint;
}

/** What a slot keeps at a moment. */
export interface BudgetLook {
  readonly nowMs: number;
  /** From what is confirmed to the end of the server's log. */
  readonly lagBytes: bigint;
  /** From the newest checkpoint that is settled to the end of the server's log. */
  readonly unsettledBytes: bigint;
  readonly budgetBytes: bigint;
}

/** Where changes are read from: the slot, a detour that grows, or one that is read to its end. */
export type DetourPhase = "slot" | "recording" | "ending";

/** What a look at the slot leads to. */
export type BudgetVerdict = "go-on" | "begin" | "end" | "stop" | "wait";

/** What the verdict is made from. */
export interface BudgetFacts extends Omit<BudgetLook, "lagBytes"> {
  readonly phase: DetourPhase;
  /** Null: the slot keeps no more than it may, or ever less. */
  readonly excess: Excess | null;
  readonly patienceMs: number;
  /** The detour has no room, and everything in it is in a settled checkpoint. */
  readonly isFullAndRead: boolean;
  /** What to do where there is no detour to begin, or where the one there is has no room. */
  readonly lastResort: "stop" | "wait";
  readonly mayDetour: boolean;
}

/**
 * Follows what a slot keeps. A backlog that shrinks is one that results catch up with, be it at the
 * slot or in a detour; only one that has not shrunk for a while is to be acted upon.
 */
export function observeExcess(before: Excess | null, look: BudgetLook): Excess | null {
  const { nowMs, lagBytes, unsettledBytes, budgetBytes } = look;
  if (lagBytes <= budgetBytes) return null;
  const isNearer =
    before === null || lagBytes < before.leastBytes || unsettledBytes < before.leastUnsettled;
  if (!isNearer) return before;
  return { sinceMs: nowMs, leastBytes: lagBytes, leastUnsettled: unsettledBytes };
}

/**
 * What to do about the WAL that a slot keeps. A detour ends when what it keeps from the server is
 * less than half of what the slot may keep, so that it does not begin again at once.
 */
export function judgeBudget(facts: BudgetFacts): BudgetVerdict {
  const { phase, budgetBytes, excess, unsettledBytes, isFullAndRead, lastResort } = facts;
  if (phase === "recording" && (unsettledBytes < budgetBytes / 2n || isFullAndRead)) return "end";
  if (excess === null || facts.nowMs - excess.sinceMs < facts.patienceMs) return "go-on";
  if (phase !== "recording" && facts.mayDetour) return "begin";
  return lastResort;
}
