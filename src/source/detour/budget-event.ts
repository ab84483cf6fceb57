import type { TidemarkError } from "../../core/errors.js";
import type { Lsn } from "../../core/lsn.js";

/** Something that happened about the WAL that a slot keeps; for a log. */
export type BudgetEvent =
  /** The slot keeps too much, and from now on the stream is recorded and read from there. */
  | { readonly kind: "detour-begins"; readonly lagBytes: number; readonly dir: string }
  /** A detour of an earlier run is there and goes on. */
  | { readonly kind: "detour-resumes"; readonly dir: string }
  /** The detour has no room, or cannot be written, and the slot keeps WAL again. */
  | { readonly kind: "detour-full"; readonly lagBytes: number; readonly diskBytes: number }
  /** Nothing more is recorded; what is there is read up to `endLsn`. */
  | { readonly kind: "detour-ends"; readonly endLsn: Lsn }
  /** Everything in it is in a checkpoint: it was removed, and the slot is read again. */
  | { readonly kind: "detour-over" }
  /** Recording failed and is tried again. */
  | { readonly kind: "detour-retry"; readonly error: TidemarkError; readonly delayMs: number };

/** A look at a detour. */
export interface DetourStatus {
  /** Whether the stream is still recorded, or only read to its end. */
  readonly isRecording: boolean;
  /** Whether recording waits for room. */
  readonly isFull: boolean;
  /** Received and on its way to the disk, up to here. */
  readonly recordedLsn: Lsn;
  readonly diskBytes: number;
}
