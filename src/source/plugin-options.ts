/** What the stream is to be like, as far as the server can. */
export interface StreamWishes {
  /** `server_version_num` of the source. */
  readonly versionNum: number;
  /** Large transactions before they commit. */
  readonly isStreaming: boolean;
  /** Values in their binary form. */
  readonly isBinary: boolean;
}

/**
 * The options of pgoutput for START_REPLICATION but for the publication: the highest protocol
 * version the server knows. Version 2 (PostgreSQL 14) streams transactions in progress, 3 (15) can
 * send prepared ones, 4 (16) adds `parallel`, whose aborts carry their position.
 *
 * `two_phase` is never asked for. With it the server sends a transaction at its PREPARE, and once
 * an acknowledged position has passed that, never again: its rows would have to outlive a restart
 * of ours until COMMIT PREPARED. Without it they come then, whole, and the slot keeps them.
 */
export function pluginOptions(wishes: StreamWishes): Readonly<Record<string, string>> {
  const { versionNum, isStreaming, isBinary } = wishes;
  const version = versionNum >= 160_000 ? 4 : versionNum >= 150_000 ? 3 : 2;
  return {
    proto_version: String(version),
    ...(isStreaming ? { streaming: version === 4 ? "parallel" : "on" } : {}),
    ...(isBinary ? { binary: "true" } : {}),
  };
}
