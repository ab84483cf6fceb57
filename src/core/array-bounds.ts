const bounds = new WeakMap<readonly unknown[], readonly number[]>();

/**
 * PostgreSQL arrays arrive as JavaScript arrays, nested for several dimensions. Where an array does
 * not count from 1, this tells from where, a number for each dimension: `[5:6]={a,b}` has [5].
 */
export function lowerBoundsOf(array: readonly unknown[]): readonly number[] {
  const known = bounds.get(array);
  if (known !== undefined) return known;
  const dimensions: number[] = [];
  for (let level: unknown = array; Array.isArray(level); level = level[0]) dimensions.push(1);
  return array.length === 0 ? [] : dimensions;
}

/** Notes the lower bounds of an array that was just made. For decoders. */
export function setLowerBounds(array: readonly unknown[], lower: readonly number[]): void {
  if (lower.some((bound) => bound !== 1)) bounds.set(array, lower);
}
