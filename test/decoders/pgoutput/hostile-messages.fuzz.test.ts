// Mutated messages end in PROTOCOL with tag and offset or in a valid change, and mutated cells in
// BAD_VALUE or a value. FUZZ_MUTATIONS=5000000 npm run fuzz does as many; FUZZ_SEED repeats a run.
import { expect, test } from "vitest";
import { PgoutputDecoder } from "../../../decoders/pgoutput/index.js";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import type { Batch } from "../../../src/core/batch.js";
import type { CatalogType } from "../../../src/core/catalog.js";
import { dump } from "../../fixtures/batch-dump.js";
import { expectCode, mutate, readAll } from "../../fixtures/hostile-bytes.js";
import * as m from "../../fixtures/pgoutput-messages.js";
import { randomOf } from "../../torture/random.js";

const MUTATIONS = Number(process.env["FUZZ_MUTATIONS"] ?? 20_000);
const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);

const types: readonly CatalogType[] = [
  { oid: 70_000, name: "mood", kind: "enum", labels: ["a"] },
  { oid: 70_001, name: "mood[]", kind: "array", base: 70_000, delimiter: "," },
  {
    oid: 70_002,
    name: "pair",
    kind: "composite",
    fields: [
      { name: "a", typeOid: 23 },
      { name: "__proto__", typeOid: 1009 },
    ],
  },
];
const codecs = { text: new DatabaseCodecs(types, false), binary: new DatabaseCodecs(types, true) };

