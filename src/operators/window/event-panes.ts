import type { OutputShape, ResultValue } from "../../core/output.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import { Timestamp } from "../../core/timestamp.js";
import { KeyedState } from "../../state/keyed-state.js";
import type { StateColumn } from "../../state/state-column.js";
import { unknownRow } from "../kept-rows.js";
import { Deadlines } from "../pattern/deadlines.js";
import { AggregateList, type BoundAggregate } from "./aggregate-list.js";
import { Count } from "./aggregates/count.js";
import { type Emission, emissionFact } from "./emission.js";
import type { LateRows } from "./late-rows.js";
import type { PaneList } from "./pane-list.js";
import { PaneLists } from "./pane-lists.js";
import { Partials } from "./partials.js";
import { RowGroups } from "./row-groups.js";
import { ViewRows } from "./view-rows.js";

/** Settings of a step whose windows lie where its rows do. */
export interface EventWindowOptions {
  readonly id: string;
  /** The step it reads from: another filter makes another state. */
  readonly input: string;
  /** Column with the event time; null takes the commit's time. */
  readonly eventTimeColumn: string | null;
  readonly shape: OutputShape;
  /** Group columns of the input, in the order of the shape's group columns. */
  readonly keys: readonly string[];
  /** Whether times are printed without a zone. */
  readonly isLocalTime: boolean;
  readonly aggregates: readonly BoundAggregate[];
  readonly isRetractable: boolean;
  readonly emission: Emission;
  /** Takes rows that came too late; null where rows are taken until their results go. */
  readonly late: LateRows | null;
}

/**
 * What such steps keep: a pane for each key and event time, in whole microseconds since the Unix
 * epoch, which doubles hold exactly from 1684 to 2255.
 */
export class EventPanes {
  readonly panes: KeyedState;
  readonly lists: PaneLists;
  readonly deadlines: Deadlines = new Deadlines();
  readonly rowCounts: Count = new Count();
  readonly partials: Partials;
  readonly selection: RowGroups;
  readonly view: ViewRows;
  readonly aggregates: AggregateList;
  readonly #options: EventWindowOptions;
  #relation: Relation | null = null;
  #timeColumn = -1;

  /** `onAdded` is told of each pane that came into a list; `columns` is what else is kept. */
  constructor(
    options: EventWindowOptions,
    onAdded: (list: PaneList, slot: number) => void,
    columns: readonly StateColumn[] = [],
  ) {
    const { shape, keys } = options;
    this.#options = options;
    this.aggregates = new AggregateList(options.aggregates);
    const { aggregates, rowCounts } = this;
    this.lists = new PaneLists((capacity) => this.deadlines.grow(capacity), onAdded);
    this.panes = new KeyedState([rowCounts, ...columns, this.lists, ...aggregates.columns]);
    this.lists.attach(this.panes);
    this.partials = new Partials({ panes: this.panes, rowCounts, aggregates });
    this.selection = new RowGroups(this.panes, keys);
    this.view = new ViewRows({ shape, keyCount: keys.length, aggregates });
  }

  /** What the numbers in the state mean; with other facts they would mean something else. */
  factsOf(window: string): Record<string, string> {
    const { input, eventTimeColumn, shape, keys, emission, isRetractable } = this.#options;
    return {
      input,
      "event time": eventTimeColumn ?? "commit time",
      keys: keys.map((key, i) => `${key} ${shape.columns[i]?.sqlType}`).join(", "),
      window,
      emission: emissionFact(emission),
      rows: isRetractable ? "come and leave" : "come",
      aggregates: this.aggregates.fact,
    };
  }

  /** To be called with each selection, before its rows are read. */
  bind(relation: Relation): void {
    if (relation === this.#relation) return;
    this.#relation = relation;
    this.selection.bind(relation);
    this.aggregates.bind(relation);
    const { eventTimeColumn } = this.#options;
    this.#timeColumn = eventTimeColumn === null ? -1 : columnIndex(relation, eventTimeColumn);
  }

  /** Event time of row `k` in microseconds; NaN for NULL, ±Infinity as it is. */
  microsOf(rows: Rows, k: number): number {
    const ms = rows.eventMs[k] as number;
    if (this.#timeColumn < 0) return Math.round(rows.slice.commitMs * 1000);
    if (!Number.isFinite(ms)) return ms;
    const { batch } = rows;
    const cell = (rows.images[k] as number) + 2 * this.#timeColumn;
    const value = rows.relation.columns[this.#timeColumn]?.codec.decode(
      batch.bytes[rows.indices[k] as number] as Uint8Array,
      batch.cells[cell] as number,
      batch.cells[cell + 1] as number,
    );
    return ms * 1000 + (value instanceof Timestamp ? value.micros : 0);
  }

  /** Adds row `k` to its pane, which is made if there is none. */
  take(rows: Rows, k: number, micros: number): number {
    const slot = this.panes.slot(micros);
    if (this.panes.isNew) this.lists.add(slot);
    this.selection.take(rows, k, slot);
    return slot;
  }

  /** Counts and aggregates what was taken. */
  addTaken(): void {
    this.rowCounts.add(this.selection.rows, this.selection.slots, []);
    this.aggregates.add(this.selection.rows, this.selection.slots);
  }

  /** How many rows a pane has, or a partial. Throws UNKNOWN_ROW when more left than came. */
  rowsOf(slot: number): number {
    const rows = this.rowCounts.result(slot);
    if (rows < 0) {
      throw unknownRow(this.#relation?.qualifiedName ?? "", "left that never came in");
    }
    return rows;
  }

  /** The result of a key at a time, with an end where the view shows one. */
  put(list: PaneList, { micros, end, slot }: { micros: number; end: number; slot: number }): void {
    const others = this.#showsEnd ? [this.#cell(end)] : [];
    this.view.put(this.lists.keyOf(list), {
      window: micros / 1000,
      cells: { names: [this.#cell(micros)], others },
      slot,
    });
  }

  /** The result of a key at a time has to leave the view, if it is there. */
  remove(list: PaneList, micros: number): void {
    this.view.remove(this.lists.keyOf(list), { names: [this.#cell(micros)], others: [] });
  }

  get #showsEnd(): boolean {
    const { shape, aggregates, keys } = this.#options;
    return shape.columns.length > keys.length + 1 + aggregates.length;
  }

  #cell(micros: number): ResultValue {
    const ms = Math.floor(micros / 1000);
    const time = Timestamp.of(ms, micros - ms * 1000);
    return this.#options.isLocalTime ? time.toLocalString() : time;
  }
}
