import type { ErrorCode } from "../../core/error-codes.js";
import { TidemarkError } from "../../core/errors.js";

// The one file that matches on the text of errors from Redis and its client. The first word of an
// error reply is its kind.

const LONGEST = 200;

const SENTENCES: readonly (readonly [kinds: RegExp, code: ErrorCode, sentence: string])[] = [
  [
    /^(NOAUTH|WRONGPASS|ERR AUTH|ERR invalid password|ERR Client sent AUTH)/i,
    "CHECKPOINT_REFUSED",
    "Redis refuses the login; correct user and password in the checkpoint URL",
  ],
  [
    /^NOPERM/,
    "CHECKPOINT_REFUSED",
    "The Redis user may not do this; give it the keys tidemark:* and the commands of " +
      "docs/checkpoints.md",
  ],
  [
    /^READONLY/,
    "CHECKPOINT_FAILED",
    "This Redis is a read-only replica; give the URL of the primary, or wait for the failover",
  ],
  [
    /^NOREPLICAS/,
    "CHECKPOINT_FAILED",
    "This Redis has lost its replicas and takes no writes (min-replicas-to-write); it may be cut off",
  ],
  [/^OOM/, "CHECKPOINT_FAILED", "Redis has no memory left for the checkpoint; raise its maxmemory"],
  [
    /^MISCONF/,
    "CHECKPOINT_FAILED",
    "Redis cannot write to its disk and takes no writes; mend what its log names",
  ],
  [/^(LOADING|BUSY|TRYAGAIN|MASTERDOWN)/, "CHECKPOINT_FAILED", "Redis is not ready yet"],
  [
    /^(MOVED|ASK|CLUSTERDOWN)/,
    "CHECKPOINT_FAILED",
    "The Redis Cluster is moving the pipeline's keys to another node",
  ],
  [
    /does not match certificate|altnames/i,
    "CHECKPOINT_REFUSED",
    "The certificate of Redis is for another name; use one in the checkpoint URL that it is for",
  ],
  [
    /certificate/i,
    "CHECKPOINT_REFUSED",
    "The certificate of Redis is not trusted; start Tidemark with " +
      "NODE_EXTRA_CA_CERTS=/path/to/ca.pem, the CA that signed it, or renew it",
  ],
  [
    /timed out/i,
    "CHECKPOINT_FAILED",
    "Redis did not answer in time; look at its load, or raise redis({ commandTimeout })",
  ],
];

/** Gives an error from Redis a code of ours. A TidemarkError comes back as it is. */
export function fromRedis(error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const message = error instanceof Error ? error.message : String(error);
  // An unknown command is quoted with its arguments, which may be state.
  const text = message.split(", with args")[0]?.slice(0, LONGEST) ?? "";
  const [, code = "CHECKPOINT_FAILED", sentence = "Redis does not answer; check that it runs"] =
    SENTENCES.find(([kinds]) => kinds.test(text)) ?? [];
  return new TidemarkError(code, `${sentence} (${text}). Nothing was acknowledged.`, {
    cause: error,
  });
}
