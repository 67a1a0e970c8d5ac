/**
 * report.md with one SVG per bench: a bar per target with every round as a dot, which shows the spread beside the median.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RoundsResult } from './rounds.ts';
import { type BenchResult, figure, type RunResult, tableOf } from './report.ts';

/** Returns the path of the report. */
export function writeReport(folder: string, run: RunResult): string {
  mkdirSync(folder, { recursive: true });
  const { processor, cores, memoryGiB, kernel, node, commit, date } = run.machine;
  const lines = [
    '# Benchmark report',
    '',
    `${date}, commit ${commit}. ${processor}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}.`,
    `Command: \`npm run bench -- ${run.command}\``,
    '',
  ];
  for (const bench of run.benches) {
    lines.push(tableOf(bench), '');
    if (!bench.rounds) continue;
    writeFileSync(join(folder, `${bench.name}.svg`), plotOf(bench, bench.rounds));
    lines.push(`![${bench.name}](${bench.name}.svg)`, '');
  }
  const path = join(folder, 'report.md');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const labelWidth = 250;
const barWidth = 430;
const rowHeight = 30;

export function plotOf(bench: BenchResult, { targets, kept }: RoundsResult): string {
  const rates = targets.flatMap(({ samples }) => samples.map(({ operations, seconds }) => operations / seconds));
  const most = Math.max(...rates, 1);
  const x = (rate: number): number => labelWidth + (rate / most) * barWidth;
  const height = 40 + targets.length * rowHeight;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="800" height="${height}" fill="#fff"/>`,
    `<text x="10" y="22" font-weight="bold">${escapeXml(`${bench.name}: ${bench.unit} per second`)}</text>`,
  ];
  for (const [i, target] of targets.entries()) {
    const y = 36 + i * rowHeight;
    const end = x(target.operationsPerSecond);
    parts.push(
      `<text x="${labelWidth - 8}" y="${y + 15}" text-anchor="end">${escapeXml(target.name)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${(end - labelWidth).toFixed(1)}" height="20" fill="${i === 0 ? '#9aa5b1' : '#2f6fab'}"/>`,
      `<text x="${end + 8}" y="${y + 15}">${figure(target.operationsPerSecond)} (${target.rateToBaseline.toFixed(2)})</text>`,
    );
    for (const [round, { operations, seconds }] of target.samples.entries()) {
      const fill = kept.includes(round) ? '#111' : 'none';
      parts.push(
        `<circle cx="${x(operations / seconds).toFixed(1)}" cy="${y + 10}" r="3" fill="${fill}" stroke="#111"/>`,
      );
    }
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);
}
