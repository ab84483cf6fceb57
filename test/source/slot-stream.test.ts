// The stream against a scripted walsender: what is acknowledged, what is handed over, and how it
// ends. FM numbers name failure modes of other consumers of the log.
import { describe, expect, onTestFinished, test } from "vitest";
import { pgoutput } from "../../decoders/pgoutput/pgoutput-factory.js";
import type { Batch } from "../../src/core/batch.js";
import { SlotStream, type SlotStreamOptions } from "../../src/source/slot-stream.js";
import { dump } from "../fixtures/batch-dump.js";
import {
  copyBoth,
  errorResponse,
  FakeWalsender,
  readyForQuery,
} from "../fixtures/fake-walsender.js";
import * as m from "../fixtures/pgoutput-messages.js";
import { recordedStream } from "../fixtures/recorded-stream.js";

const START = 0x500n;
const relation = m.xlogData(0n, m.relation({ oid: 1, name: "t", columns: [{ name: "id" }] }));
/** Frames of a transaction with one row. */
const transaction = (commitLsn: bigint, endLsn: bigint, id = "1"): Buffer[] => [
  m.xlogData(0n, m.begin(commitLsn, 7)),
  relation,
  m.xlogData(commitLsn - 8n, m.insert(1, [id])),
  m.xlogData(endLsn, m.commit(commitLsn, endLsn)),
];

interface Opened {
  readonly server: FakeWalsender;
  readonly stream: SlotStream;
  readonly batches: Batch[];
  readonly idles: { walEnd: bigint; isUrgent: boolean }[];
  /** Resolves when the condition holds, asked after each call of a handler. */
  until(condition: () => boolean): Promise<void>;
}

async function open(
  changes: Partial<SlotStreamOptions> = {},
  server?: FakeWalsender,
): Promise<Opened> {
  const fake = server ?? (await FakeWalsender.start());
  onTestFinished(() => fake.close());
  const batches: Batch[] = [];
  const idles: { walEnd: bigint; isUrgent: boolean }[] = [];
  let wake = (): void => {};
  const stream = await SlotStream.open({
    url: fake.url,
    slotName: "totals",
    publication: `it's "quoted"`,
    tables: ["public.t"],
    kinds: "inserts",
    walSenderTimeoutMs: 60_000,
    watchIntervalMs: 3_600_000,
    decoder: pgoutput,
    fruitlessTrips: 0,
    beforeStart: async () => START,
    position: () => ({ systemId: "7000", timeline: 1, lsn: START }),
    connect: () => Promise.reject(new Error("no plain session here")),
    ...changes,
    handlers: {
      onBatch: (batch) => {
        changes.handlers?.onBatch(batch);
        batches.push(batch);
        wake();
      },
      onIdle: (walEnd, serverMs, isUrgent) => {
        changes.handlers?.onIdle(walEnd, serverMs, isUrgent);
        idles.push({ walEnd, isUrgent });
        wake();
      },
    },
  });
  onTestFinished(() => stream.close());
  await fake.until(() => fake.statuses.length > 0); // the one of the start
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
  return { server: fake, stream, batches, idles, until };
}

