/** A failing seed in readable form: what is wrong, which faults it takes, and the timeline that led there. */
import { isStory } from './checker.ts';
import type { TimedEntry } from './history.ts';
import type { Simulation } from './simulate.ts';

const linesMax = 120;

export function story(simulation: Simulation): string {
  const { seed, anomalies, faults, history, stacks } = simulation;
  const head = anomalies.map(({ name, atMs, where, what }) => `seed ${seed}: ${name} at ${atMs} ms ${where}: ${what}`);
  const places = new Set(anomalies.map(({ where }) => where));
  const lines = withoutRepeats(
    history
      .filter((entry) => isStory(entry) || ('partition' in entry && places.has(entry.partition) && isTelling(entry)))
      .map(line),
  );
  return [
    ...head.slice(0, 12),
    ...stacks.slice(0, 2),
    `history ${simulation.hash()}; faults: ${JSON.stringify(faults)}`,
    ...(lines.length > linesMax ? [...lines.slice(0, linesMax / 2), '  …', ...lines.slice(-linesMax / 2)] : lines),
  ].join('\n');
}

/** Lines that differ only in their numbers, as when 32 shards change hands, are printed once. */
function withoutRepeats(lines: readonly string[]): string[] {
  const told: string[] = [];
  let last = '';
  let repeats = 0;
  for (const text of [...lines, '']) {
    const shape = text.replaceAll(/\d+/g, '0').trimStart();
    if (shape === last && text !== '') {
      repeats++;
      continue;
    }
    if (repeats > 0) told[told.length - 1] += ` (and ${repeats} more)`;
    repeats = 0;
    last = shape;
    if (text !== '') told.push(text);
  }
  return told;
}

function isTelling(entry: TimedEntry): boolean {
  return entry.kind === 'deleted' || (entry.kind === 'read' && entry.code !== 0);
}

function line(entry: TimedEntry): string {
  const { atMs, kind, ...rest } = entry;
  const text = 'what' in rest ? rest.what : JSON.stringify(rest);
  return `${String(atMs.toFixed(1)).padStart(10)}  ${kind.padEnd(8)} ${text}`;
}
