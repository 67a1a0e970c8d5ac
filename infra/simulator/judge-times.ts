/**
 * Whether a client was told the truth about a record's time, judged by what is left of the log in the end. Pure, like the
 * checker.
 */
import type { Entry } from './history.ts';

interface TimedRecord {
  readonly timestampMs?: number;
}

/**
 * What is wrong, if anything. A remaining record was there when the answer was given if it lies before an offset that
 * was reported by then; records that are gone by the end prove nothing.
 */
export function wrongTime(
  { time, offset, timestampMs, asked }: Entry & { kind: 'time' },
  left: ReadonlyMap<number, TimedRecord>,
): string | undefined {
  const what = time === 'latest' ? 'the record of the latest time' : `the first record at or behind ${time}`;
  const found = left.get(offset)?.timestampMs;
  if (found !== undefined && found !== timestampMs) {
    return `${what} was said to be ${offset}, of ${timestampMs}, and that is of ${found}`;
  }
  if (found !== undefined && time !== 'latest' && found < time) return `${what} was said to be ${offset}, of ${found}`;
  for (const [other, { timestampMs: otherMs }] of left) {
    if (otherMs === undefined) continue;
    const isBetter = time === 'latest' ? offset < 0 || otherMs > timestampMs : otherMs >= time;
    const wasThere = time === 'latest' || offset < 0 ? other < asked.end : other < offset;
    if (isBetter && wasThere) return `${what} was said to be ${offset}, and ${other} is of ${otherMs}`;
  }
  return undefined;
}
