import type { Lsn } from "../../src/core/lsn.js";
import type { MessageReader } from "./reader.js";

// The messages around changes, each read after its tag (manual, 54.9).

/** Begin: Int64 final LSN, Int64 commit time, Int32 xid. */
export function readBegin(reader: MessageReader): {
  commitLsn: Lsn;
  commitMs: number;
  xid: number;
} {
  const commitLsn = reader.lsn();
  const commitMs = reader.epochMs();
  const xid = reader.uint32();
  reader.finish();
  return { commitLsn, commitMs, xid };
}

/** What ends a transaction that takes effect. */
interface Commit {
  commitLsn: Lsn;
  commitEndLsn: Lsn;
  commitMs: number;
}

/** Commit: Byte1 flags (unused), Int64 commit LSN, Int64 its end, Int64 time. */
export function readCommit(reader: MessageReader): Commit {
  const commit = commitBody(reader);
  reader.finish();
  return commit;
}

/** Stream Commit: Int32 xid, then as Commit. */
export function readStreamCommit(reader: MessageReader): Commit & { xid: number } {
  const xid = reader.uint32();
  return { xid, ...readCommit(reader) };
}

/** Commit Prepared: as Commit, then Int32 xid and the String gid. */
export function readCommitPrepared(reader: MessageReader): Commit & { xid: number } {
  const commit = commitBody(reader);
  const xid = reader.uint32();
  reader.cstring();
  reader.finish();
  return { xid, ...commit };
}

function commitBody(reader: MessageReader): Commit {
  reader.uint8();
  const commitLsn = reader.lsn();
  const commitEndLsn = reader.lsn();
  const commitMs = reader.epochMs();
  if (commitEndLsn <= commitLsn) throw reader.error("a commit that ends before it starts");
  return { commitLsn, commitEndLsn, commitMs };
}

/** Stream Start: Int32 xid, Byte1 whether it is the first block. */
export function readStreamStart(reader: MessageReader): { xid: number; isFirst: boolean } {
  const xid = reader.uint32();
  const isFirst = reader.uint8() === 1;
  reader.finish();
  return { xid, isFirst };
}

/**
 * Stream Abort: Int32 xid, Int32 xid of the subtransaction (the same one for all of it). Asked for
 * `parallel`, the server adds the Int64 LSN and Int64 time of the abort.
 */
export function readStreamAbort(reader: MessageReader): { xid: number; subxid: number } {
  const xid = reader.uint32();
  const subxid = reader.uint32();
  if (reader.remaining === 16) {
    reader.lsn();
    reader.epochMs();
  }
  reader.finish();
  return { xid, subxid };
}

/** A transaction by both its names. */
interface Prepared {
  xid: number;
  gid: string;
}

/** Begin Prepare: Int64 LSN, Int64 its end, Int64 time, Int32 xid, String gid. */
export function readBeginPrepare(reader: MessageReader): Prepared {
  reader.lsn();
  reader.lsn();
  reader.epochMs();
  const xid = reader.uint32();
  const gid = reader.cstring();
  reader.finish();
  return { xid, gid };
}

/** Prepare and Stream Prepare: Byte1 flags (unused), then as Begin Prepare. */
export function readPrepare(reader: MessageReader): Prepared {
  reader.uint8();
  return readBeginPrepare(reader);
}

/**
 * Rollback Prepared: Byte1 flags (unused), Int64 end of the prepare, Int64 end of the rollback,
 * Int64 and Int64 their times, Int32 xid, String gid. Returns the xid.
 */
export function readRollbackPrepared(reader: MessageReader): number {
  reader.uint8();
  reader.lsn();
  reader.lsn();
  reader.epochMs();
  reader.epochMs();
  const xid = reader.uint32();
  reader.cstring();
  reader.finish();
  return xid;
}

/** Origin: Int64 LSN on the other server, String name; returns the name. */
export function readOrigin(reader: MessageReader): string {
  reader.lsn();
  const name = reader.cstring();
  reader.finish();
  return name;
}

/** Type: Int32 OID, String schema, String name. Cells of such types are found by the OID alone. */
export function readType(reader: MessageReader): void {
  reader.uint32();
  reader.cstring();
  reader.cstring();
  reader.finish();
}