describe("the start", () => {
  test("asks for the slot at the position, with quoted names and pinned settings", async () => {
    const { server } = await open();
    expect(server.queries).toEqual([
      "IDENTIFY_SYSTEM",
      'START_REPLICATION SLOT "totals" LOGICAL 0/500 ' +
        `("proto_version" '1', "publication_names" '"it''s ""quoted"""')`,
    ]);
    expect(server.parameters).toMatchObject({ replication: "database" });
    for (const setting of [
      "datestyle=ISO",
      "intervalstyle=postgres",
      "timezone=UTC",
      "bytea_output=hex",
      "extra_float_digits=3",
      "wal_sender_timeout=60000",
    ]) {
      expect(server.parameters["options"]).toContain(`-c ${setting}`);
    }
  });

  test("reports where the checkpoint stands, in all three positions", async () => {
    const { server } = await open();
    await server.until(() => server.statuses.length > 0);
    expect(server.statuses[0]).toEqual({
      write: START,
      flush: START,
      apply: START,
      isReplyRequested: false,
    });
  });

  test("reports no checkpoint that the slot was not told of before", async () => {
    const { server, stream } = await open({ confirmed: 0x480n });
    await server.until(() => server.statuses.length > 0);
    expect(server.statuses[0]).toMatchObject({ write: START, flush: 0x480n });
    stream.report(START, START);
    await server.until(() => server.lastStatus?.flush === START);
  });

  test("hands nothing over before resume, even what came with the answer", async () => {
    const server = await FakeWalsender.start(
      Buffer.concat([copyBoth, ...transaction(0x600n, 0x630n), m.keepalive(0x640n, true)]),
    );
    const { stream, batches, idles, until } = await open({}, server);
    expect(batches).toHaveLength(0);
    expect(idles).toHaveLength(0);
    stream.resume();
    await until(() => idles.length > 0);
    expect(dump(batches)[0]).toBe('1536/0 xid 7 insert public.t - -> ("1")');
    expect(idles).toEqual([{ walEnd: 0x640n, isUrgent: true }]);
  });

  test("FM56: START_REPLICATION refused is an error", async () => {
    const server = await FakeWalsender.start(
      Buffer.concat([errorResponse("55006", 'slot "totals" is active for PID 9'), readyForQuery]),
    );
    await expect(open({}, server)).rejects.toMatchObject({ code: "SLOT_ACTIVE" });
    await server.until(() => server.isGone);
  });

  test("a server that hangs up instead of answering is an error", async () => {
    const server = await FakeWalsender.start("silence");
    const opened = open({}, server);
    opened.catch(() => {});
    await server.until(() => server.queries.length === 2);
    server.hangUp();
    await expect(opened).rejects.toMatchObject({ retry: "backoff" });
  });

  test("a server that never answers is LIVENESS", async () => {
    const server = await FakeWalsender.start("silence");
    await expect(open({ startTimeoutMs: 100 }, server)).rejects.toMatchObject({ code: "LIVENESS" });
    await server.until(() => server.isGone);
  });

  test("an error before START_REPLICATION ends the connection with that error", async () => {
    const server = await FakeWalsender.start();
    const refusal = new Error("not from here");
    const opened = open({ beforeStart: () => Promise.reject(refusal) }, server);
    await expect(opened).rejects.toMatchObject({ cause: refusal });
    await server.until(() => server.isGone);
    expect(server.queries).toEqual(["IDENTIFY_SYSTEM"]);
  });
});

describe("what is acknowledged", () => {
  test("FM5, FM6: exactly what was reported, flush and apply apart", async () => {
    const { server, stream, batches, until } = await open();
    stream.resume();
    server.send(...transaction(0x600n, 0x630n));
    await until(() => batches.length > 0);
    const status = server.nextStatus();
    stream.report(0x630n, 0x620n);
    expect(await status).toMatchObject({ write: 0x630n, flush: 0x630n, apply: 0x620n });
  });

  test("FM16: never less than before", async () => {
    const { server, stream } = await open();
    stream.report(0x700n, 0x700n);
    stream.report(0x600n, 0x650n);
    stream.resume();
    server.send(m.keepalive(0x800n, true));
    await server.until(() => server.lastStatus?.write === 0x800n);
    stream.report(0x701n, 0x600n);
    await server.until(() => server.lastStatus?.flush === 0x701n);
    expect(server.statuses.map(({ flush }) => flush)).toEqual([...[START, 0x700n, 0x700n, 0x701n]]);
    expect(server.statuses.map(({ apply }) => apply)).toEqual([...[START, 0x700n, 0x700n, 0x700n]]);
  });

  test("FM8: nothing by itself, whatever arrives and however often the server asks", async () => {
    const { server, stream, batches, until } = await open();
    stream.resume();
    server.send(...transaction(0x600n, 0x630n), ...transaction(0x630n, 0x660n));
    await until(() => batches.flatMap((b) => b.transactions).length === 2);
    for (let i = 0; i < 3; i++) {
      const status = server.nextStatus();
      server.send(m.keepalive(0x700n + BigInt(i), true));
      expect(await status).toMatchObject({ write: 0x700n + BigInt(i), flush: START, apply: START });
    }
  });

  test("the timer reports the same again, also while paused (FM15)", async () => {
    const { server, stream } = await open({ walSenderTimeoutMs: 60 });
    stream.pause();
    await server.until(() => server.statuses.length >= 6);
    for (const { flush, apply } of server.statuses) expect([flush, apply]).toEqual([START, START]);
    expect(server.isGone).toBe(false);
  });
});

