import { pgoutput } from "../../../decoders/pgoutput/pgoutput-factory.js";
import type { CatalogTable } from "../../core/catalog.js";
import { TidemarkError } from "../../core/errors.js";
import type { OutputShape } from "../../core/output.js";
import { quoteIdent, quoteTable, type SqlSession } from "../../core/sql.js";

import type { Grammar } from "../../expression/grammar.js";
import { columnsTested, columnsUsed, compilePlan } from "../../pipeline/compile.js";
import {
  type Condition,
  checkConditions,
  columnsOfPatterns,
  type TestedColumns,
} from "../../pipeline/conditions.js";
import {
  copiedTables,
  nodesOf,
  type Plan,
  type PlanNode,
  sourceOf,
  tablesOf,
} from "../../pipeline/plan.js";
import { rowFilterOf } from "../../pipeline/row-filter.js";

import { describeTables } from "../../source/describe-tables.js";
import { type Finding, fail, failure, ok } from "./finding.js";

/** A table that the pipeline reads, as the checks need it. */
export interface SourceTable extends CatalogTable {
  readonly isPartitioned: boolean;
  /** Unlogged and temporary tables are not. */
  readonly isLogged: boolean;
  /** Whether this role is its owner, or acts for it. */
  readonly isOwned: boolean;
  /** Whether updates and deletes can name their row. */
  readonly hasIdentity: boolean;
  readonly generatedColumns: readonly string[];
  /** The role, when the first run copies its rows and the role may not read all of them. */
  readonly unreadableBy: string | null;
  /** Columns that the plan names; functions may read others. */
  readonly columnsRead: readonly string[];
  /** Which rows the plan wants, as a publication's row filter; null when it may want every one. */
  readonly rowFilter: string | null;
}

const TRAITS = `
  select c.relkind = 'p' as is_partitioned, c.relpersistence = 'p' as is_logged,
         pg_has_role(c.relowner, 'USAGE') as is_owned,
         case when not has_table_privilege(c.oid, 'SELECT') and exists (
           select 1 from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
             and not a.attisdropped and not has_column_privilege(c.oid, a.attnum, 'SELECT'))
           then current_user end as unreadable_by,
         case c.relreplident
           when 'f' then true
           when 'n' then false
           else exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisvalid
             and case c.relreplident when 'd' then i.indisprimary else i.indisreplident end)
         end as has_identity,
         (select coalesce(array_agg(a.attname::text), '{}') from pg_attribute a
          where a.attrelid = c.oid and a.attgenerated <> '') as generated
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2`;

/** The tables of the plan; those that cannot be read become findings. */
export async function readSourceTables(
  session: SqlSession,
  plan: Plan,
  grammar: Grammar | null,
): Promise<{ tables: SourceTable[]; findings: Finding[] }> {
  const tables: SourceTable[] = [];
  const findings: Finding[] = [];
  for (const name of tablesOf(plan)) {
    try {
      const table = await readSourceTable(session, { plan, grammar }, name);
      tables.push(table);
      findings.push(judgeTable(table));
    } catch (error) {
      findings.push(failure(`table ${name}`, error));
    }
  }
  return { tables, findings };
}

async function readSourceTable(
  session: SqlSession,
  { plan, grammar }: { plan: Plan; grammar: Grammar | null },
  qualified: string,
): Promise<SourceTable> {
  const described = await describeTables(session, [qualified], {
    decoder: pgoutput,
    wantsBinary: false,
  });
  const table = described.tables[0] as CatalogTable;
  const [row] = await session.query(TRAITS, [table.schema, table.name]);
  const { conditions, tests } = conditionsOn(plan, table, grammar);
  return {
    ...table,
    isPartitioned: row?.["is_partitioned"] === true,
    isLogged: row?.["is_logged"] === true,
    isOwned: row?.["is_owned"] === true,
    hasIdentity: row?.["has_identity"] === true,
    generatedColumns: row?.["generated"] as string[],
    unreadableBy: copiedTables(plan).includes(qualified)
      ? (row?.["unreadable_by"] as string | null)
      : null,
    columnsRead: columnsRead(plan, qualified, new Map([...conditions, ...tests])),
    rowFilter: rowFilterOf(plan, qualified, conditions),
  };
}

function judgeTable(table: SourceTable): Finding {
  const name = `table ${table.qualifiedName}`;
  const { unreadableBy, qualifiedName } = table;
  if (unreadableBy !== null) {
    return fail(name, `The first run copies its rows, which role ${unreadableBy} may not read`, {
      fix: `GRANT SELECT ON ${quoteTable(qualifiedName)} TO ${quoteIdent(unreadableBy)};`,
    });
  }
  if (table.isLogged) return ok(name, `${table.columns.length} columns`);
  return fail(name, "The table is unlogged: its changes are not in the WAL", {
    fix: `ALTER TABLE ${quoteTable(table.qualifiedName)} SET LOGGED;`,
  });
}

/** A condition that is wrong is a finding of the outputs behind it, not of its table. */
function conditionsOn(
  plan: Plan,
  table: CatalogTable,
  grammar: Grammar | null,
): { conditions: ReadonlyMap<string, Condition>; tests: ReadonlyMap<string, TestedColumns> } {
  try {
    const conditions = checkConditions(plan, [table], grammar);
    return { conditions, tests: columnsOfPatterns(plan, [table], grammar) };
  } catch (error) {
    if (error instanceof TidemarkError) return { conditions: new Map(), tests: new Map() };
    throw error;
  }
}

function columnsRead(
  plan: Plan,
  table: string,
  conditions: ReadonlyMap<string, TestedColumns>,
): string[] {
  const sources = nodesOf(plan, "source").filter((source) => source.table === table);
  const times = sources.flatMap(({ eventTime }) => eventTime ?? []);
  const tested = sources.flatMap((source) => columnsTested(plan, source, conditions));
  const used = sources.flatMap((source) => columnsUsed(plan, source));
  return [...new Set([...times, ...tested, ...used])];
}

/** Compiles each output by itself, so that every one that cannot be computed is reported. */
export function checkOutputs(
  plan: Plan,
  tables: readonly CatalogTable[],
  grammar: Grammar | null,
): { shapes: OutputShape[]; findings: Finding[] } {
  const shapes: OutputShape[] = [];
  const findings: Finding[] = [];
  const outputs = [...nodesOf(plan, "view"), ...nodesOf(plan, "append"), ...nodesOf(plan, "match")];
  for (const output of outputs) {
    const { table } = sourceOf(plan, output.id);
    // A table that cannot be read has its own finding.
    if (!tables.some(({ qualifiedName }) => qualifiedName === table)) continue;
    const isOwn = (node: PlanNode): boolean =>
      node.id === output.id ||
      node.id === output.input ||
      /^(source|filter)$/.test(node.op) ||
      ("input" in node && node.op === "matches" && node.input === output.id);
    const nodes = plan.nodes.filter(isOwn);
    try {
      shapes.push(...compilePlan({ ...plan, nodes }, tables, grammar).shapes);
    } catch (error) {
      findings.push(failure(`output ${"table" in output ? output.table : output.id}`, error));
    }
  }
  return { shapes, findings };
}
