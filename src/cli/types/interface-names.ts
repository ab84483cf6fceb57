/** What a generated file may not declare: its own names and the global types it uses. */
const TAKEN = [
  ...["Database", "Uint8Array", "Record"],
  ...["CalendarDate", "Interval", "Numeric", "Range", "TimeOfDay", "Timestamp"],
];

/**
 * A TypeScript name for each table, in the order given: `public.order_items` becomes
 * `PublicOrderItems`. Where two come out equal, later ones get a number.
 */
export function interfaceNames(
  tables: readonly { readonly schema: string; readonly name: string }[],
): string[] {
  const taken = new Set(TAKEN);
  return tables.map(({ schema, name }) => {
    const base = identifier(`${schema} ${name}`);
    let unique = base;
    for (let n = 2; taken.has(unique); n++) unique = `${base}${n}`;
    taken.add(unique);
    return unique;
  });
}

function identifier(words: string): string {
  const joined = words
    .split(/[^\p{ID_Continue}]+|_+/u)
    .map((word) => [...word])
    .map(([first = "", ...rest]) => first.toUpperCase() + rest.join(""))
    .join("");
  return /^\p{ID_Start}/u.test(joined) ? joined : `T${joined}`;
}
