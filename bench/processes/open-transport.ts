import { parseLsn } from "../../src/core/lsn.js";
import {
  ReplicationTransport,
  type TransportOptions,
} from "../../src/source/replication-transport.js";
import type { ReaderOrder } from "./order.js";

const START_TIMEOUT_MS = 60_000;

/** The transport that slot sources use, started where the slot stands. */
export async function openTransport(
  order: ReaderOrder,
  parts: Pick<TransportOptions, "handler" | "onReadEnd">,
): Promise<ReplicationTransport> {
  const transport = await ReplicationTransport.open({
    url: order.url,
    slotName: order.slotName,
    publication: order.publication,
    walSenderTimeoutMs: 0, // nothing is ever acknowledged, so that the slot can be read again
    startTimeoutMs: START_TIMEOUT_MS,
    ...(order.pace ? {} : { pauseMs: 0 }),
    beforeStart: async () => parseLsn("0/0"),
    ...parts,
  });
  transport.closed.catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
  return transport;
}
