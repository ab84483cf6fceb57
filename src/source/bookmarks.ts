import { TidemarkError } from "../core/errors.js";
import { type Lsn, parseLsn } from "../core/lsn.js";
import type { SqlSession } from "../core/sql.js";
import { dropSlot, readSlot } from "./slot.js";

// A bookmark is a copy of a pipeline's slot that nobody moves, so that the server keeps the log
// from there on. What a server does not remember of a slot, when it was made, is in its name:
// bm_<pipeline>_<name>_<seconds since 1970 in eight hexadecimal digits>.

/** A saved position of the live log. */
export interface Bookmark {
  readonly name: string;
  readonly slotName: string;
  /** Everything committed after it can be replayed; null once the server has discarded the log. */
  readonly lsn: Lsn | null;
  /** Milliseconds since the Unix epoch. */
  readonly createdMs: number;
  /** Bytes of WAL that the server keeps at least for it; null when it keeps none any more. */
  readonly heldBytes: number | null;
}

const NAME = /^[a-z][a-z0-9_]{0,30}$/;
const MAX_SLOT_NAME = 63;

/** The bookmarks of a pipeline, oldest first. */
export async function listBookmarks(session: SqlSession, pipeline: string): Promise<Bookmark[]> {
  const rows = await session.query(
    `select slot_name as slot, confirmed_flush_lsn::text as lsn, wal_status as status,
            pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::float8 as held
     from pg_replication_slots
     where database = current_database() and starts_with(slot_name, $1)`,
    [prefixOf(pipeline)],
  );
  return rows
    .flatMap((row): Bookmark[] => {
      const slotName = String(row["slot"]);
      const match = /^(.+)_([0-9a-f]{8})$/.exec(slotName.slice(prefixOf(pipeline).length));
      if (match === null) return []; // of a pipeline whose name begins with this one's
      const isLost = row["status"] === "lost" || row["lsn"] === null;
      return [
        {
          name: match[1] as string,
          slotName,
          lsn: isLost ? null : parseLsn(String(row["lsn"])),
          createdMs: Number.parseInt(match[2] as string, 16) * 1000,
          heldBytes: row["held"] === null ? null : Number(row["held"]),
        },
      ];
    })
    .sort((a, b) => a.createdMs - b.createdMs);
}

/** The bookmark of this name. Throws BOOKMARK_MISSING, naming those that there are. */
export async function findBookmark(
  session: SqlSession,
  pipeline: string,
  name: string,
): Promise<Bookmark> {
  const bookmarks = await listBookmarks(session, pipeline);
  const found = bookmarks.find((bookmark) => bookmark.name === name);
  if (found !== undefined) return found;
  const names = bookmarks.map((bookmark) => bookmark.name).join(", ");
  throw new TidemarkError(
    "BOOKMARK_MISSING",
    `Pipeline ${pipeline} has no bookmark ${name}; it has ${names === "" ? "none" : names}. ` +
      `Create it with tidemark bookmark create ${name}.`,
    { detail: { bookmark: name } },
  );
}

/** What a new bookmark is made from. */
export interface BookmarkRequest {
  readonly pipeline: string;
  readonly name: string;
  /** The pipeline's slot. */
  readonly slotName: string;
  readonly nowMs: number;
}

/** Copies the pipeline's slot where it stands; it may be in use. */
export async function createBookmark(
  session: SqlSession,
  request: BookmarkRequest,
): Promise<Bookmark> {
  const { pipeline, name, slotName } = request;
  const seconds = Math.floor(request.nowMs / 1000);
  const copy = `${prefixOf(pipeline)}${name}_${seconds.toString(16).padStart(8, "0")}`;
  if (!NAME.test(name) || copy.length > MAX_SLOT_NAME) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "A bookmark's name takes a lower-case letter, then letters, digits or underscores, and is " +
        `at most ${MAX_SLOT_NAME - copy.length + name.length} characters long for this pipeline.`,
    );
  }
  const bookmarks = await listBookmarks(session, pipeline);
  if (bookmarks.some((bookmark) => bookmark.name === name)) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      `Bookmark ${name} exists already; drop it first, or choose another name.`,
    );
  }
  if ((await readSlot(session, slotName)) === null) {
    throw new TidemarkError(
      "SLOT_MISSING",
      `Replication slot ${slotName} does not exist, so there is no position to keep: run the ` +
        "pipeline first.",
      { detail: { slot: slotName } },
    );
  }
  await session.query("select pg_copy_logical_replication_slot($1, $2, false)", [slotName, copy]);
  return findBookmark(session, pipeline, name);
}

/** Lets the server discard what only this bookmark keeps. Throws BOOKMARK_MISSING. */
export async function dropBookmark(
  session: SqlSession,
  pipeline: string,
  name: string,
): Promise<Bookmark> {
  const bookmark = await findBookmark(session, pipeline, name);
  await dropSlot(session, bookmark.slotName);
  return bookmark;
}

/** How long bookmarks may live and how much they may hold. */
export interface BookmarkLimits {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/** Why a bookmark should go, or null. */
export function beyondLimits(
  bookmark: Bookmark,
  limits: BookmarkLimits,
  nowMs: number,
): "lost" | "age" | "size" | null {
  if (bookmark.lsn === null) return "lost";
  if (nowMs - bookmark.createdMs > limits.maxAgeMs) return "age";
  return (bookmark.heldBytes ?? 0) > limits.maxBytes ? "size" : null;
}

function prefixOf(pipeline: string): string {
  return `bm_${pipeline}_`;
}
