import { TidemarkError } from "../../core/errors.js";
import { type Lsn, parseLsn } from "../../core/lsn.js";

/** One end of a range: a position, or a commit time in milliseconds since the Unix epoch. */
export type ReplayBound =
  | { readonly kind: "lsn"; readonly lsn: Lsn }
  | { readonly kind: "time"; readonly ms: number };

/** Reads `16/B374D848`, or a time such as `2026-11-24T10:00:00Z`; without a zone it is UTC. */
export function parseBound(option: string, text: string): ReplayBound {
  if (/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(text))
    return { kind: "lsn", lsn: parseLsn(text) };
  const hasZone = /(z|[+-]\d\d(:?\d\d)?)$/i.test(text.replace(/^\d{4}-\d\d-\d\d/, ""));
  const isDate = /^\d{4}-\d\d-\d\d/.test(text);
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const ms = isDate ? Date.parse(hasZone || isDay ? text : `${text}Z`) : Number.NaN;
  if (!Number.isNaN(ms)) return { kind: "time", ms };
  throw new TidemarkError(
    "CONFIG_INVALID",
    `${option} takes an LSN such as 16/B374D848 or a time such as 2026-11-24T10:00:00Z, not ` +
      `"${text}".`,
  );
}
