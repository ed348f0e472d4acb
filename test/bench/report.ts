import type { EventRates } from "./events.ts";
import type { Round } from "./measure.ts";
import type { Bar, Row } from "./rows.ts";
import type { CostsPerRequest } from "./rows-written.ts";
import { type Figure, figureOf } from "./statistics.ts";
import type { LoadCount } from "./wire.ts";

/** Limit of the Worker in KiB gzip: every location loads it on its first request. */
const BUNDLE_BAR_KIB = 116;

const COLUMNS = ["", "CPU ratio", "requests/s ratio", "CPU µs/request", "requests/s", "bar on CPU"] as const;

/** Formats the table. A ratio is subject to opponent per round; shown is the median of the rounds. */
export function reportRows(rounds: ReadonlyMap<Row, readonly Round[]>): string {
  const lines = [...rounds].map(([row, rounds]) => lineOf(row, rounds));
  return alignColumns([COLUMNS, ...lines]);
}

const LATENCY_COLUMNS = ["one connection", "p50 ms", "added", "p99 ms", "added"] as const;

/** Formats the latencies; "added" is to the opponent's, median of the rounds. */
export function reportLatencies(rounds: ReadonlyMap<Row, readonly Round[]>): string {
  const lines = [...rounds].flatMap(([{ title }, rounds]) => {
    const alone = rounds.flatMap((round) => round.alone ?? []);
    if (alone.length === 0) return [];
    const cells = (["p50", "p99"] as const).flatMap((quantile) => {
      const total = figureOf(alone.map(({ subject }) => subject.latencyMs[quantile])).median;
      const added = figureOf(
        alone.map(({ subject, against }) => subject.latencyMs[quantile] - against.latencyMs[quantile]),
      ).median;
      return [total.toFixed(2), `${added < 0 ? "−" : "+"}${Math.abs(added).toFixed(2)}`];
    });
    return [[title, ...cells]];
  });
  return lines.length === 0 ? "" : alignColumns([LATENCY_COLUMNS, ...lines]);
}

export function reportStartUp({
  gateway,
  baseline,
}: {
  gateway: readonly number[];
  baseline: readonly number[];
}): string {
  const ratio = figureOf(gateway.map((milliseconds, index) => milliseconds / (baseline[index] ?? Number.NaN)));
  const [ours, theirs] = [figureOf(gateway).median, figureOf(baseline).median];
  return `Start-up, workerd's start to first answer: ${ours.toFixed(0)} ms, baseline ${theirs.toFixed(0)} ms: ${format(ratio)}`;
}

/** Not whole numbers: one budget row serves many creations. */
export function reportRowsWritten(figures: CostsPerRequest["creations"]): string {
  const kinds = [...figures].map(([kind, rows]) => `${kind} ${rows.toFixed(2)}`);
  return `Rows written per creation, ledger, budget and alarms: ${kinds.join(", ")}; D1: none`;
}

export function reportToken({ rowsWritten, calls }: CostsPerRequest["token"]): string {
  const passed = rowsWritten === 0 && calls === 0;
  return `Playback token, signed by the gateway: ${rowsWritten} rows written, ${calls} calls to Stream, bar 0 and 0 ${mark(passed)}`;
}

export function reportEvents({ events, recordedPerSecond, deliveredPerSecond }: EventRates): string {
  return `${events} Stream notifications on Miniflare: ${recordedPerSecond} a second recorded, ${deliveredPerSecond} a second recorded and delivered`;
}

export function reportBundle(kib: number): string {
  return `Bundle: ${kib.toFixed(1)} KiB gzip, bar ≤ ${BUNDLE_BAR_KIB} KiB ${mark(kib <= BUNDLE_BAR_KIB)}`;
}

function lineOf({ title, bar }: Row, rounds: readonly Round[]): string[] {
  const ratio = (value: (count: LoadCount) => number) =>
    figureOf(rounds.map(({ subject, against }) => value(subject) / value(against)));
  const medians = (value: (count: LoadCount) => number) =>
    [figureOf(rounds.map((round) => value(round.subject))), figureOf(rounds.map((round) => value(round.against)))]
      .map(({ median }) => median.toFixed(0))
      .join(" : ");
  const cpu = ratio(cpuPerRequest);
  return [
    title,
    format(cpu),
    format(ratio(requestsPerSecond)),
    medians((count) => cpuPerRequest(count) * 1e6),
    medians(requestsPerSecond),
    bar ? reportBar(bar, cpu) : "",
  ];
}

function cpuPerRequest({ cpuSeconds, requests }: LoadCount): number {
  return cpuSeconds / requests;
}

function requestsPerSecond({ requests, seconds }: LoadCount): number {
  return requests / seconds;
}

function reportBar(bar: Bar, { median }: Figure): string {
  return "atMost" in bar
    ? `≤ ${bar.atMost.toFixed(2)} ${mark(median <= bar.atMost)}`
    : `within ${bar.within * 100} % ${mark(Math.abs(median - 1) <= bar.within)}`;
}

function mark(passed: boolean): string {
  return passed ? "✓" : "✗ missed";
}

function format({ median, spread }: Figure): string {
  return Number.isNaN(median) ? "unknown" : `${median.toFixed(2)} ± ${(spread * 100).toFixed(0)} %`;
}

function alignColumns(lines: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...lines.map((line) => (line[column] ?? "").length));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(width(column)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
