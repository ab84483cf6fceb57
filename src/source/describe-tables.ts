import type { CatalogTable, CatalogType, MadeType } from "../core/catalog.js";
import type { CodecTable, DecoderFactory } from "../core/decoder.js";
import type { SqlSession } from "../core/sql.js";
import { describeTable } from "./catalog.js";
import { readTypes } from "./read-types.js";

/** Tables by the catalogue, and a decoder that knows their types. */
export interface DescribedTables {
  readonly tables: readonly CatalogTable[];
  /** The types that are not PostgreSQL's own, and all they are made of. */
  readonly types: readonly CatalogType[];
  readonly decoder: DecoderFactory & CodecTable;
}

/**
 * Describes tables with the codecs their cells will have. Binary cells are taken when they are
 * wanted and every column of every table has a binary form that is read, because a connection has
 * one form for all.
 */
export async function describeTables(
  session: SqlSession,
  names: readonly string[],
  { decoder, wantsBinary }: { readonly decoder: DecoderFactory; readonly wantsBinary: boolean },
): Promise<DescribedTables> {
  const plain: CatalogTable[] = [];
  for (const name of names) plain.push(await describeTable(session, name, decoder.codecOf));
  const all = plain.flatMap(({ qualifiedName, columns }) =>
    columns.map(({ typeOid, name }) => ({ typeOid, column: `${qualifiedName}.${name}` })),
  );
  const types = await readTypes(
    session,
    all.map(({ typeOid }) => typeOid),
  );
  const text = decoder.forTypes(types, false, plain);
  const isBinary = wantsBinary && all.every((one) => text.hasBinary(one.typeOid, one.column));
  const chosen = isBinary ? decoder.forTypes(types, true, plain) : text;
  const tables = plain.map((table) => ({
    ...table,
    columns: table.columns.map((column) => {
      const name = `${table.qualifiedName}.${column.name}`;
      const codec = chosen.codecOf(column.typeOid, name);
      const made = madeOf(column.typeOid, types);
      return made === null ? { ...column, codec } : { ...column, codec, made };
    }),
  }));
  return { tables, types, decoder: chosen };
}

/** What a domain or an enum comes down to; null for another type. */
function madeOf(typeOid: number, types: readonly CatalogType[]): MadeType | null {
  const typeNamed = (oid: number): CatalogType | undefined => types.find((t) => t.oid === oid);
  let type = typeNamed(typeOid);
  let below = typeOid;
  while (type?.kind === "domain") {
    below = type.base;
    type = typeNamed(below);
  }
  if (type?.kind === "enum") return { typeOid: below, typeName: type.name, labels: type.labels };
  return below === typeOid ? null : { typeOid: below, typeName: type?.name ?? "" };
}
