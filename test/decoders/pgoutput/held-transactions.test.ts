import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { PgoutputDecoder } from "../../../decoders/pgoutput/index.js";
import type { Batch } from "../../../src/core/batch.js";
import type { DecoderOptions } from "../../../src/core/decoder.js";
import { SpillFiles } from "../../../src/source/spill-files.js";
import { dump } from "../../fixtures/batch-dump.js";
import * as m from "../../fixtures/pgoutput-messages.js";

const T: m.RelationSpec = { oid: 9, name: "t", columns: [{ name: "id", typeOid: 23 }] };
const WIDER: m.RelationSpec = { ...T, columns: [...T.columns, { name: "note" }] };

/** Everything the messages give, taken as a stream takes it. */
function decodeAll(messages: readonly Buffer[], options: DecoderOptions = {}): Batch[] {
  const decoder = new PgoutputDecoder(options);
  const batches: Batch[] = [];
  for (const message of messages) {
    decoder.decode(message, 0, message.length);
    while (decoder.isDelivering) batches.push(decoder.take());
  }
  batches.push(decoder.take());
  return batches;
}

function lines(messages: readonly Buffer[], options?: DecoderOptions): string[] {
  return dump(decodeAll(messages, options));
}

const rows = (xid: number, ...ids: string[]): Buffer[] =>
  ids.map((id) => m.inStream(xid, m.insert(9, [id])));
const block = (xid: number, isFirst: boolean, ...messages: Buffer[]): Buffer[] => [
  m.streamStart(xid, isFirst),
  ...messages,
  m.streamStop(),
];
const described = (xid: number, spec = T): Buffer => m.inStream(xid, m.relation(spec));

