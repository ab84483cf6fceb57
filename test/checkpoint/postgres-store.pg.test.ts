import { describe, expect, test } from "vitest";
import { PostgresCheckpointStore } from "../../src/checkpoint/postgres-store.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { checkpointStoreCases } from "../conformance/checkpoint-store.js";
import { usePostgres } from "../services/postgres.js";

const { url, sql } = await usePostgres();
const connect = sqlConnect({ url, role: "checkpoint", applicationName: "tidemark test" });

describe("the checkpoint store in PostgreSQL", () => {
  let made = 0;

  test.each(Object.entries(checkpointStoreCases))("%s", async (_, run) => {
    const pipeline = `p${made++}`;
    await run(() => new PostgresCheckpointStore(connect, pipeline));
  });

  test("two pipelines do not see each other", async () => {
    const [a, b] = ["left", "right"].map((name) => new PostgresCheckpointStore(connect, name));
    await a?.open();
    await a?.claim(3, { systemId: "1", timeline: 1, lsn: 5n });
    expect(await b?.open()).toBeNull();
    await b?.reset();
    expect((await a?.load())?.position.lsn).toBe(5n);
    await Promise.all([a?.close(), b?.close()]);
  });

  test("blocks that need several statements are saved whole", async () => {
    const store = new PostgresCheckpointStore(connect, "large");
    await store.open();
    await store.claim(1, { systemId: "1", timeline: 1, lsn: 5n });
    const sizes = [1, 9_000_000, 3_000_000, 6_000_000, 0];
    const blocks = sizes.map((size, block) => {
      return { operator: "w", block, bytes: new Uint8Array(size).fill(block) };
    });
    await store.save({ epoch: 1, position: { systemId: "1", timeline: 1, lsn: 9n }, blocks });
    const loaded = [...(await store.load()).blocks].sort((a, b) => a.block - b.block);
    expect(loaded.map(({ bytes }) => bytes.length)).toEqual(sizes);
    expect(loaded.every(({ bytes, block }) => bytes.every((byte) => byte === block))).toBe(true);
    await store.close();
  });

  test("an epoch that is fenced while its transaction runs saves nothing", async () => {
    const store = new PostgresCheckpointStore(connect, "race");
    await store.open();
    await store.claim(1, { systemId: "1", timeline: 1, lsn: 5n });
    const other = await connect();
    await other.query("begin");
    await other.query("update tidemark.checkpoint set epoch = 2 where pipeline = 'race'");
    const blocks = [{ operator: "w", block: 0, bytes: Uint8Array.of(1) }];
    const position = { systemId: "1", timeline: 1, lsn: 9n };
    const saving = store.save({ epoch: 1, position, blocks });
    saving.catch(() => {});
    await waitsForLock();
    await other.query("commit");
    await expect(saving).rejects.toMatchObject({ code: "FENCED" });
    expect(await store.load()).toMatchObject({ position: { lsn: 5n }, blocks: [] });
    await Promise.all([store.close(), other.end()]);
  });
});

/** Resolves when a session of the store waits for another one's lock. */
async function waitsForLock(): Promise<void> {
  for (;;) {
    const waiting = await sql(
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    );
    if (waiting.length > 0) return;
  }
}
