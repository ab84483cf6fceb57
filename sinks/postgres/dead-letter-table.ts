import { DEAD_LETTERS } from "../../src/core/poison.js";
import type { SqlSession } from "../../src/core/sql.js";

/** Dead letters of one kind. */
export interface DeadLetterCount {
  readonly step: string;
  /** Null for rows held back because their key is blocked. */
  readonly code: string | null;
  readonly rows: number;
}

async function isThere(session: SqlSession): Promise<boolean> {
  const [found] = await session.query("select to_regclass($1) as there", [DEAD_LETTERS]);
  return found?.["there"] !== null;
}

/** Counts the dead letters of a pipeline by step and code. */
export async function countDeadLetters(
  session: SqlSession,
  pipeline: string,
): Promise<DeadLetterCount[]> {
  if (!(await isThere(session))) return [];
  const rows = await session.query(
    `select step, code, count(*)::int as rows from ${DEAD_LETTERS}
     where pipeline = $1 group by step, code order by step, code`,
    [pipeline],
  );
  return rows.map((row) => ({
    step: String(row["step"]),
    code: row["code"] === null ? null : String(row["code"]),
    rows: Number(row["rows"]),
  }));
}

/** Removes the dead letters of a pipeline. */
export async function forgetDeadLetters(session: SqlSession, pipeline: string): Promise<void> {
  if (!(await isThere(session))) return;
  await session.query(`delete from ${DEAD_LETTERS} where pipeline = $1`, [pipeline]);
}
