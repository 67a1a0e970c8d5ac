/** Each anomaly planted once into a history without fault, and caught under its name. */
import { describe, expect, it } from 'vitest';
import { type AnomalyName, check } from './checker.ts';
import { type Entry, finalReader, parseValue, type TimedEntry, valueOf, valueText } from './history.ts';

const kafka = 1;
const http = 2;
const plain = 3;
const k = (index: number): number => valueOf(kafka, index);
const h = (index: number): number => valueOf(http, index);

const producers: Entry[] = [
  { kind: 'producer', producer: kafka, as: 'idempotent', door: 'kafka' },
  { kind: 'producer', producer: http, as: 'once', door: 'http' },
  { kind: 'producer', producer: plain, as: 'plain', door: 'kafka' },
];

const sent = (...values: number[]): Entry => ({ kind: 'sent', partition: 0, values });
const acked = (base: number, ...values: number[]): Entry => ({ kind: 'acked', partition: 0, base, values });
const refused = (...values: number[]): Entry => ({ kind: 'refused', partition: 0, values });
const read = (reader: string, base: number, ...values: number[]): Entry => ({
  kind: 'read',
  reader,
  partition: 0,
  base,
  values,
});
const final = (...values: number[]): Entry => read(finalReader, 0, ...values);
const range = (end: number, start = 0): Entry => ({ kind: 'range', observer: 'o', partition: 0, start, end });
const commit = (kind: 'commits' | 'committed', offset: number): Entry => ({ kind, group: 'g', partition: 0, offset });
const found = (offset: number): Entry => ({ kind: 'found', observer: 'o', group: 'g', partition: 0, offset });
const asks: Entry = { kind: 'asks', observer: 'o' };

const stuckMs = 2000;

function at(atMs: number, entry: Entry): TimedEntry {
  return { ...entry, atMs };
}

function names(...entries: (Entry | TimedEntry)[]): AnomalyName[] {
  const timed = [...producers, ...entries].map((entry) => ({ atMs: 0, ...entry }));
  return check(timed, stuckMs).map(({ name }) => name);
}

describe('a good history', () => {
  it('of acknowledged, unknown and refused values', () => {
    const entries = [
      sent(k(0), k(1)),
      acked(0, k(0), k(1)),
      sent(h(0)),
      sent(h(1)),
      acked(2, h(1)),
      sent(h(2)),
      refused(h(2)),
      // The value h(0), of unknown outcome, arrived late, which nothing rules out.
      asks,
      range(4),
      read('cursor', 0, k(0), k(1), h(1)),
      read('cursor', 3, h(0)),
      final(k(0), k(1), h(1), h(0)),
    ];
    expect(names(...entries)).toEqual([]);
  });

  it('of a plain producer that repeats, and of a group that rereads', () => {
    const [one, two] = [valueOf(plain, 0), valueOf(plain, 1)];
    const again = [read('group g', 0, one, two), read('group g', 1, two, one)];
    expect(names(sent(one), sent(two), acked(1, two), ...again, final(one, two, one))).toEqual([]);
  });

  it('of commits that advance', () => {
    const commits = [commit('commits', 3), commit('committed', 3), commit('commits', 5)];
    // Acknowledged after the question was asked: either answer is good.
    expect(names(...commits, asks, commit('committed', 5), found(3), asks, found(5))).toEqual([]);
  });
});

