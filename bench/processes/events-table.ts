/** The table all benchmarks use. */
export function createTableSql(table: string): string {
  return `create table ${table} (
    id bigserial primary key,
    event_type text,
    user_id int,
    amount numeric(12,2),
    data jsonb,
    created_at timestamptz
  )`;
}

/**
 * Inserts rows number $1 to $2: five event types, 10,000 users, a jsonb of about 100 characters.
 * `createdAt` is SQL that may use the row's number `n`.
 */
export function insertSql(table: string, createdAt: string): string {
  return `insert into ${table} (event_type, user_id, amount, data, created_at)
    select (array['login', 'view', 'cart', 'purchase', 'logout'])[1 + n % 5],
      n * 7919 % 10000,
      (n * 104729 % 1000000) / 100.0,
      jsonb_build_object('page', '/product/' || n % 500, 'referrer', 'newsletter',
        'duration_ms', n * 31 % 30000, 'mobile', n % 3 = 0),
      ${createdAt}
    from generate_series($1::bigint, $2::bigint) n`;
}

/** `insertSql` for rows that happen now. */
export function insertNowSql(table: string): string {
  return insertSql(table, "clock_timestamp()");
}
