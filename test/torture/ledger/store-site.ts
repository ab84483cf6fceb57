import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Redis } from "ioredis";
import { CheckpointFolder } from "../../../src/checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "../../../src/checkpoint/file/file-store.js";
import { startRedis } from "../../../src/cli/embedded/redis-server.js";
import { parseLsn } from "../../../src/core/lsn.js";

/** Where checkpoints are kept. */
export type TortureStore = "postgres" | "file" | "redis";
export const STORES: readonly TortureStore[] = ["postgres", "file", "redis"];

/** A place for checkpoints that a torture has for itself. */
export interface StoreSite {
  /** What tells the pipeline to use it. */
  readonly env: Readonly<Record<string, string>>;
  /** The newest position there, read past the pipeline; null for the observer's own way. */
  readonly newest: (() => Promise<bigint | null>) | null;
  /** Kills the server and starts it again; null where there is none of its own. */
  readonly crash: (() => Promise<void>) | null;
  close(): Promise<void>;
}

/** Opens the place of one pipeline; files lie below `folder`. */
export async function openStoreSite(
  store: TortureStore,
  pipeline: string,
  folder: string,
): Promise<StoreSite> {
  if (store === "redis") return redisSite(pipeline);
  if (store === "postgres") return { env: {}, newest: null, crash: null, close: async () => {} };
  const own = new CheckpointFolder(join(folder, pipeline));
  return {
    env: { TIDEMARK_CHECKPOINT_URL: pathToFileURL(folder).href },
    newest: async () => {
      const facts = await new FileCheckpointStore(own, pipeline).describe();
      return typeof facts?.lsn === "string" ? parseLsn(facts.lsn) : null;
    },
    crash: null,
    close: async () => {},
  };
}

async function redisSite(pipeline: string): Promise<StoreSite> {
  const server = await startRedis({ settings: { appendfsync: "always" } });
  const client = new Redis(server.url, { maxRetriesPerRequest: 0 });
  client.on("error", () => {}); // the next command reports it
  return {
    env: { TIDEMARK_CHECKPOINT_URL: server.url },
    newest: async () => {
      // A generation a line, newest first: id, timeline, LSN in hexadecimal digits.
      const kept = await client.hget(`tidemark:{${pipeline}}:head`, "kept");
      const lsn = kept?.split("\n")[0]?.split(" ")[2];
      return lsn === undefined ? null : BigInt(`0x${lsn}`);
    },
    crash: async () => {
      await server.kill();
      await server.start();
    },
    close: async () => {
      client.disconnect();
      await server.close();
    },
  };
}
