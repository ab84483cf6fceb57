/** A reply of Redis; bulk strings are buffers, whatever they hold. */
export type RedisReply = Buffer | string | number | null | readonly RedisReply[];

/**
 * A connection to one Redis server that is handed to whoever needs one. Commands run in the order
 * of the calls, those made without waiting travel together, and nothing is ever sent twice.
 * Failures are TidemarkErrors; a session that was lost stays lost.
 */
export interface RedisSession {
  send(command: string, ...args: readonly (string | number | Uint8Array)[]): Promise<RedisReply>;
  /** Ends the session; never rejects. */
  end(): Promise<void>;
}

/** Opens a session with the server that keeps `key`. */
export type RedisConnect = (key: string) => Promise<RedisSession>;

/** A reply that is text. */
export function textOf(reply: RedisReply | undefined): string {
  return reply === null || reply === undefined ? "" : String(reply);
}

/** A reply that is a list. */
export function listOf(reply: RedisReply): readonly RedisReply[] {
  return Array.isArray(reply) ? reply : [];
}