describe("a streamed transaction", () => {
  test("leaves at its commit, between those that committed before and after", () => {
    expect(
      lines([
        ...block(7, true, described(7), ...rows(7, "1", "2")),
        m.begin(100n, 8),
        m.relation(T),
        m.insert(9, ["first to commit"]),
        m.commit(100n, 130n),
        ...block(7, false, ...rows(7, "3")),
        m.streamCommit(7, 130n, 160n),
        m.begin(160n, 9),
        m.insert(9, ["last"]),
        m.commit(160n, 190n),
      ]),
    ).toEqual([
      '100/0 xid 8 insert public.t - -> ("first to commit")',
      "100 ends at 130, 946684800000 ms",
      '130/0 xid 7 insert public.t - -> ("1")',
      '130/1 xid 7 insert public.t - -> ("2")',
      '130/2 xid 7 insert public.t - -> ("3")',
      "130 ends at 160, 946684800000 ms",
      '160/0 xid 9 insert public.t - -> ("last")',
      "160 ends at 190, 946684800000 ms",
    ]);
  });

  test("FM53: the abort of a subtransaction drops its rows and no others", () => {
    for (const lsn of [undefined, 120n]) {
      const aborted = [m.streamAbort(7, 71, lsn), m.streamAbort(8, 8, lsn)];
      const dumped = lines([
        ...block(
          7,
          true,
          described(7),
          ...rows(7, "kept"),
          ...rows(71, "gone"),
          ...rows(72, "too"),
        ),
        ...block(8, true, described(8), ...rows(8, "rolled back")),
        ...aborted,
        ...block(7, false, ...rows(7, "last")),
        m.streamCommit(7, 130n, 160n),
      ]);
      expect(dumped.map((line) => /\("(.*)"\)/.exec(line)?.[1])).toEqual([
        "kept",
        "too",
        "last",
        undefined,
      ]);
    }
  });

  test("keeps a description that came with a subtransaction which was rolled back", () => {
    expect(
      lines([
        ...block(7, true, described(71), ...rows(71, "gone"), ...rows(7, "kept")),
        m.streamAbort(7, 71),
        m.streamCommit(7, 130n, 160n),
      ])[0],
    ).toContain('("kept")');
  });

  test("is decoded with the shapes its own rows had", () => {
    expect(
      lines([
        ...block(7, true, described(7), ...rows(7, "narrow")),
        m.begin(100n, 8),
        m.relation(WIDER),
        m.insert(9, ["a", "b"]),
        m.commit(100n, 130n),
        m.streamCommit(7, 130n, 160n),
        m.begin(160n, 9),
        m.insert(9, ["still", "wide"]),
        m.commit(160n, 190n),
      ]).filter((line) => line.includes("insert")),
    ).toEqual([
      '100/0 xid 8 insert public.t - -> ("a", "b")',
      '130/0 xid 7 insert public.t - -> ("narrow")',
      '160/0 xid 9 insert public.t - -> ("still", "wide")',
    ]);
  });

  test("leaves its last description for what comes after it", () => {
    const decoded = decodeAll([
      m.begin(50n, 6),
      m.relation(T),
      m.insert(9, ["0"]),
      m.commit(50n, 60n),
      ...block(7, true, described(7), ...rows(7, "1"), described(7, WIDER)),
      m.streamCommit(7, 130n, 160n),
      m.begin(160n, 9),
      m.insert(9, ["2", "b"]),
      m.commit(160n, 190n),
    ]);
    const relations = decoded.flatMap((batch) => batch.relations);
    expect(relations.map(({ columns }) => columns.length)).toEqual([1, 1, 2]);
    // Repeated without a change, so the shape is the same object.
    expect(relations[1]).toBe(relations[0]);
  });

  test("is handed over in parts, whose ordinals go on", () => {
    const large = "x".repeat(100_000);
    const ids = ["1", "2", "3", "4", "5", "6"];
    const many = rows(7, ...ids.map((id) => id + large));
    const decoder = new PgoutputDecoder();
    const messages = [...block(7, true, described(7), ...many), m.streamCommit(7, 130n, 160n)];
    for (const message of messages) decoder.decode(message, 0, message.length);
    const parts: Batch[] = [];
    while (decoder.isDelivering) {
      expect(decoder.isInTransaction).toBe(true);
      parts.push(decoder.take());
    }
    expect(decoder.isInTransaction).toBe(false);
    expect(parts.length).toBeGreaterThan(2);
    const slices = parts.flatMap(({ transactions }) => transactions);
    expect(slices.at(-1)?.commitEndLsn).toBe(160n);
    expect(slices.slice(0, -1).every(({ commitEndLsn }) => commitEndLsn === null)).toBe(true);
    expect(dump(parts).map((line) => line.split(" ")[0])).toEqual([
      ...ids.map((_, i) => `130/${i}`),
      "130",
    ]);
  });

  test("is complete for who decodes on without taking", () => {
    const decoder = new PgoutputDecoder();
    const many = rows(7, ...Array.from({ length: 5000 }, (_, i) => `row ${i} ${"-".repeat(200)}`));
    for (const message of [
      ...block(7, true, described(7), ...many),
      m.streamCommit(7, 130n, 160n),
      m.begin(160n, 8),
      m.commit(160n, 190n),
    ]) {
      decoder.decode(message, 0, message.length);
    }
    const batch = decoder.take();
    expect(batch.transactions.map(({ from, to }) => to - from)).toEqual([5000, 0]);
  });
});

describe("what does not fit into memory", () => {
  const later = Array.from({ length: 200 }, (_, i) =>
    block(7, false, ...rows(7, String(i).repeat(2000))),
  );
  const messages = [
    ...block(7, true, described(7)),
    ...later.flat(),
    m.streamCommit(7, 130n, 160n),
  ];

  test("spills, and comes back as it was", () => {
    const opened: string[] = [];
    const files = new SpillFiles({ directory: tmpdir(), maxBytes: 2 ** 30 });
    const spill = {
      open: () => {
        opened.push("area");
        return files.open();
      },
    };
    expect(lines(messages, { spill, maxHeldBytes: 100_000 })).toEqual(lines(messages));
    expect(opened).toEqual(["area"]);
  });

  test("is SPILL_FAILED without a place, past the bound on disk, or in no folder", () => {
    const refused = expect.objectContaining({ code: "SPILL_FAILED" });
    expect(() => lines(messages, { maxHeldBytes: 100_000 })).toThrow(refused);
    for (const [directory, maxBytes] of [
      [tmpdir(), 1000],
      ["/nowhere/at/all", 2 ** 30],
    ] as const) {
      const spill = new SpillFiles({ directory, maxBytes });
      expect(() => lines(messages, { spill, maxHeldBytes: 100_000 })).toThrow(refused);
    }
  });
});

