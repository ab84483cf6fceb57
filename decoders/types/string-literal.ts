/** A TypeScript string literal in the quotes that need fewer escapes, else in double ones. */
export function stringLiteral(value: string): string {
  const doubles = value.split('"').length;
  const singles = value.split("'").length;
  const json = JSON.stringify(value);
  if (doubles <= singles) return json;
  const body = json
    .slice(1, -1)
    .replaceAll(/\\.|'/g, (part) => (part === '\\"' ? '"' : part === "'" ? "\\'" : part));
  return `'${body}'`;
}