describe("keepalives", () => {
  test("between transactions mean idle, and urgency where the server asks", async () => {
    const { server, stream, idles, until } = await open();
    stream.resume();
    server.send(m.keepalive(0x600n));
    await until(() => idles.length === 1);
    server.send(m.keepalive(0x610n, true));
    await until(() => idles.length === 2);
    expect(idles).toEqual([
      { walEnd: 0x600n, isUrgent: false },
      { walEnd: 0x610n, isUrgent: true },
    ]);
  });

  test("inside a transaction are answered, but mean nothing", async () => {
    const { server, stream, batches, idles, until } = await open();
    stream.resume();
    const [begin, described, row, commit] = transaction(0x600n, 0x630n) as [Buffer, ...Buffer[]];
    const status = server.nextStatus();
    server.send(begin, m.keepalive(0x630n, true));
    expect(await status).toMatchObject({ flush: START });
    server.send(m.keepalive(0x630n), ...[described, row, commit].map((part) => part as Buffer));
    await until(() => batches.some((b) => b.transactions.at(-1)?.commitEndLsn === 0x630n));
    server.send(m.keepalive(0x640n));
    await until(() => idles.length > 0);
    expect(idles).toEqual([{ walEnd: 0x640n, isUrgent: false }]);
  });

  test("before a transaction in the same read are idle only when that one has ended", async () => {
    const { server, stream, batches, idles, until } = await open();
    stream.resume();
    const [begin, ...rest] = transaction(0x600n, 0x630n) as [Buffer, ...Buffer[]];
    server.send(m.keepalive(0x5f0n), begin);
    await until(() => batches.length > 0);
    expect(idles).toHaveLength(0);
    server.send(...rest);
    await until(() => batches.some((b) => b.transactions.at(-1)?.commitEndLsn === 0x630n));
    expect(idles).toHaveLength(0);
  });

  test("FM10: one that asks is answered at once, not at the next tick", async () => {
    const { server, stream } = await open();
    stream.resume();
    const before = server.statuses.length;
    const status = server.nextStatus();
    server.send(m.keepalive(0x600n, true));
    await status;
    expect(server.statuses.length - before).toBeLessThanOrEqual(2);
  });

  test("one that asks is answered with what the handlers of its read reported", async () => {
    let stream: SlotStream | null = null;
    const opened = await open({
      handlers: { onBatch: () => {}, onIdle: (walEnd) => stream?.report(walEnd, walEnd) },
    });
    stream = opened.stream;
    stream.resume();
    opened.server.send(m.keepalive(0x600n, true));
    await opened.server.until(() => opened.server.lastStatus?.flush === 0x600n);
  });

  test("one that asks is answered even with another behind it in the same read", async () => {
    const { server, stream } = await open();
    stream.resume();
    const status = server.nextStatus();
    server.send(m.keepalive(0x600n, true), m.keepalive(0x610n));
    expect(await status).toMatchObject({ write: 0x610n, flush: START });
  });

  test("a burst of questions about one position is a draining server", async () => {
    const { server, stream, idles } = await open({ drainGraceMs: 20 });
    stream.resume();
    for (let i = 0; i < 4; i++) {
      const status = server.nextStatus();
      server.send(m.keepalive(0x600n, true));
      await status;
    }
    await expect(stream.closed).rejects.toMatchObject({ code: "SERVER_DRAINING" });
    expect(idles.at(-1)).toEqual({ walEnd: 0x600n, isUrgent: true });
  });
});

describe("what is handed over", () => {
  test("a stream in packets of one byte is the stream", async () => {
    const { server, stream, batches, until } = await open();
    stream.resume();
    const expected = await decodedAtOnce();
    await server.dribble(...recordedStream);
    await until(() => batches.some((b) => b.transactions.at(-1)?.commitEndLsn === 260n));
    expect(dump(batches)).toEqual(expected);
  });

  test("FM2, FM3: equal LSNs and falling xids are handed over as they come", async () => {
    const { server, stream, batches, until } = await open();
    stream.resume();
    const row = m.xlogData(0x580n, m.insert(1, ["same"]));
    const [begin, described, , commit] = transaction(0x600n, 0x630n) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    server.send(begin, described, row, row, row, commit, ...transaction(0x630n, 0x660n));
    await until(() => batches.flatMap((b) => b.transactions).at(-1)?.commitEndLsn === 0x660n);
    expect(dump(batches).filter((line) => line.startsWith("1536/"))).toHaveLength(3);
  });

  test("FM19: a handler's error ends the stream at once and nothing follows", async () => {
    let calls = 0;
    const failure = new TypeError("a bug of the handler");
    const { server, stream, idles } = await open({
      handlers: {
        onBatch: () => {
          calls++;
          throw failure;
        },
        onIdle: () => {},
      },
    });
    stream.resume();
    server.send(...transaction(0x600n, 0x630n), m.keepalive(0x640n, true));
    server.send(...transaction(0x640n, 0x660n), m.keepalive(0x670n, true));
    await expect(stream.closed).rejects.toBe(failure);
    await server.until(() => server.isGone);
    expect(calls).toBe(1);
    expect(idles).toHaveLength(0);
    expect(server.statuses.every(({ flush }) => flush === START)).toBe(true);
  });

  test("malformed bytes end the stream with PROTOCOL before anything of that read", async () => {
    const { server, stream, batches } = await open();
    stream.resume();
    server.send(...transaction(0x600n, 0x630n), m.xlogData(0n, Buffer.from("Zzz")));
    await expect(stream.closed).rejects.toMatchObject({ code: "PROTOCOL" });
    expect(batches).toHaveLength(0);
    await server.until(() => server.isGone);
  });
});

