import type { CatalogTable } from "../core/catalog.js";
import { type Named, namedColumn, quoteName, type Scope } from "../expression/scope.js";
import { categoryOf, isEnum, printedType, type SqlType } from "../expression/sql-type.js";
import { eventKey, type StepQuestion } from "../operators/pattern/event-reference.js";

type Gathering = "sum" | "avg" | "min" | "max";

/** What a number's sum and mean are of, as in PostgreSQL. */
const SUMS: Readonly<Partial<Record<SqlType, { sum: SqlType; avg: SqlType }>>> = {
  int2: { sum: "int8", avg: "numeric" },
  int4: { sum: "int8", avg: "numeric" },
  int8: { sum: "numeric", avg: "numeric" },
  numeric: { sum: "numeric", avg: "numeric" },
  float4: { sum: "float4", avg: "float8" },
  float8: { sum: "float8", avg: "float8" },
};

/**
 * The scope of a pattern's condition: the columns of the row that is looked at, and of the rows
 * that the partial match has taken before it. `login.user_id` is that of the last row of step
 * `login`; FIRST, LAST, SUM, AVG, MIN and MAX take such a column, COUNT a step.
 */
export function eventScope(table: CatalogTable, steps: readonly string[]): Scope {
  const { columns, collation = null } = table;
  const named = (name: string, key: string, sql: string): Named | string | null => {
    const column = columns.find((candidate) => candidate.name === name);
    return column === undefined ? null : namedColumn(column, { key, sql });
  };
  const ofStep = (of: StepQuestion, path: readonly string[], offset = 0): Named | string | null => {
    const [step = "", column = ""] = path;
    if (path.length !== 2 || !steps.includes(step)) return null;
    const place = `${quoteName(step)}.${quoteName(column)}`;
    const more = offset === 0 ? "" : `, ${offset}`;
    const key = eventKey({ of, step, column, offset });
    return named(column, key, `${of.toUpperCase()}(${place}${more})`);
  };
  return {
    names: [...columns.map(({ name }) => name), ...steps],
    now: "its rows are committed at several times. Compare their columns",
    collation,
    resolve(path) {
      const [name = "", more] = path.length === 2 && path[0] === table.name ? path.slice(1) : path;
      if (more !== undefined) return ofStep("last", path);
      return named(name, eventKey({ of: "row", column: name }), quoteName(name));
    },
    call(name, [argument, offset]) {
      if (name === "count") return counted(argument, steps);
      if (!isQuestion(name)) return null;
      if (!Array.isArray(argument)) return `${name}() takes a column of a step, as step.column`;
      const places = typeof offset === "number" ? offset : 0;
      const found = ofStep(name, argument, places);
      if (found === null) return `${name}(): ${argument.join(".")} is no column of a step`;
      if (typeof found === "string" || name === "first" || name === "last") return found;
      return gathered(name, found);
    },
  };
}

function isQuestion(name: string): name is "first" | "last" | Gathering {
  return ["first", "last", "sum", "avg", "min", "max"].includes(name);
}

function counted(argument: unknown, steps: readonly string[]): Named | string {
  const step = Array.isArray(argument) && argument.length === 1 ? String(argument[0]) : "";
  if (!steps.includes(step)) return "count() takes a step here, by its name";
  const key = eventKey({ of: "count", step, column: "", offset: 0 });
  return { key, sql: `COUNT(${quoteName(step)})`, type: "int8", typeOid: 20, collation: null };
}

function gathered(of: Gathering, column: Named): Named | string {
  const { type } = column;
  if (of === "min" || of === "max") {
    const isOrdered = isEnum(type) || /^[NBDT]$/.test(categoryOf(type));
    return isOrdered ? column : `${of}() does not take ${printedType(type)} here`;
  }
  const result = SUMS[type]?.[of];
  if (result === undefined) return `${of}() does not take ${printedType(type)}`;
  return { ...column, type: result };
}
