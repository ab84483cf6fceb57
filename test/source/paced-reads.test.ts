import { expect, onTestFinished, test } from "vitest";
import { QUIET_BYTES } from "../../src/source/pacing.js";
import { ReplicationTransport } from "../../src/source/replication-transport.js";
import { FakeWalsender } from "../fixtures/fake-walsender.js";
import * as m from "../fixtures/pgoutput-messages.js";

// Long enough for the server below to send all it wants to meanwhile, even on a loaded machine.
const PAUSE_MS = 500;

test("what arrives during a pause is handed over in one read", async () => {
  const server = await FakeWalsender.start();
  onTestFinished(() => server.close());
  const reads: number[] = [];
  let messages = 0;
  let wake = (): void => {};
  const transport = await ReplicationTransport.open({
    url: server.url,
    slotName: "s",
    publication: "p",
    walSenderTimeoutMs: 0,
    startTimeoutMs: 20_000,
    pauseMs: PAUSE_MS,
    beforeStart: async () => 0n,
    handler: { onMessage: () => messages++, onKeepalive: () => {} },
    onReadEnd: () => {
      if (messages === 0) return; // the answer to START_REPLICATION
      reads.push(messages);
      messages = 0;
      wake();
    },
  });
  onTestFinished(() => transport.close());
  const read = async (count: number): Promise<void> => {
    while (reads.length < count) {
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
  transport.resume();
  const large = m.xlogData(1n, Buffer.alloc(QUIET_BYTES, "x"));
  server.send(large);
  await read(1);
  for (let i = 0; i < 10; i++) {
    server.send(m.xlogData(2n, Buffer.from("small")));
    await new Promise((next) => setTimeout(next, 2)); // so that each is a packet of its own
  }
  await read(2);
  expect(reads).toEqual([1, 10]);
});