/** A type, a value as text, and in binary form as hexadecimal digits. */
const samples: readonly (readonly [oid: number, text: string, binary: string])[] = [
  [16, "t", "01"],
  [17, "\\x00ff", "00ff"],
  [20, "-9223372036854775808", "8000000000000000"],
  [21, "-5", "fffb"],
  [23, "2147483647", "7fffffff"],
  [25, "äß🌊", "c3a4c39ff09f8c8a"],
  [700, "0.1", "3dcccccd"],
  [701, "-Infinity", "fff0000000000000"],
  [1082, "2026-11-24", "00002653"],
  [1083, "23:59:59.999999", "000000141dd75fff"],
  [1114, "2026-11-24 01:02:03.4", "000303e1d7c92b40"],
  [1184, "infinity", "7fffffffffffffff"],
  [1186, "1 year -1 days +00:00:01", "00000000000f4240ffffffff0000000c"],
  [1266, "12:00:00+05:30", "0000000a0eebb000ffffb2a8"],
  [1700, "-12345.6700", "000300014000000400010929 1a2c".replace(" ", "")],
  [2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"],
  [3802, '{"a": [12345678901234567890]}', "017b2261223a205b315d7d"],
  [1007, "[5:6]={1,NULL}", "00000001000000010000001700000002000000050000000400000001ffffffff"],
  [
    1009,
    '{{"a b","\\""},{NULL,x}}',
    "000000010000000000000019000000010000000100000001 61".replace(" ", ""),
  ],
  [3904, "[1,5)", "02000000040000000100000004 00000005".replace(" ", "")],
  [3906, '["1.50",)', "12000000060001000000000000".slice(0, 24)],
  [4451, "{[1,2),[5,6)}", "000000010000001102000000040000000100000004 00000002".replace(" ", "")],
  [70_000, "a", "61"],
  [70_001, "{a,NULL}", "00000001000000010001117000000001000000010000000161"],
  [
    70_002,
    '(1,"{a,""b c""}")',
    "0000000200000017000000040000000100000 3f1ffffffff".replace(" ", ""),
  ],
];

/** Few columns: values are changed in a test of their own. */
const columns = samples.slice(0, 6);

const relation: m.RelationSpec = {
  oid: 9,
  name: "t",
  identity: "f",
  columns: columns.map(([typeOid], i) => ({ name: `c${i}`, typeOid, isKey: i === 0 })),
};

/** Streams that together have every message there is, in a form. */
function streamsIn(form: "text" | "binary"): Buffer[][] {
  const cells = columns.map(([, text, hex]) => (form === "text" ? text : Buffer.from(hex, "hex")));
  const row = (message: Buffer): Buffer => (form === "text" ? message : asBinary(message));
  const insert = row(m.insert(9, cells));
  const update = row(m.update(9, [...cells.slice(1), null], ["O", cells]));
  const remove = row(m.remove(9, "K", cells));
  const inStream = (...messages: Buffer[]): Buffer[] => messages.map((part) => m.inStream(7, part));
  const whole = [
    m.begin(100n, 5),
    m.origin(1n, "node"),
    m.type(70_000, "public", "mood"),
    m.relation(relation),
    insert,
    update,
    remove,
    m.truncate([9], 1),
    m.logicalMessage("prefix", "content"),
    m.commit(100n, 130n),
  ];
  const streamed = [
    m.streamStart(7),
    ...inStream(m.relation(relation), insert, update, m.logicalMessage("p", "c")),
    m.streamStop(),
    m.streamAbort(7, 71, 5n),
    m.streamStart(7, false),
    ...inStream(remove, m.truncate([9])),
    m.streamStop(),
    m.streamCommit(7, 130n, 160n),
  ];
  const prepared = [
    m.relation(relation),
    m.beginPrepare(8, "g"),
    insert,
    m.prepare(8, "g"),
    m.commitPrepared(8, "g", [160n, 190n]),
    m.rollbackPrepared(9, "h"),
  ];
  return [whole, streamed, prepared];
}

/** Marks the values of a row message as binary; the rows here have no text that looks like it. */
function asBinary(message: Buffer): Buffer {
  const marked = Buffer.from(message);
  let at = 6;
  for (;;) {
    const count = marked.readUInt16BE(at);
    at += 2;
    for (let i = 0; i < count; i++) {
      const isValue = marked[at] === 0x74;
      if (isValue) marked[at] = 0x62;
      at += isValue ? 5 + marked.readInt32BE(at + 1) : 1;
    }
    if (at === marked.length) return marked;
    at += 1;
  }
}

test.each(["text", "binary"] as const)(
  `%s messages that were changed (FUZZ_SEED=${seed})`,
  (form) => {
    const random = randomOf(seed);
    const streams = streamsIn(form);
    let refused = 0;
    for (let run = 0; run < MUTATIONS / 2; run++) {
      const decoder = new PgoutputDecoder({ codecs: codecs[form] });
      const messages = streams[run % streams.length] as Buffer[];
      const index = random.between(0, messages.length - 1);
      const bytes = mutate(messages[index] as Buffer, messages, random);
      const size = 4096 + bytes.length;
      let earlier: Batch | null = null;
      let before = "";
      try {
        messages.forEach((message, i) => {
          if (i === index && run % 16 < streams.length) {
            earlier = decoder.take();
            before = dump([earlier]).join();
          }
          const next = i === index ? bytes : message;
          decoder.decode(next, 0, next.length);
          while (decoder.isDelivering) readAll(decoder.take(), size);
        });
      } catch (error) {
        expectCode(error, "PROTOCOL");
        refused++;
      }
      try {
        readAll(decoder.take(), size);
      } catch (error) {
        expectCode(error, "PROTOCOL"); // a delivery that is refused on its way
      }
      if (earlier !== null && dump([earlier]).join() !== before)
        throw new Error("the past changed");
      decoder.close();
    }
    expect(refused).toBeGreaterThan(MUTATIONS / 8);
    expect(refused).toBeLessThan(MUTATIONS / 2);
  },
  3_600_000,
);

test.each(["text", "binary"] as const)(
  `%s cells that were changed (FUZZ_SEED=${seed})`,
  (form) => {
    const random = randomOf(seed);
    const cells = samples.map(([oid, text, hex]) => {
      return { oid, bytes: form === "text" ? Buffer.from(text) : Buffer.from(hex, "hex") };
    });
    const all = cells.map(({ bytes }) => bytes);
    const out = { unscaled: 0, scale: 0 };
    let refused = 0;
    for (let run = 0; run < MUTATIONS; run++) {
      const { oid, bytes } = cells[run % cells.length] as (typeof cells)[number];
      const changed = mutate(bytes, all, random);
      const padded = Buffer.concat([Buffer.from("9"), changed, Buffer.from("9")]);
      const codec = codecs[form].codecOf(oid);
      try {
        codec.decode(padded, 1, 1 + changed.length);
        codec.readScaled?.(padded, 1, 1 + changed.length, out);
        codec.readNumber?.(padded, 1, 1 + changed.length);
        codec.readEpochMs?.(padded, 1, 1 + changed.length);
        codec.canonicalText?.(padded, 1, 1 + changed.length);
      } catch (error) {
        expectCode(error, "BAD_VALUE");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(MUTATIONS / 10);
  },
  3_600_000,
);