describe('a group', () => {
  /** Acknowledged at these times, one record after the other. */
  const acks = (from: number, ...atMs: number[]): Entry[] =>
    atMs.flatMap((ms, i) => [sent(k(from + i)), at(ms, acked(from + i, k(from + i)))]);
  const stored = (count: number): Entry => final(...Array.from({ length: count }, (_, i) => k(i)));
  const commits = (offset: number): Entry[] => [commit('commits', offset), commit('committed', offset)];
  const elsewhere: Entry = { kind: 'committed', group: 'g', partition: 1, offset: 9 };

  it('that stands still while records are acknowledged is reported as stuck, once', () => {
    expect(names(...acks(0, 0, 900, 1800, 2001, 2900), stored(5))).toEqual(['stuck']);
  });

  it('that commits in time is not stuck', () => {
    expect(names(...acks(0, 0, 900, 1800), ...commits(3), ...acks(3, 2100, 3000, 3900), stored(6))).toEqual([]);
  });

  it('is not stuck when nothing is acknowledged meanwhile', () => {
    expect(names(...acks(0, 0, 900, 60_000), ...commits(3), ...acks(3, 120_000), stored(4))).toEqual([]);
  });

  it('is stuck in the one partition that does not advance, and again after it advanced', () => {
    const still = [...acks(0, 0, 900), elsewhere, ...acks(2, 1800, 2001)];
    const again = [...commits(4), ...acks(4, 2900, 3800), elsewhere, ...acks(6, 4700, 4901)];
    expect(names(...still, ...again, stored(8))).toEqual(['stuck', 'stuck']);
  });
});

describe('a planted anomaly', () => {
  const planted: [AnomalyName, string, Entry[]][] = [
    ['lost', 'acknowledged and gone', [sent(k(0)), sent(k(1)), acked(0, k(0)), acked(1, k(1)), final(k(0))]],
    ['lost', 'read and gone', [sent(h(0)), read('cursor', 0, h(0)), final()]],
    ['lost', 'a log that begins later', [asks, range(3, 1)]],
    ['duplicated', 'idempotent', [sent(k(0)), acked(0, k(0)), final(k(0), k(0))]],
    ['duplicated', 'sent once, never answered', [sent(h(0)), final(h(0), h(0))]],
    ['reordered', 'idempotent', [sent(k(0)), sent(k(1)), final(k(1), k(0))]],
    ['reordered', 'acknowledged', [sent(h(0)), acked(1, h(0)), sent(h(1)), acked(0, h(1)), final(h(1), h(0))]],
    ['diverged', 'two readers', [sent(h(0)), sent(h(1)), read('a', 0, h(0)), read('b', 0, h(1)), final(h(1))]],
    ['diverged', 'acknowledged elsewhere', [sent(h(0)), sent(h(1)), acked(0, h(0)), final(h(1), h(0))]],
    ['invented', 'never sent', [final(h(7))]],
    ['invented', 'sent to another partition', [{ kind: 'sent', partition: 1, values: [h(0)] }, final(h(0))]],
    ['invented', 'no value of ours', [final(parseValue('damage'))]],
    ['refused-but-stored', 'side effects none', [sent(h(0)), refused(h(0)), final(h(0))]],
    ['skipped', 'cursor', [sent(h(0)), sent(h(1)), read('a', 1, h(1)), final(h(0), h(1))]],
    ['skipped', 'group', [sent(h(0)), sent(h(1)), read('group g', 1, h(1)), final(h(0), h(1))]],
    ['repeated', 'cursor', [sent(h(0)), read('a', 0, h(0)), read('a', 0, h(0)), final(h(0))]],
    ['truncated', 'position beyond the end', [{ kind: 'out-of-range', reader: 'a', what: '416' }]],
    ['end-offset-falls', 'below what was acknowledged', [sent(h(0)), acked(0, h(0)), asks, range(0), final(h(0))]],
    ['committed-offset-falls', 'below', [commit('commits', 3), commit('committed', 3), asks, found(2)]],
    ['committed-offset-falls', 'gone', [commit('commits', 3), commit('committed', 3), asks, found(-1)]],
    ['committed-offset-falls', 'never tried', [commit('commits', 3), asks, found(4)]],
    ['stuck', 'not writable', [{ kind: 'stuck', what: 'partition 0' }]],
    ['bug', 'an assertion failed', [{ kind: 'bug', what: 'AssertionFailed' }]],
  ];
  it.each(planted)('%s: %s', (name, _, entries) => {
    expect(names(...entries)).toContain(name);
  });
});

it('values survive as text, and no other text is a value', () => {
  expect(parseValue(valueText(valueOf(12, 345_678)))).toBe(valueOf(12, 345_678));
  for (const text of ['', '1', '1:', ':1', '1:2x', 'a:1']) expect(parseValue(text)).toBeNaN();
});
