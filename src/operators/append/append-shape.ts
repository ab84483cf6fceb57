import type { CatalogColumn } from "../../core/catalog.js";
import { TidemarkError } from "../../core/errors.js";
import type { OutputColumn, OutputShape } from "../../core/output.js";

/** OIDs from here on belong to types that somebody created, which another database may lack. */
const FIRST_USER_OID = 16_384;

/** Types whose text means something else, or nothing, in another database. */
const LOCAL_TYPES = /^(reg[a-z]+|money)(\[\])?$/;

/** What every append table begins with, in this order. */
const POSITION_COLUMNS: readonly OutputColumn[] = [
  { name: "_commit_lsn", sqlType: "pg_lsn", role: "position" },
  { name: "_ordinal", sqlType: "bigint", role: "position" },
  { name: "_op", sqlType: "text", role: "value" },
  { name: "_committed_at", sqlType: "timestamp with time zone", role: "time" },
  { name: "_missing", sqlType: "text[]", role: "value" },
];

/** Follows them where updates and deletes come. */
const BEFORE_COLUMN: OutputColumn = { name: "_before", sqlType: "jsonb", role: "value" };

/** An append table to be. */
export interface AppendTable {
  readonly step: string;
  readonly table: string;
  readonly columns: readonly CatalogColumn[];
  readonly isAppendOnly: boolean;
}

/**
 * The columns of an append table: position and kind of the change, then the source's columns with
 * their types. Enums, domains and other types of the source's own are kept as their text.
 */
export function appendShape({ step, table, columns, isAppendOnly }: AppendTable): OutputShape {
  const own = isAppendOnly ? POSITION_COLUMNS : [...POSITION_COLUMNS, BEFORE_COLUMN];
  const clash = columns.find(({ name }) => own.some((column) => column.name === name));
  if (clash !== undefined) {
    throw new TidemarkError(
      "PLAN_INVALID",
      `${step}: the source has a column "${clash.name}", which is the name of a column that an ` +
        "append table adds; choose the others with append(table, { columns }).",
    );
  }
  const values = columns.map(
    (column): OutputColumn => ({ name: column.name, sqlType: sqlType(column), role: "value" }),
  );
  return { kind: "append", name: table, columns: [...own, ...values] };
}

function sqlType({ typeOid, typeName }: CatalogColumn): string {
  return typeOid >= FIRST_USER_OID || LOCAL_TYPES.test(typeName) ? "text" : typeName;
}
