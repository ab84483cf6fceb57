import type { Lsn } from "../../core/lsn.js";
import type { Row } from "../../core/row.js";
import type { EventPosition } from "./row-event.js";

/** The event that is being offered; one object is filled anew for each. */
export class Arrival implements EventPosition {
  ms = 0;
  commitLsn: Lsn = 0n;
  ordinal = 0;
  xid = 0;
  /** The row as conditions see it; valid while the event is offered. */
  row: Row = null as unknown as Row;
}
