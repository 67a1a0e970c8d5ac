/** The demo's progress line and its table. */
import { doors, type Ledger } from './ledger.ts';

/** Overwrites itself on a terminal; elsewhere a plain line now and then. */
export class ProgressLine {
  readonly #isTerminal = process.stdout.isTTY;
  #lastMs = 0;

  show(text: string): void {
    if (this.#isTerminal) {
      process.stdout.write(`\r\x1b[K${text}`);
      return;
    }
    if (Date.now() - this.#lastMs < plainIntervalMs) return;
    this.#lastMs = Date.now();
    process.stdout.write(`${text}\n`);
  }

  /** A line that stays. */
  say(text: string): void {
    process.stdout.write(this.#isTerminal ? `\r\x1b[K${text}\n` : `${text}\n`);
  }
}

const plainIntervalMs = 2_000;

export interface Verdict {
  readonly lost: number;
  readonly leaked: number;
  readonly disordered: number;
  readonly duplicates: number;
  readonly text: string;
}

export function judge(ledgers: readonly Ledger[], sent: ReadonlyMap<string, number>): Verdict {
  const head = [
    'tenant',
    'door',
    'produced',
    'unsent',
    'read',
    'lost',
    'duplicates',
    'out of order',
    'leaked',
    'longest pause: producer',
    'reader',
  ];
  const rows: string[][] = [];
  const sum = { lost: 0, leaked: 0, disordered: 0, duplicates: 0 };
  let unsent = 0;
  for (const ledger of ledgers) {
    for (const door of doors) {
      const report = ledger.report(door);
      const acked = ledger.acked(door);
      const missing = (sent.get(`${ledger.tenant} ${door}`) ?? 0) - acked;
      unsent += missing;
      sum.lost += report.lost;
      sum.leaked += report.leaked;
      sum.disordered += report.disordered;
      sum.duplicates += report.duplicates;
      const producerPause = ledger.producers.get(door)!.longestMs;
      const numbers = [
        acked,
        missing,
        report.received,
        report.lost,
        report.duplicates,
        report.disordered,
        report.leaked,
      ];
      rows.push([ledger.tenant, door, ...numbers.map(String), `${producerPause} ms`, `${report.longestPauseMs} ms`]);
    }
  }
  return { ...sum, lost: sum.lost + unsent, text: table(head, rows) };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
