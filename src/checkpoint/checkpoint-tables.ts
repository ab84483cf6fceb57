import { TidemarkError } from "../core/errors.js";
import { ensureOwnTable, type SqlSession } from "../core/sql.js";

const TABLES = [
  `create table if not exists tidemark.checkpoint (
     pipeline text primary key,
     epoch bigint not null,
     system_id text,
     timeline integer,
     lsn pg_lsn,
     blocks integer,
     digest bigint,
     updated_at timestamptz not null default now()
   )`,
  `create table if not exists tidemark.checkpoint_block (
     pipeline text not null references tidemark.checkpoint on delete cascade,
     operator text not null,
     block integer not null,
     bytes bytea not null,
     primary key (pipeline, operator, block)
   )`,
  `comment on table tidemark.checkpoint is
     'Tidemark: up to where a pipeline''s state is saved; lsn is null until its slot is made'`,
];

/** Adds what tables of an older Tidemark lack; null there stands for a checkpoint without proof. */
const UPGRADE =
  "alter table tidemark.checkpoint add column if not exists blocks integer, " +
  "add column if not exists digest bigint";

/**
 * Makes the tables for checkpoints, or completes those of an older Tidemark. Throws
 * CHECKPOINT_REFUSED with the statement to run when they belong to another role.
 */
export async function ensureCheckpointTables(session: SqlSession): Promise<void> {
  await ensureOwnTable(session, "checkpoint_block", TABLES);
  const [found] = await session.query(
    `select pg_has_role(relowner, 'usage') as mine,
            exists (
              select from pg_attribute
              where attrelid = c.oid and attname = 'digest' and not attisdropped
            ) as complete
     from pg_class c where c.oid = 'tidemark.checkpoint'::regclass`,
  );
  if (found?.["complete"] === true) return;
  if (found?.["mine"] === true) {
    await session.query(UPGRADE);
    return;
  }
  throw new TidemarkError(
    "CHECKPOINT_REFUSED",
    "The table tidemark.checkpoint is of an older Tidemark, and this role does not own it. As " +
      `its owner run: ${UPGRADE};`,
    { detail: { fix: `${UPGRADE};` } },
  );
}
