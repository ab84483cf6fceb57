import { assert } from "../../src/core/assert.js";
import { TidemarkError } from "../../src/core/errors.js";
import { type Failpoint, NO_FAILPOINT } from "../../src/core/failpoint.js";
import type { AppendBatch, OutputBatch, OutputShape } from "../../src/core/output.js";
import type { Position } from "../../src/core/position.js";
import type { ResultsFate, Sink, SinkCommit, SinkProgress } from "../../src/core/sink.js";
import {
  inOpenTransaction,
  inTransaction,
  type SqlConnect,
  type SqlSession,
} from "../../src/core/sql.js";
import { type AppendTable, appendTable } from "./append-table.js";
import { forgetDeadLetters } from "./dead-letter-table.js";
import { dropTable, emptyTable } from "./existing-table.js";
import { claimProgress, ensureProgressTable, moveProgress, readProgress } from "./progress.js";
import { forgetNotices } from "./run-state-table.js";
import { type ViewTable, viewTable } from "./view-table.js";

/** NULLS NOT DISTINCT. */
const MIN_VERSION = 150_000;

/**
 * How long a transaction with staged rows may wait for the rest: longer than other transactions,
 * since the source decides when the rest comes. A process that is frozen meanwhile holds up its
 * successor at most so long.
 */
const STAGED_TIMEOUT = "set local idle_in_transaction_session_timeout = '5min'";

/** Views and append tables in PostgreSQL: each write is one transaction of results and progress. */
export class PostgresSink implements Sink {
  readonly #connect: SqlConnect;
  readonly #pipeline: string;
  readonly #failpoint: Failpoint;
  readonly #views = new Map<string, ViewTable>();
  readonly #appends = new Map<string, AppendTable>();
  #session: SqlSession | null = null;
  #tables = 0;
  /** A transaction is open that holds staged rows. */
  #isStaged = false;

  constructor(connect: SqlConnect, pipeline: string, failpoint: Failpoint = NO_FAILPOINT) {
    this.#connect = connect;
    this.#pipeline = pipeline;
    this.#failpoint = failpoint;
  }

  async open(): Promise<SinkProgress | null> {
    this.#session = await this.#connect();
    await requireVersion(this.#session);
    await ensureProgressTable(this.#session);
    return readProgress(this.#session, this.#pipeline);
  }

  async prepare(outputs: readonly OutputShape[]): Promise<readonly string[]> {
    const session = this.#open();
    const created: string[] = [];
    for (const shape of outputs) {
      const table = this.#table(shape);
      const ensure = async (): Promise<boolean> => {
        // Two pipelines may make the table of dead letters, which all share, at once.
        await session.query("select pg_advisory_xact_lock(hashtext('tidemark ddl'))");
        return table.ensure(session);
      };
      if (await inTransaction(session, ensure)) created.push(shape.name);
    }
    return created;
  }

  claim(epoch: number, position: Position, isAnew = false): Promise<SinkProgress> {
    return claimProgress(this.#open(), this.#pipeline, { epoch, position, isAnew });
  }

  async stage(batches: readonly AppendBatch[]): Promise<void> {
    const session = this.#open();
    const begun = this.#isStaged ? [] : [session.query("begin"), session.query(STAGED_TIMEOUT)];
    this.#isStaged = true;
    await Promise.all([...begun, ...batches.map((batch) => this.#apply(session, batch))]);
  }

  async write(commit: SinkCommit): Promise<void> {
    const session = this.#open();
    const isStaged = this.#isStaged;
    this.#isStaged = false;
    // One round trip for everything, another one for the commit once all of it has succeeded.
    const writing = async (): Promise<void> => {
      await Promise.all([
        // A commit that waits for the disk also writes out all commits before it.
        commit.mustBeDurable ? null : session.query("set local synchronous_commit = off"),
        moveProgress(session, this.#pipeline, commit),
        ...commit.outputs.map((batch) => this.#apply(session, batch)),
      ]);
      await this.#failpoint("results-before-commit");
    };
    const committing = async () => this.#failpoint("results-committing");
    await (isStaged ? inOpenTransaction : inTransaction)(session, writing, committing);
  }

  async reset(outputs: readonly string[], fate: ResultsFate = "drop"): Promise<void> {
    const session = this.#open();
    await inTransaction(session, async () => {
      await session.query("delete from tidemark.progress where pipeline = $1", [this.#pipeline]);
      await forgetNotices(session, this.#pipeline);
      if (fate === "keep") return;
      await forgetDeadLetters(session, this.#pipeline);
      for (const output of outputs) {
        await (fate === "empty" ? emptyTable : dropTable)(session, output);
      }
    });
  }

  async close(): Promise<void> {
    await this.#session?.end();
    this.#session = null;
    this.#isStaged = false;
  }

  #table(shape: OutputShape): ViewTable | AppendTable {
    const statementName = `write ${this.#tables++}`;
    if (shape.kind === "append") {
      const table = appendTable(shape, statementName);
      this.#appends.set(shape.name, table);
      return table;
    }
    const view = viewTable(shape, statementName);
    this.#views.set(shape.name, view);
    return view;
  }

  #apply(session: SqlSession, batch: OutputBatch): Promise<void> {
    const prepared = "a sink is prepared for the outputs it is given";
    if (batch.kind === "append") {
      const table = this.#appends.get(batch.output);
      assert(table !== undefined, prepared);
      return table.apply(session, batch);
    }
    const view = this.#views.get(batch.output);
    assert(view !== undefined, prepared);
    return view.apply(session, batch);
  }

  #open(): SqlSession {
    assert(this.#session !== null, "a sink is opened before it is used");
    return this.#session;
  }
}

/** Throws SOURCE_TOO_OLD for a server that views cannot be kept on. */
export async function requireVersion(session: SqlSession): Promise<void> {
  const [row] = await session.query(
    "select current_setting('server_version_num')::int as num, current_setting('server_version') as v",
  );
  if (Number(row?.["num"]) >= MIN_VERSION) return;
  throw new TidemarkError(
    "SOURCE_TOO_OLD",
    `The results database runs PostgreSQL ${row?.["v"]}; views need version 15 or later.`,
  );
}
