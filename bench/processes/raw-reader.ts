// Receives and counts, decodes nothing: what the server and the socket allow.
import { formatLsn, parseLsn } from "../../src/core/lsn.js";
import { Meter } from "./meter.js";
import { openTransport } from "./open-transport.js";
import { answerAndExit, type ReaderOrder, readOrder } from "./order.js";

const INSERT = 0x49;
const COMMIT = 0x43;

const order = readOrder<ReaderOrder>();
const after = parseLsn(order.afterLsn);
const meter = new Meter();
let rows = 0;
let isDone = false;

const transport = await openTransport(order, {
  handler: {
    onMessage(bytes, start) {
      const tag = bytes[start];
      if (tag === INSERT) {
        if (rows === 0) meter.begin();
        rows += 1;
      } else if (tag === COMMIT && !isDone) {
        // Commit: Byte1 tag, Int8 flags, Int64 commit LSN, Int64 end LSN (manual, 54.9).
        const view = new DataView(bytes.buffer, bytes.byteOffset + start + 10, 8);
        const endLsn = view.getBigUint64(0);
        if (endLsn > after) finish(formatLsn(endLsn));
      }
    },
    onKeepalive() {},
  },
  onReadEnd() {},
});
transport.resume();

function finish(endLsn: string): void {
  isDone = true;
  meter.end();
  // Later, because a short stream may end before `transport` is known.
  setImmediate(() => {
    answerAndExit(meter.report({ rows, bytes: transport.bytesReceived, endLsn }));
  });
}
