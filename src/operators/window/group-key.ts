/**
 * The values of a key that GroupTable built from `count` cells: a cell's length plus one as
 * LEB128 and its bytes, or one zero byte for NULL. Values come back as PostgreSQL's text.
 */
export function decodeGroupKey(key: Uint8Array, count: number): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    let length = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = key[at++] as number;
      length |= (byte & 127) << shift;
      shift += 7;
    } while (byte >= 128);
    if (length === 0) {
      values.push(null);
      continue;
    }
    const end = at + length - 1;
    values.push(UTF8.decode(key.subarray(at, end)));
    at = end;
  }
  return values;
}

// A byte order mark is a character of the value like any other.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
