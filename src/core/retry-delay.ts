/** The pause before attempt `attempt` (from 0): exponential, with full jitter, in milliseconds. */
export function retryDelayMs(
  attempt: number,
  limits: { readonly minMs: number; readonly maxMs: number },
  random: () => number,
): number {
  const ceiling = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(attempt, 30));
  return limits.minMs / 2 + random() * (ceiling - limits.minMs / 2);
}
