// A streamed transaction of many rows, held, spilled and delivered by the decoder.
import { readFileSync } from "node:fs";
import { pgoutput } from "../../decoders/pgoutput/pgoutput-factory.js";
import { SpillFiles } from "../../src/source/spill-files.js";
import { answerAndExit, type HeldOrder, type HeldReport, readOrder } from "./order.js";

const XID = 7;
const BLOCK_ROWS = 1_000;
const RELATION = 0x52;
const INSERT = 0x49;
const MIB = 2 ** 20;

const { file, rows, directory } = readOrder<HeldOrder>();
const { relation, inserts } = load(file);
let spilled = 0;
const files = new SpillFiles({ directory, maxBytes: 2 ** 34 });
const decoder = pgoutput.create({
  spill: {
    open: () => {
      const area = files.open();
      return {
        ...area,
        append: (bytes) => {
          spilled += bytes.length;
          area.append(bytes);
        },
      };
    },
  },
});

let bytes = 0;
feed(start(true));
feed(inStream(relation));
for (let row = 0; row < rows; row++) {
  if (row > 0 && row % BLOCK_ROWS === 0) {
    feed(Buffer.from("E"));
    feed(start(false));
  }
  const message = inserts[row % inserts.length] as Buffer;
  bytes += message.length;
  feed(inStream(message));
}
feed(Buffer.from("E"));
const began = performance.now();
feed(commit());
let delivered = 0;
while (decoder.isDelivering) delivered += decoder.take().length;
const seconds = (performance.now() - began) / 1000;
if (delivered !== rows) throw new Error(`${delivered} rows were delivered, not ${rows}`);
answerAndExit({
  rows,
  mib: bytes / MIB,
  spilledMiB: spilled / MIB,
  peakRssMiB: process.resourceUsage().maxRSS / 1024,
  rowsPerSecond: rows / seconds,
} satisfies HeldReport);

function feed(message: Buffer): void {
  decoder.decode(message, 0, message.length);
}

function load(path: string): { relation: Buffer; inserts: Buffer[] } {
  const whole = readFileSync(path);
  const messages: Buffer[] = [];
  for (let at = 0; at < whole.length; ) {
    const length = whole.readUInt32BE(at);
    messages.push(Buffer.from(whole.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  const described = messages.find((message) => message[0] === RELATION);
  if (described === undefined) throw new Error("the recording describes no table");
  return { relation: described, inserts: messages.filter((message) => message[0] === INSERT) };
}

function start(isFirst: boolean): Buffer {
  const message = Buffer.from("S\0\0\0\0\0", "latin1");
  message.writeUInt32BE(XID, 1);
  message[5] = isFirst ? 1 : 0;
  return message;
}

function inStream(message: Buffer): Buffer {
  const streamed = Buffer.allocUnsafe(message.length + 4);
  streamed[0] = message[0] as number;
  streamed.writeUInt32BE(XID, 1);
  message.copy(streamed, 5, 1);
  return streamed;
}

/** Tag, Int32 xid, Byte1, Int64 LSN, Int64 its end, Int64 time. */
function commit(): Buffer {
  const message = Buffer.alloc(30);
  message[0] = 0x63;
  message.writeUInt32BE(XID, 1);
  message.writeBigUInt64BE(100n, 6);
  message.writeBigUInt64BE(130n, 14);
  return message;
}
