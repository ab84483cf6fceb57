import type { CheckpointStore } from "../core/checkpoint-store.js";
import type { Position } from "../core/position.js";
import type { UnfitState } from "./fit-state.js";

/**
 * Makes the loaded checkpoint at `position` forget what was dropped, durably, before anything is
 * written. Otherwise whoever takes the change back could go on with state whose views the changed
 * pipeline has emptied. A forgotten block is an empty one. Throws like `save` and `settled`.
 */
export async function forgetState(
  store: CheckpointStore,
  dropped: readonly UnfitState[],
  { epoch, position }: { readonly epoch: number; readonly position: Position },
): Promise<void> {
  if (dropped.length === 0) return;
  const blocks = dropped.flatMap((state) =>
    state.blocks.map((block) => ({ ...block, bytes: new Uint8Array() })),
  );
  await store.save({ epoch, position, blocks });
  await store.settled(position.lsn);
}
