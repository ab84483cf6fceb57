/** Numbers that follow from a seed (mulberry32), so that a failure can be repeated. */
export interface Random {
  readonly seed: number;
  /** From 0 up to but not including 1. */
  next(): number;
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number;
  /** True in `share` of all calls. */
  chance(share: number): boolean;
}

/** Takes the seed of TIDEMARK_TEST_SEED, or `otherwise`, or a new one, and prints it. */
export function seededRandom(otherwise: number = Math.floor(Math.random() * 2 ** 32)): Random {
  const given = process.env["TIDEMARK_TEST_SEED"];
  const seed = given === undefined ? otherwise : Number(given);
  process.stdout.write(`TIDEMARK_TEST_SEED=${seed}\n`);
  return randomOf(seed);
}

/** The numbers of one seed. */
export function randomOf(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    seed,
    next,
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    chance: (share) => next() < share,
  };
}
