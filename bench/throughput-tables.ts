import { median } from "./processes/statistics.js";
import { fixed, type Table, whole } from "./report.js";
import type { ConsumerName, ConsumerRounds, Round } from "./throughput.js";

const TITLES: Readonly<Record<ConsumerName, string>> = {
  "raw-paced": "raw reader, paced",
  "raw-unpaced": "raw reader, unpaced",
  pg_recvlogical: "pg_recvlogical to /dev/null",
  "stock-parser": "pg-logical-replication, its parser",
  decoder: "Tidemark decoder, every column",
  pipeline: "Tidemark end to end",
  "pipeline-all": "Tidemark end to end, every column",
};

/** Medians with ratios of medians, then every single round. */
export function throughputTables(
  results: readonly ConsumerRounds[],
  rows: number,
  bytes: number,
): Table[] {
  const mid = (name: ConsumerName, of: (round: Round) => number): number =>
    median(results.find((result) => result.consumer === name)?.rounds.map(of) ?? []);
  const rate = (name: ConsumerName): number => mid(name, ({ wallMs }) => (rows / wallMs) * 1000);
  const cpuMs = (name: ConsumerName): number =>
    mid(name, ({ userMs, systemMs }) => userMs + systemMs);
  const medians = results.map(({ consumer }) => [
    TITLES[consumer],
    whole(rate(consumer)),
    fixed((rate(consumer) / rows) * (bytes / 1e6), 1),
    fixed(mid(consumer, ({ userMs }) => userMs) / 1000),
    fixed(mid(consumer, ({ systemMs }) => systemMs) / 1000),
    fixed((cpuMs(consumer) * 1000) / rows),
    fixed((mid(consumer, ({ serverCpuMs }) => serverCpuMs) * 1000) / rows),
    whole(mid(consumer, ({ peakRssMiB }) => peakRssMiB)),
    fixed(rate(consumer) / rate("raw-paced")),
    fixed(rate(consumer) / rate("pg_recvlogical")),
    fixed(cpuMs(consumer) / cpuMs("stock-parser")),
  ]);
  const count = Math.max(...results.map(({ rounds }) => rounds.length));
  return [
    {
      title: `Median of ${count} rounds`,
      head: [
        ...["consumer", "rows/s", "MB/s", "user s", "system s", "CPU µs a row"],
        ...["server CPU µs a row", "peak RSS MiB"],
        ...["rows/s ÷ raw paced", "rows/s ÷ pg_recvlogical", "CPU ÷ stock parser"],
      ],
      rows: medians,
    },
    {
      title: "Every round: rows/s (CPU µs a row, cores used by others)",
      head: ["consumer", ...Array.from({ length: count }, (_, i) => `round ${i + 1}`)],
      rows: results.map(({ consumer, rounds }) => [
        TITLES[consumer],
        ...rounds.map(({ wallMs, userMs, systemMs, coresOfOthers }) => {
          const cpu = fixed(((userMs + systemMs) * 1000) / rows);
          return `${whole((rows / wallMs) * 1000)} (${cpu}, ${fixed(coresOfOthers, 1)})`;
        }),
      ]),
    },
  ];
}
