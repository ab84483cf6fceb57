import { expect, test } from "vitest";
import { pipeline, postgres } from "../../src/pipeline/builder.js";
import { slot } from "../../src/pipeline/specs.js";
import { OperatorHarness } from "../fixtures/operator-harness.js";
import * as m from "../fixtures/pgoutput-messages.js";
import { batchesOf, messagesOf, SALES_OID, sale, sales, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);

test("a delete and a truncate have no event time, and leave the watermark to the others", () => {
  const { plan } = pipeline("p", { source: slot() }, (from) => {
    from("sales" as never, { eventTime: "at" as never })
      .changes()
      .into(postgres.append("log"));
  });
  const harness = new OperatorHarness(plan, [{ ...sales, identityKey: ["shop"] }]);
  const changes = [
    salesRelation,
    m.remove(SALES_OID, "K", ["a", null, null, null]),
    sale(["a", T0 - 1000]),
    m.truncate([SALES_OID]),
  ];
  const transaction = { commitLsn: 256n, endLsn: 272n, commitMs: T0, changes };
  const [record] = harness.run(batchesOf(messagesOf(transaction)));
  expect(record?.watermarkMs).toBe(T0 - 1000);
});
