import { describe, test } from "vitest";
import { MemoryCheckpoint, MemoryCheckpointStore } from "../../src/checkpoint/memory-store.js";
import { checkpointStoreCases } from "../conformance/checkpoint-store.js";

describe("the checkpoint store in memory", () => {
  test.each(Object.entries(checkpointStoreCases))("%s", async (_, run) => {
    const shared = new MemoryCheckpoint();
    await run(() => new MemoryCheckpointStore(shared));
  });
});