describe("a prepared transaction", () => {
  const prepared = [
    m.begin(50n, 6),
    m.relation(T),
    m.insert(9, ["0"]),
    m.commit(50n, 60n),
    m.beginPrepare(7, "two"),
    m.insert(9, ["1"]),
    m.prepare(7, "two"),
    m.begin(100n, 8),
    m.relation(WIDER),
    m.insert(9, ["2", "b"]),
    m.commit(100n, 130n),
  ];

  test("leaves at COMMIT PREPARED, with the shape it had", () => {
    const dumped = lines([...prepared, m.commitPrepared(7, "two", [130n, 160n])]);
    expect(dumped.slice(-2)).toEqual([
      '130/0 xid 7 insert public.t - -> ("1")',
      "130 ends at 160, 946684800000 ms",
    ]);
  });

  test("never leaves after ROLLBACK PREPARED", () => {
    const dumped = lines([...prepared, m.rollbackPrepared(7, "two"), m.rollbackPrepared(5, "?")]);
    expect(dumped.filter((line) => line.includes("insert"))).toHaveLength(2);
  });

  test("may have been streamed", () => {
    expect(
      lines([
        ...block(7, true, described(7), ...rows(7, "1")),
        m.streamPrepare(7, "two"),
        m.commitPrepared(7, "two", [130n, 160n]),
      ])[0],
    ).toContain('("1")');
  });
});

describe("logical messages", () => {
  test("stand where they were written, in and between transactions", () => {
    const [batch] = decodeAll([
      m.logicalMessage("p", "before", { isTransactional: false, lsn: 40n }),
      m.begin(50n, 6),
      m.relation(T),
      m.insert(9, ["0"]),
      m.logicalMessage("p", "between", { lsn: 45n }),
      m.insert(9, ["1"]),
      m.commit(50n, 60n),
      m.logicalMessage("", "after", { isTransactional: false }),
    ]) as [Batch];
    const messages = batch.messages.map(({ at, content, prefix, isTransactional }) => {
      return [at, prefix, Buffer.from(content).toString(), isTransactional];
    });
    expect(messages).toEqual([
      [0, "p", "before", false],
      [1, "p", "between", true],
      [2, "", "after", false],
    ]);
  });

  test("of a streamed transaction come with it, or go with its subtransaction", () => {
    const batches = decodeAll([
      ...block(
        7,
        true,
        m.inStream(7, m.logicalMessage("p", "kept")),
        m.inStream(71, m.logicalMessage("p", "gone")),
      ),
      m.streamAbort(7, 71),
      m.streamCommit(7, 130n, 160n),
    ]);
    const messages = batches.flatMap((batch) => batch.messages);
    expect(messages.map(({ content }) => Buffer.from(content).toString())).toEqual(["kept"]);
  });
});

describe("what no server sends is PROTOCOL", () => {
  const streamed = block(7, true, described(7), ...rows(7, "1"));
  test.each<[string, readonly Buffer[]]>([
    ["the end of a block that is not open", [m.streamStop()]],
    ["a block inside a transaction", [m.begin(1n, 1), m.streamStart(7)]],
    ["a block inside a block", [m.streamStart(7), m.streamStart(8)]],
    ["a first block that comes twice", [...streamed, m.streamStart(7, true)]],
    ["a later block without a first", [m.streamStart(7, false)]],
    ["the commit of what was never streamed", [m.streamCommit(7, 1n, 2n)]],
    ["the commit of what was dropped", [...streamed, m.streamAbort(7), m.streamCommit(7, 1n, 2n)]],
    ["a commit inside a block", [m.streamStart(7), m.streamCommit(7, 1n, 2n)]],
    [
      "a streamed commit of a prepared one",
      [...streamed, m.streamPrepare(7, "g"), m.streamCommit(7, 1n, 2n)],
    ],
    ["the commit of a prepared one that never came", [m.commitPrepared(7, "g", [1n, 2n])]],
    ["a prepare under another name", [m.beginPrepare(7, "g"), m.prepare(7, "h")]],
    ["the prepare of another one", [m.beginPrepare(7, "g"), m.prepare(8, "g")]],
    ["a transactional message outside", [m.logicalMessage("p", "c")]],
    [
      "a message that claims more than it has",
      [m.begin(1n, 1), m.logicalMessage("p", "content").subarray(0, 20)],
    ],
  ])("%s", (_title, messages) => {
    expect(() => lines(messages)).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  });
});