async function decodedAtOnce(): Promise<string[]> {
  const { server, stream, batches, until } = await open();
  stream.resume();
  server.send(...recordedStream);
  await until(() => batches.some((b) => b.transactions.at(-1)?.commitEndLsn === 260n));
  return dump(batches);
}

describe("the end", () => {
  test("FM12: a server that falls silent is probed, then LIVENESS", async () => {
    const { server, stream } = await open({ walSenderTimeoutMs: 90 });
    stream.resume();
    await expect(stream.closed).rejects.toMatchObject({ code: "LIVENESS" });
    expect(server.statuses.some(({ isReplyRequested }) => isReplyRequested)).toBe(true);
    expect(server.statuses[0]?.isReplyRequested).toBe(false);
  });

  test("a server that answers probes lives on", async () => {
    const { server, stream } = await open({ walSenderTimeoutMs: 90 });
    stream.resume();
    let isOver = false;
    stream.closed.catch(() => {
      isOver = true;
    });
    let answered = 0;
    while (answered < 3) {
      if ((await server.nextStatus()).isReplyRequested) {
        server.send(m.keepalive(START));
        answered++;
      }
    }
    expect(isOver).toBe(false);
  });

  test("FM13: silence while paused is not death, and the count begins at resume", async () => {
    const { server, stream } = await open({ walSenderTimeoutMs: 90 });
    stream.resume();
    stream.pause();
    await server.until(() => server.statuses.length >= 8); // 210 ms and more
    expect(server.isGone).toBe(false);
    stream.resume();
    const resumedAt = performance.now();
    await expect(stream.closed).rejects.toMatchObject({ code: "LIVENESS" });
    expect(performance.now() - resumedAt).toBeGreaterThan(100);
  });

  test("FM14: after a fruitless trip the silence may last twice as long", async () => {
    const { stream } = await open({ walSenderTimeoutMs: 90, fruitlessTrips: 1 });
    stream.resume();
    const from = performance.now();
    await expect(stream.closed).rejects.toMatchObject({ code: "LIVENESS" });
    expect(performance.now() - from).toBeGreaterThan(240);
    expect(stream.hasProgressed).toBe(false);
  });

  test("FM11: wal_sender_timeout 0 has no liveness limit and no storm of statuses", async () => {
    const { server, stream } = await open({ walSenderTimeoutMs: 0, statusIntervalMs: 40 });
    stream.resume();
    const from = performance.now();
    await server.until(() => server.statuses.length >= 5);
    expect(performance.now() - from).toBeGreaterThan(120);
    expect(server.isGone).toBe(false);
    expect(server.statuses.some(({ isReplyRequested }) => isReplyRequested)).toBe(false);
  });

  test.each([
    ["57P01", "terminating connection due to administrator command", "SOURCE_UNREACHABLE"],
    ["55000", 'can no longer access replication slot "totals"', "SLOT_LOST"],
    ["42704", 'publication "p" does not exist', "PUBLICATION_MISSING"],
  ])("ErrorResponse %s %s becomes %s", async (sqlstate, message, code) => {
    const { server, stream } = await open();
    stream.resume();
    server.send(errorResponse(sqlstate, message));
    server.hangUp();
    await expect(stream.closed).rejects.toMatchObject({ code });
  });

  test.each([
    ["CommandComplete", m.frame("C", m.cstring("COPY 0"))],
    ["CopyDone", m.frame("c", Buffer.alloc(0))],
  ])("%s is a server that ends the stream", async (_name, bytes) => {
    const { server, stream } = await open();
    stream.resume();
    server.send(bytes);
    server.hangUp();
    await expect(stream.closed).rejects.toMatchObject({ code: "SERVER_DRAINING" });
  });

  test("a cut connection is SOURCE_UNREACHABLE", async () => {
    const { server, stream } = await open();
    stream.resume();
    server.hangUp();
    await expect(stream.closed).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE" });
  });

  test("close fulfils closed, after a last status, and is not an error twice", async () => {
    const { server, stream } = await open();
    stream.resume();
    stream.report(0x600n, 0x600n);
    await stream.close();
    await stream.close();
    await expect(stream.closed).resolves.toBeUndefined();
    await server.until(() => server.isGone);
    expect(server.lastStatus?.flush).toBe(0x600n);
  });

  test("nothing is handed over after close was called inside a handler", async () => {
    let stream: SlotStream | null = null;
    const opened = await open({
      handlers: { onBatch: () => void stream?.close(), onIdle: () => {} },
    });
    stream = opened.stream;
    stream.resume();
    opened.server.send(...transaction(0x600n, 0x630n), m.keepalive(0x640n));
    await expect(stream.closed).resolves.toBeUndefined();
    expect(opened.batches).toHaveLength(1);
    expect(opened.idles).toHaveLength(0);
  });
});
