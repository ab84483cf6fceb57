import type { CatalogColumn, CatalogTable } from "../core/catalog.js";
import { TidemarkError } from "../core/errors.js";
import type { OutputOperator } from "../core/operator.js";
import type { OutputColumn, OutputShape } from "../core/output.js";
import type { BoundAggregate } from "../operators/window/aggregate-list.js";
import { GridOperator } from "../operators/window/grid-operator.js";
import { LateRows, lateShape } from "../operators/window/late-rows.js";
import { SessionOperator } from "../operators/window/session-operator.js";
import { SlidingOperator } from "../operators/window/sliding-operator.js";
import { cumulatingGrid, hoppingGrid, type WindowGrid } from "../operators/window/window-grid.js";
import { WindowOperator } from "../operators/window/window-operator.js";
import { aggregateColumns, compileAggregates } from "./compile-aggregates.js";
import type { Condition } from "./conditions.js";
import {
  type GridWindow,
  type LateNode,
  nodesOf,
  type Plan,
  type SourceNode,
  type ViewNode,
  type WindowNode,
} from "./plan.js";

/** A step of the plan with what it became. */
interface Compiled {
  readonly node: WindowNode | LateNode;
  readonly operator: OutputOperator;
  readonly shape: OutputShape;
}

/** What a window is compiled from. `columnOf` finds a column or throws PLAN_INVALID. */
export interface WindowParts {
  readonly plan: Plan;
  readonly node: WindowNode;
  readonly source: SourceNode;
  readonly table: CatalogTable;
  readonly columnOf: (name: string) => CatalogColumn;
  /** As `columnOf`, and refuses a column whose equal values can have different texts. */
  readonly keyOf: (name: string) => CatalogColumn;
  readonly conditions: ReadonlyMap<string, Condition>;
  /** The type of the window's times. Throws PLAN_INVALID for an event time that is no time. */
  readonly timeType: () => string;
}

const LOCAL = "timestamp without time zone";

/** The operator of a window, which takes the rows, and that of its late rows. */
export function compileWindow(parts: WindowParts): Compiled[] {
  const { plan, node, source } = parts;
  const view = nodesOf(plan, "view").find((one) => one.input === node.id);
  if (view === undefined) throw invalid(`${node.id}: nothing takes its result`);
  if (node.window !== null && source.reads === "rows" && source.eventTime === null) {
    throw invalid(
      `${node.id}: a window over rows that are updated needs a time that belongs to the row; ` +
        `name a column with from("${source.table}", { eventTime })`,
    );
  }
  const late = compileLate(parts);
  const aggregates = compileAggregates(node, {
    columnOf: parts.columnOf,
    eventTime: source.eventTime,
    isRetractable: source.reads === "rows",
    isMerged: node.window !== null && !isPlainTumbling(node),
    conditions: parts.conditions,
  });
  const shape = shapeOf(parts, { view, aggregates });
  const common = {
    id: node.id,
    input: node.input,
    eventTime: source.eventTime ?? "commit time",
    shape,
    keys: node.keys,
    aggregates,
    isRetractable: source.reads === "rows",
  };
  const { retainMs } = view;
  const isLocalTime = shape.columns.some(
    ({ role, sqlType }) => role === "time" && sqlType === LOCAL,
  );
  const { window } = node;
  if (window === null || isPlainTumbling(node)) {
    const bounds = window?.kind === "tumbling" ? { ...window, isLocalTime, retainMs } : null;
    const operator = new WindowOperator({ ...common, window: bounds });
    return [{ node, operator, shape }];
  }
  const emission = { ...node.emission, retainMs };
  const shared = { ...common, emission, late: late?.operator ?? null };
  const others = late === null ? [] : [late];
  if (window.kind === "session" || window.kind === "sliding") {
    if (window.kind === "session") refuseRetainAfterClose(node, view);
    const options = { ...shared, eventTimeColumn: source.eventTime, isLocalTime };
    const operator =
      window.kind === "session"
        ? new SessionOperator({ ...options, gapMs: window.gapMs })
        : new SlidingOperator({ ...options, rangeMs: window.rangeMs });
    return [{ node, operator, shape }, ...others];
  }
  const grid = gridOf(window);
  const otherOf = window.kind === "cumulating" ? grid.fromOf : grid.toOf;
  const print = { isLocalTime, otherOf: window.otherColumn === null ? null : otherOf };
  return [{ node, operator: new GridOperator({ ...shared, grid, print }), shape }, ...others];
}

/** The view's row of a session is found by its state. */
function refuseRetainAfterClose(node: WindowNode, { retainMs }: ViewNode): void {
  if (retainMs === null || node.emission.latenessMs === null) return;
  throw invalid(
    `${node.id}: a session's row leaves the view by its state, which is gone when it has closed; ` +
      "leave out retain, or emit and lateness",
  );
}

/** Columns of its input that a window names. */
export function windowColumns(
  { keys, aggregates }: WindowNode,
  eventTime: string | null,
): string[] {
  return [...keys, ...aggregates.flatMap((aggregate) => aggregateColumns(aggregate, eventTime))];
}

/** Whether each window is one pane that is given out at every flush, as long as its row stays. */
function isPlainTumbling({ window, emission }: WindowNode): boolean {
  const isPlain = emission.early === "flush" && emission.latenessMs === null;
  return window?.kind === "tumbling" && window.otherColumn === null && isPlain;
}

function gridOf(window: GridWindow): WindowGrid {
  const { sizeMs, offsetMs } = window;
  if (window.kind === "cumulating") return cumulatingGrid(window.stepMs, sizeMs, offsetMs);
  const slideMs = window.kind === "hopping" ? window.slideMs : sizeMs;
  return hoppingGrid(sizeMs, slideMs, offsetMs);
}

function shapeOf(
  { node, keyOf, timeType }: WindowParts,
  { view, aggregates }: { readonly view: ViewNode; readonly aggregates: readonly BoundAggregate[] },
): OutputShape {
  const { window } = node;
  const groups = node.keys.map((key): OutputColumn => {
    return { name: key, sqlType: keyOf(key).typeName, role: "group" };
  });
  const sqlType = window === null ? "" : timeType();
  const time: OutputColumn[] =
    window === null ? [] : [{ name: window.column, sqlType, role: "time" }];
  if (window !== null && window.otherColumn !== null) {
    time.push({ name: window.otherColumn, sqlType, role: "value" });
  }
  const values = aggregates.map(({ aggregate }, i): OutputColumn => {
    return { name: node.aggregates[i]?.name ?? "", sqlType: aggregate.sqlType, role: "value" };
  });
  return { kind: "view", name: view.table, columns: [...groups, ...time, ...values] };
}

/** Late rows go to an append table of what the window reads of a row. */
function compileLate(
  parts: WindowParts,
): { node: LateNode; operator: LateRows; shape: OutputShape } | null {
  const { plan, node, source, columnOf } = parts;
  const late = nodesOf(plan, "late").find(({ input }) => input === node.id);
  if (late === undefined) return null;
  const { id, table, retainMs } = late;
  const time = source.eventTime === null ? [] : [source.eventTime];
  const names = [...new Set([...time, ...windowColumns(node, source.eventTime)])];
  const shape = lateShape(table, names.map(columnOf));
  return { node: late, operator: new LateRows({ id, shape, retainMs }), shape };
}

function invalid(message: string): TidemarkError {
  return new TidemarkError("PLAN_INVALID", `${message}.`);
}
