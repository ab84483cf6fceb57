import { TidemarkError } from "../core/errors.js";
import { isUnknownOption } from "../core/postgres-errors.js";
import { type SqlSession, splitTableName } from "../core/sql.js";

/** What wal2json is asked for. */
export interface Wal2jsonWishes {
  /** Tables to be sent, as schema and name; null: all of the database. */
  readonly tables: readonly { readonly schema: string; readonly name: string }[] | null;
  /** Whether the plugin can print numbers as strings, which keeps NaN and infinities (2.6). */
  readonly hasNumbersAsText: boolean;
}

/**
 * The options of wal2json that its decoder needs. Types come as OIDs, because the plugin does not
 * escape the names of types that have to be quoted.
 */
export function wal2jsonOptions(wishes: Wal2jsonWishes): Readonly<Record<string, string>> {
  const { tables, hasNumbersAsText } = wishes;
  const listed = tables?.map(({ schema, name }) => `${escaped(schema)}.${escaped(name)}`).join(",");
  return {
    "format-version": "2",
    "include-transaction": "true",
    "include-xids": "true",
    "include-timestamp": "true",
    "include-lsn": "true",
    "include-types": "false",
    "include-type-oids": "true",
    "include-column-positions": "true",
    "include-pk": "true",
    actions: "insert,update,delete,truncate",
    ...(hasNumbersAsText ? { "numeric-data-types-as-string": "true" } : {}),
    ...(listed === undefined ? {} : { "add-tables": listed }),
  };
}

/** The options for these tables, as far as the plugin at the other end knows them. */
export async function askWal2json(
  session: SqlSession,
  { slotName, tables }: { readonly slotName: string; readonly tables: readonly string[] },
): Promise<Readonly<Record<string, string>>> {
  return wal2jsonOptions({
    tables: tables.map(splitTableName),
    hasNumbersAsText: await hasNumbersAsText(session, slotName),
  });
}

/** Only trying tells the plugin's version; a peek up to the first position reads one record. */
async function hasNumbersAsText(session: SqlSession, slotName: string): Promise<boolean> {
  const peek = `select count(*) from pg_logical_slot_peek_changes($1, '0/1', 1,
    'format-version', '2', 'numeric-data-types-as-string', 'true')`;
  try {
    await session.query(peek, [slotName]);
    return true;
  } catch (error) {
    const cause = error instanceof TidemarkError ? error.cause : error;
    if (isUnknownOption(cause)) return false;
    throw error;
  }
}

function escaped(name: string): string {
  return name.replace(/[\s'",.*\\]/g, "\\$&");
}
