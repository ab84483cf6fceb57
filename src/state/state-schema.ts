/**
 * What the contents of a state follow from, by name, in words for people: keys, window, aggregates.
 * State that was saved under other facts would mean something else.
 */
export type StateFacts = Readonly<Record<string, string>>;

/** Facts as a block carries them. */
export interface StateSchema {
  readonly hash: number;
  /** The facts as JSON in the order of their names, in UTF-8. */
  readonly text: Uint8Array;
}

export function schemaOf(facts: StateFacts): StateSchema {
  const text = new TextEncoder().encode(JSON.stringify(facts, Object.keys(facts).sort()));
  return { hash: fnv1a(text), text };
}

/** Each fact in which the two differ, in words; empty when they are the same. */
export function schemaDifferences(saved: StateSchema, needed: StateSchema): string[] {
  if (saved.hash === needed.hash) return [];
  const [was, is] = [saved, needed].map(factsOf) as [StateFacts, StateFacts];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names
    .filter((name) => was[name] !== is[name])
    .map((name) => `${name}: was ${words(was[name])}, is ${words(is[name])}`);
}

function factsOf(schema: StateSchema): StateFacts {
  return JSON.parse(new TextDecoder().decode(schema.text));
}

function words(fact: string | undefined): string {
  return fact === undefined || fact === "" ? "none" : `"${fact}"`;
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
