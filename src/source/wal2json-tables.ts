import { TidemarkError } from "../core/errors.js";
import { quoteTable, type SqlSession } from "../core/sql.js";

/**
 * Refuses partitioned tables, of which wal2json names the partition that a change went to, and
 * tables whose rows are to be copied first, which takes a publication.
 */
export async function requireWal2jsonTables(
  session: SqlSession,
  wanted: { readonly tables: readonly string[]; readonly copiedTables: readonly string[] },
): Promise<void> {
  const [copied] = wanted.copiedTables;
  if (copied !== undefined) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      `The rows of table ${copied} are to be copied first, which goes by its publication: leave ` +
        'the copy out, or follow it with slot({ plugin: "pgoutput" }), the default.',
      { detail: { table: copied } },
    );
  }
  const [row] = await session.query(
    `select t as name from unnest($1::text[]) t join pg_class c on c.oid = to_regclass(t)
     where c.relkind = 'p'`,
    [wanted.tables.map(quoteTable)],
  );
  if (row === undefined) return;
  throw new TidemarkError(
    "CONFIG_INVALID",
    `Table ${row["name"]} is partitioned, and wal2json names the partitions instead: follow it ` +
      'with slot({ plugin: "pgoutput" }), the default.',
    { detail: { table: String(row["name"]) } },
  );
}
