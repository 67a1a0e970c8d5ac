/** One SVG of all series of a long run, a small plot each, with the line that was laid through what was judged. */
import type { Flatness, Sample } from './flatness.ts';

export interface Plotted {
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly Sample[];
  readonly flatness: Flatness;
}

const width = 860;
const plotHeight = 120;
const left = 60;
const right = 20;

export function plotAll(series: readonly Plotted[], fromSeconds: number): string {
  const end = Math.max(1, ...series.map(({ samples }) => samples.at(-1)?.seconds ?? 0));
  const x = (seconds: number): number => left + (seconds / end) * (width - left - right);
  const height = series.length * plotHeight + 20;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ];
  for (const [i, { name, unit, samples, flatness }] of series.entries()) {
    const top = i * plotHeight + 20;
    const most = Math.max(1e-9, ...samples.map(({ value }) => value)) * 1.05;
    const y = (value: number): number => top + 90 - (Math.max(0, value) / most) * 80;
    const points = samples.map(({ seconds, value }) => `${x(seconds).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    const verdict = flatness.isFlat ? 'flat' : 'GROWS';
    const title = `${name}: mean ${flatness.mean.toFixed(1)} ${unit}, ${flatness.slopePerHour.toFixed(2)} ${unit}/h, ${verdict}`;
    const from = flatness.mean - flatness.growth / 2;
    parts.push(
      `<text x="${left}" y="${top}" font-weight="bold" fill="${flatness.isFlat ? '#111' : '#b00'}">${title}</text>`,
      `<text x="${left - 6}" y="${y(most / 1.05) + 4}" text-anchor="end">${(most / 1.05).toFixed(1)}</text>`,
      `<text x="${left - 6}" y="${top + 94}" text-anchor="end">0</text>`,
      `<path d="M${left} ${top + 8}V${top + 90}H${width - right}" fill="none" stroke="#999"/>`,
      `<polyline points="${points}" fill="none" stroke="#2f6fab"/>`,
      `<line x1="${x(fromSeconds)}" x2="${x(end)}" y1="${y(from)}" y2="${y(from + flatness.growth)}" stroke="#b00" stroke-dasharray="4"/>`,
    );
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}
