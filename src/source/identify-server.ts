import pg from "pg";
import { parseLsn } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import { fromPostgres } from "../core/postgres-errors.js";
import { identifySystem } from "./replication-transport.js";
import { branch } from "./slot-source.js";
import { clientConfig } from "./sql-client.js";
import type { ServerFacts } from "./start-verdict.js";

/**
 * Opens a replication connection, asks who the server is, and closes it: what a stream does before
 * it starts, so that a pooler, pg_hba.conf or a lack of walsenders shows itself.
 */
export async function identifyServer(
  url: string,
  checkpoint: Position | null,
): Promise<ServerFacts> {
  const config: pg.ClientConfig & { replication: string } = {
    ...clientConfig(url, {}),
    application_name: "tidemark check",
    replication: "database",
  };
  const client = new pg.Client(config);
  client.on("error", () => {}); // shows itself at the query
  try {
    await client.connect();
    const identity = await identifySystem(client);
    const branchLsn = checkpoint === null ? null : await branch(identity, client, checkpoint);
    const { systemId, timeline, walFlushLsn } = identity;
    return { systemId, timeline, walFlushLsn: parseLsn(walFlushLsn), branchLsn };
  } catch (error) {
    throw fromPostgres(error, "source");
  } finally {
    await client.end().catch(() => {}); // never connected, or lost: nothing to end
  }
}
