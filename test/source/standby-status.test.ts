import { expect, test } from "vitest";
import { encodeStandbyStatus } from "../../src/source/standby-status.js";

test("the bytes are those of the manual: r, write, flush, apply, clock, ask", () => {
  const positions = { write: 0x16_b374d848n, flush: 0x1_00000000n, apply: 2n ** 64n - 1n };
  // One second and a millisecond after 2000-01-01: 1,001,000 microseconds.
  const message = encodeStandbyStatus(positions, 946_684_801_001, true);
  expect(message.toString("hex")).toBe(
    [
      "72",
      "00000016b374d848",
      "0000000100000000",
      "ffffffffffffffff",
      "00000000000f4628",
      "01",
    ].join(""),
  );
});

test("without a question the last byte is zero", () => {
  const message = encodeStandbyStatus({ write: 3n, flush: 2n, apply: 1n }, 946_684_800_000, false);
  expect(message).toHaveLength(34);
  expect(message.subarray(25).toString("hex")).toBe("000000000000000000");
});

test("a clock before 2000 is a negative count", () => {
  const message = encodeStandbyStatus({ write: 0n, flush: 0n, apply: 0n }, 946_684_799_999, false);
  expect(message.readBigInt64BE(25)).toBe(-1000n);
});
