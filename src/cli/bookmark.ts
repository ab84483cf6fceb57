import { parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import { formatLsn } from "../core/lsn.js";
import type { SqlSession } from "../core/sql.js";
import type { PipelineDefinition } from "../index.js";
import { resolveSettings, type Settings } from "../pipeline/settings.js";
import {
  type Bookmark,
  type BookmarkLimits,
  beyondLimits,
  createBookmark,
  dropBookmark,
  listBookmarks,
} from "../source/bookmarks.js";
import { sqlConnect } from "../source/sql-client.js";
import { environment } from "./environment.js";
import { formatBytes, formatSeconds } from "./render.js";

/** An answer for people and for programs. */
export interface CommandAnswer {
  readonly text: string;
  readonly json: unknown;
}

/** `tidemark bookmark`. Ages are told by this machine's clock. */
export class BookmarkCommands {
  readonly #settings: Settings;

  constructor(definition: PipelineDefinition) {
    this.#settings = resolveSettings(definition, environment);
  }

  async create(name: string): Promise<CommandAnswer> {
    const { pipeline, source } = this.#settings;
    const request = { pipeline, name, slotName: source.slotName, nowMs: Date.now() };
    const made = await this.#withSession((session) => createBookmark(session, request));
    return this.#answer([made], `bookmark ${name} created`);
  }

  async list(): Promise<CommandAnswer> {
    const all = await this.#withSession((session) => this.#all(session));
    return this.#answer(all, all.length === 0 ? "no bookmarks" : null);
  }

  async drop(name: string): Promise<CommandAnswer> {
    const { pipeline } = this.#settings;
    const gone = await this.#withSession((session) => dropBookmark(session, pipeline, name));
    return this.#answer([gone], `bookmark ${name} dropped`);
  }

  async prune(): Promise<CommandAnswer> {
    const limits = bookmarkLimits();
    return this.#withSession(async (session) => {
      const all = await this.#all(session);
      const beyond = all.filter((bookmark) => beyondLimits(bookmark, limits, Date.now()) !== null);
      for (const { name } of beyond) await dropBookmark(session, this.#settings.pipeline, name);
      return this.#answer(beyond, `${beyond.length} of ${all.length} bookmarks dropped`);
    });
  }

  #all(session: SqlSession): Promise<Bookmark[]> {
    return listBookmarks(session, this.#settings.pipeline);
  }

  #answer(bookmarks: readonly Bookmark[], headline: string | null): CommandAnswer {
    const limits = bookmarkLimits();
    const facts = bookmarks.map((bookmark) => ({
      name: bookmark.name,
      slot: bookmark.slotName,
      lsn: bookmark.lsn === null ? null : formatLsn(bookmark.lsn),
      created: new Date(bookmark.createdMs).toISOString(),
      ageSeconds: Math.max(0, Math.round((Date.now() - bookmark.createdMs) / 1000)),
      heldWalBytes: bookmark.heldBytes,
      beyond: beyondLimits(bookmark, limits, Date.now()),
    }));
    const lines = facts.map((fact) => {
      const held =
        fact.heldWalBytes === null ? "no WAL" : `${formatBytes(fact.heldWalBytes)} of WAL`;
      const age = formatSeconds(fact.ageSeconds);
      const mark = fact.beyond === null ? "" : `, ${BEYOND[fact.beyond]}`;
      return `${fact.name}  at ${fact.lsn ?? "?"}, ${age} old, the server keeps ${held}${mark}`;
    });
    return { text: [...(headline === null ? [] : [headline]), ...lines].join("\n"), json: facts };
  }

  async #withSession<T>(use: (session: SqlSession) => Promise<T>): Promise<T> {
    const { pipeline, source } = this.#settings;
    const applicationName = `tidemark ${pipeline} bookmark`;
    const session = await sqlConnect({ url: source.url, role: "source", applicationName })();
    try {
      return await use(session);
    } finally {
      await session.end();
    }
  }
}

const BEYOND = {
  lost: "LOST: the server has discarded it, drop it",
  age: "beyond TIDEMARK_BOOKMARK_MAX_AGE, prune drops it",
  size: "beyond TIDEMARK_BOOKMARK_MAX_BYTES, prune drops it",
} as const;

function bookmarkLimits(): BookmarkLimits {
  const age = environment("TIDEMARK_BOOKMARK_MAX_AGE") || "7d";
  const bytes = Number(environment("TIDEMARK_BOOKMARK_MAX_BYTES") || 16 * 2 ** 30);
  if (Number.isSafeInteger(bytes) && bytes > 0) {
    return { maxAgeMs: parseDuration(age, "TIDEMARK_BOOKMARK_MAX_AGE"), maxBytes: bytes };
  }
  throw new TidemarkError(
    "CONFIG_INVALID",
    "TIDEMARK_BOOKMARK_MAX_BYTES takes a whole number of bytes.",
  );
}
