import { assert } from "../../src/core/assert.js";
import { TidemarkError } from "../../src/core/errors.js";
import { type Failpoint, NO_FAILPOINT } from "../../src/core/failpoint.js";
import type { OutputShape } from "../../src/core/output.js";
import type { Position } from "../../src/core/position.js";
import type { Sink, SinkCommit, SinkProgress } from "../../src/core/sink.js";
import { inTransaction, type SqlConnect, type SqlSession } from "../../src/core/sql.js";
import { claimProgress, ensureProgressTable, moveProgress, readProgress } from "./progress.js";
import { dropView, type ViewTable, viewTable } from "./view-table.js";

/** NULLS NOT DISTINCT. */
const MIN_VERSION = 150_000;

/** Views in PostgreSQL: each write is one transaction of results and progress. */
export class PostgresSink implements Sink {
  readonly #connect: SqlConnect;
  readonly #pipeline: string;
  readonly #failpoint: Failpoint;
  readonly #views = new Map<string, ViewTable>();
  #session: SqlSession | null = null;

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
      const view = viewTable(shape, `upsert ${this.#views.size}`);
      if (await inTransaction(session, () => view.ensure(session))) created.push(shape.name);
      this.#views.set(shape.name, view);
    }
    return created;
  }

  claim(epoch: number, position: Position): Promise<SinkProgress> {
    return claimProgress(this.#open(), this.#pipeline, { epoch, position });
  }

  async write(commit: SinkCommit): Promise<void> {
    const session = this.#open();
    // One round trip for everything, another one for the commit once all of it has succeeded.
    const writing = async (): Promise<void> => {
      await Promise.all([
        // A commit that waits for the disk also writes out all commits before it.
        commit.mustBeDurable ? null : session.query("set local synchronous_commit = off"),
        moveProgress(session, this.#pipeline, commit),
        ...commit.outputs.map((batch) => {
          const view = this.#views.get(batch.output);
          assert(view !== undefined, "a sink is prepared for the outputs it is given");
          return view.apply(session, batch);
        }),
      ]);
      await this.#failpoint("results-before-commit");
    };
    await inTransaction(session, writing, async () => this.#failpoint("results-committing"));
  }

  async reset(outputs: readonly string[]): Promise<void> {
    const session = this.#open();
    await inTransaction(session, async () => {
      await session.query("delete from tidemark.progress where pipeline = $1", [this.#pipeline]);
      for (const output of outputs) await dropView(session, output);
    });
  }

  async close(): Promise<void> {
    await this.#session?.end();
    this.#session = null;
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
