/** Which of the four: of the whole population or of a sample of it, squared or its root. */
export interface Spread {
  readonly isSample: boolean;
  readonly isRoot: boolean;
}

/** By what the sum of squares is divided; null where the result is NULL. */
export function divisorOf({ isSample }: Spread, count: number): number | null {
  const divisor = isSample ? count - 1 : count;
  return divisor > 0 ? divisor : null;
}
