import type { Lsn } from "../../core/lsn.js";
import type { ChangeStream } from "../../core/source.js";

/** Listens to what a session reports, and ends what the stream is fed from. */
export interface StreamWatch {
  onReport(flush: Lsn, apply: Lsn): void;
  /** Before the stream is closed. */
  onClose(): void;
}

/** The same stream, watched. Closing it ends a session without an error; the next one begins. */
export function watchedStream(stream: ChangeStream, watch: StreamWatch): ChangeStream {
  return {
    position: stream.position,
    closed: stream.closed,
    snapshot: stream.snapshot ?? null,
    get bytesReceived() {
      return stream.bytesReceived;
    },
    resume: () => stream.resume(),
    pause: () => stream.pause(),
    report: (flush, apply) => {
      stream.report(flush, apply);
      watch.onReport(flush, apply);
    },
    advanced: (position, serverMs) => stream.advanced?.(position, serverMs),
    close: () => {
      watch.onClose();
      return stream.close();
    },
  };
}
