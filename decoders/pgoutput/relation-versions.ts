import type { Relation } from "../../src/core/relation.js";

/** A relation as one message announced it. */
export interface RelationVersion {
  readonly relation: Relation;
  /** The announcing message, from its OID on. */
  readonly message: Uint8Array;
  /** How many announcements came before it on the connection. */
  readonly order: number;
}

/**
 * Relation versions by OID. A server repeats descriptions that have not changed (after any
 * invalidation, and in every streamed transaction); these keep the object they had, so that
 * identity goes on telling whether the shape changed.
 */
export class RelationVersions {
  readonly #versions = new Map<number, RelationVersion>();

  get(oid: number): RelationVersion | undefined {
    return this.#versions.get(oid);
  }

  set(version: RelationVersion): void {
    this.#versions.set(version.relation.oid, version);
  }

  /** Takes the versions that were announced later than its own. */
  mergeFrom(other: RelationVersions): void {
    for (const version of other.#versions.values()) {
      const own = this.get(version.relation.oid);
      if (own === undefined || own.order < version.order) this.set(version);
    }
  }
}
