import { describe, test } from "vitest";
import { MemoryCheckpoint, MemoryCheckpointStore } from "../../src/checkpoint/memory-store.js";
import { generationCases } from "../conformance/checkpoint-generations.js";
import { checkpointStoreCases } from "../conformance/checkpoint-store.js";

describe("the checkpoint store in memory", () => {
  test.each(Object.entries(checkpointStoreCases))("%s", async (_, run) => {
    const shared = new MemoryCheckpoint();
    await run(() => new MemoryCheckpointStore(shared));
  });

  test.each(Object.entries(generationCases))("%s", async (_, run) => {
    const shared = new MemoryCheckpoint();
    const make = () => new MemoryCheckpointStore(shared);
    await run({
      make,
      makeDying: () => {
        const store = make();
        store.save = () => Promise.reject(new Error("died"));
        return store;
      },
      damageNewest: async () => {
        const [newest] = shared.generations;
        if (newest !== undefined) newest.isDamaged = true;
      },
      storedBytes: async () => {
        const blocks = new Set(shared.generations.flatMap((g) => [...g.blocks.values()]));
        return [...blocks].reduce((sum, { bytes }) => sum + bytes.length, 0);
      },
    });
  });
});
