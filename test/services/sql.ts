import pg from "pg";

/** A row as `pg` reads it. */
export type SqlRow = Record<string, unknown>;

/** Runs one statement and returns its rows. */
export type Sql = <Row extends SqlRow = SqlRow>(
  text: string,
  parameters?: readonly unknown[],
) => Promise<Row[]>;

/** A connection that is made anew when the server was restarted in between. */
export interface SqlSession {
  readonly sql: Sql;
  close(): Promise<void>;
}

/** Opens nothing yet; the first statement connects. */
export function openSql(url: string): SqlSession {
  const pool = new pg.Pool({ connectionString: url, max: 1, allowExitOnIdle: true });
  pool.on("error", () => {});
  return {
    sql: async <Row extends SqlRow>(text: string, parameters: readonly unknown[] = []) => {
      const result = await pool.query<Row>(text, [...parameters]);
      return result.rows;
    },
    close: () => pool.end(),
  };
}
