import { describe, expect, test } from "vitest";
import { armFailpoints } from "../../src/pipeline/failpoints.js";

/** What the faults of `spec` did, in order. */
function armed(spec: string, others: Readonly<Record<string, string>> = {}) {
  const environment: Record<string, string> = {
    TIDEMARK_FAILPOINTS: spec,
    TIDEMARK_ALLOW_FAILPOINTS: "1",
    ...others,
  };
  const effects: string[] = [];
  const failpoint = armFailpoints((name) => environment[name], {
    kill: () => effects.push("kill"),
    freeze: (ms) => effects.push(`freeze ${ms}`),
    wait: async (ms) => {
      effects.push(`wait ${ms}`);
    },
  });
  return { failpoint, effects };
}

describe("a failpoint", () => {
  test("strikes at the chosen hit, or at every one", () => {
    const { failpoint, effects } = armed("receive=kill@3,acknowledged=pause:20");
    for (let hit = 0; hit < 4; hit++) void failpoint("receive");
    expect(effects).toEqual(["kill"]);
    void failpoint("acknowledged");
    void failpoint("acknowledged");
    void failpoint("draining");
    expect(effects).toEqual(["kill", "freeze 20", "freeze 20"]);
  });

  test("that delays gives a promise, and one that fails throws what may pass", async () => {
    const { failpoint, effects } = armed("checkpoint-saved=delay:7,results-committed=error@1");
    await failpoint("checkpoint-saved");
    expect(effects).toEqual(["wait 7"]);
    expect(() => failpoint("results-committed")).toThrow(
      expect.objectContaining({ code: "SINK_FAILED", retry: "backoff" }),
    );
    expect(failpoint("results-committed")).toBeUndefined();
  });

  test.each(["receive", "nowhere=kill", "receive=wait:3", "receive=kill@0", "receive=delay"])(
    "written as %s is refused with what it takes",
    (spec) => {
      expect(() => armed(spec)).toThrow(/name=delay:ms/);
    },
  );
});

describe("the variable", () => {
  test.each<[why: string, others: Record<string, string>]>([
    ["without its switch", { TIDEMARK_ALLOW_FAILPOINTS: "" }],
    ["in production", { NODE_ENV: "production" }],
  ])("is refused %s", (_, others) => {
    expect(() => armed("receive=kill", others)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });

  test("that is not set arms nothing, whatever else is", () => {
    expect(armed("", { NODE_ENV: "production" }).failpoint("receive")).toBeUndefined();
  });
});
