import type {
  CheckpointFigures,
  FlowReport,
  RestoreReport,
  SaveReport,
} from "./processes/order.js";
import { median } from "./processes/statistics.js";
import { fixed, type Table, whole } from "./report.js";

/** Everything measured with one store. */
export interface StoreFigures {
  readonly store: string;
  readonly save: SaveReport;
  readonly restore: RestoreReport;
  readonly flows: readonly Flow[];
}

export interface Flow {
  /** Null for none. */
  readonly intervalMs: number | null;
  readonly report: FlowReport;
}

/** In words. */
export function intervalName(intervalMs: number | null): string {
  return intervalMs === null ? "no checkpoint" : `every ${intervalMs / 1000} s`;
}

/** The figures of all stores as tables. */
export function checkpointTables(figures: readonly StoreFigures[], keys: number): Table[] {
  const kinds = figures.flatMap(({ store, save }): [string, readonly CheckpointFigures[]][] => [
    [`${store}, full`, save.full],
    [`${store}, 1 %`, save.some],
  ]);
  const tables: Table[] = [
    {
      title: `A checkpoint of ${whole(keys)} keys: milliseconds from the barrier (medians)`,
      head: ["", "blocks made", "saved", "settled", "slowest", "blocks", "MiB"],
      rows: kinds.map(([name, rounds]) => timesOf(name, rounds)),
    },
    {
      title: "Longest stretch from one batch to the next, in ms (of all rounds)",
      head: [
        ...["", "wall", "busy", "wall without", "busy without"],
        ...["begin", "step", "save call", "GC, wall"],
      ],
      rows: kinds.map(([name, rounds]) => stretchesOf(name, rounds)),
    },
    {
      title: "Restore, in ms",
      head: ["", "load", "blocks to state", "until reading"],
      rows: figures.map(({ store, restore: { loadMs, totalMs } }) => [
        store,
        ...[loadMs, totalMs - loadMs, totalMs].map(whole),
      ]),
    },
    {
      title: "Rows a second with checkpoints, keys drawn from all of them",
      head: ["", "rows/s", "÷ none", "CPU µs a row", "÷ none", "checkpoints", "peak RSS MiB"],
      rows: figures.flatMap(flowsOf),
    },
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

function timesOf(name: string, rounds: readonly CheckpointFigures[]): string[] {
  const middle = (pick: (figures: CheckpointFigures) => number): number => median(rounds.map(pick));
  return [
    name,
    whole(middle(({ writtenOutMs }) => writtenOutMs)),
    whole(middle(({ savedMs }) => savedMs)),
    whole(middle(({ settledMs }) => settledMs)),
    whole(Math.max(...rounds.map(({ settledMs }) => settledMs))),
    whole(middle(({ blocks }) => blocks)),
    fixed(middle(({ bytes }) => bytes) / 2 ** 20, 1),
  ];
}

function stretchesOf(name: string, rounds: readonly CheckpointFigures[]): string[] {
  const most = (pick: (figures: CheckpointFigures) => number): string =>
    fixed(Math.max(...rounds.map(pick)), 1);
  return [
    name,
    most(({ stretch }) => stretch.wallMs),
    most(({ stretch }) => stretch.busyMs),
    most(({ calm }) => calm.wallMs),
    most(({ calm }) => calm.busyMs),
    most(({ parts }) => parts.begin),
    most(({ parts }) => parts.step),
    most(({ parts }) => parts.save),
    most(({ gcMs }) => gcMs),
  ];
}

function flowsOf({ store, flows }: StoreFigures): string[][] {
  const rates = flows.map(({ report: { rows, wallMs, cpuMs } }) => ({
    rowsPerSecond: (rows / wallMs) * 1000,
    cpuUs: (cpuMs / rows) * 1000,
  }));
  const none = rates[flows.findIndex(({ intervalMs }) => intervalMs === null)];
  return flows.map(({ intervalMs, report }, i) => {
    const { rowsPerSecond = Number.NaN, cpuUs = Number.NaN } = rates[i] ?? {};
    return [
      `${store}, ${intervalName(intervalMs)}`,
      whole(rowsPerSecond),
      fixed(rowsPerSecond / (none?.rowsPerSecond ?? Number.NaN)),
      fixed(cpuUs),
      fixed(cpuUs / (none?.cpuUs ?? Number.NaN)),
      whole(report.checkpoints),
      whole(report.peakRssMiB),
    ];
  });
}
