/** What a generated file may not declare: its own names and the global types it uses. */
const TAKEN = [
  ...["Database", "Published", "Uint8Array", "Record"],
  ...["CalendarDate", "Interval", "Numeric", "Range", "TimeOfDay", "Timestamp"],
];

/** What a table's name is followed by in the names of types that belong to it. */
export const SUFFIX = { key: "Key", large: "Large" } as const;

/**
 * A TypeScript name for each table, in the order given: `public.order_items` becomes
 * `PublicOrderItems`. The name with a suffix is the table's too. Where two come out equal, later
 * ones get a number.
 */
export function interfaceNames(
  tables: readonly { readonly schema: string; readonly name: string }[],
): string[] {
  const taken = new Set(TAKEN);
  return tables.map(({ schema, name }) => {
    const base = identifier(`${schema} ${name}`);
    let unique = base;
    for (let n = 2; namesOf(unique).some((one) => taken.has(one)); n++) unique = `${base}${n}`;
    for (const one of namesOf(unique)) taken.add(one);
    return unique;
  });
}

function namesOf(name: string): string[] {
  return [name, ...Object.values(SUFFIX).map((suffix) => name + suffix)];
}

function identifier(words: string): string {
  const joined = words
    .split(/[^\p{ID_Continue}]+|_+/u)
    .map((word) => [...word])
    .map(([first = "", ...rest]) => first.toUpperCase() + rest.join(""))
    .join("");
  return /^\p{ID_Start}/u.test(joined) ? joined : `T${joined}`;
}
