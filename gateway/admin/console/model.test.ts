import { describe, expect, it } from 'vitest';
import type { EngineShown } from '../engine-schemas.ts';
import type { EventShown } from '../schemas.ts';
import { eventReader } from './event-stream.ts';
import { clockText, durationText, percentText, pluralText, rateText, titleText } from './format.ts';
import { brokersShown, eventsKeptMax, partOf, scalingText, toneOf, trafficOf, verdictOf, withEvent } from './model.ts';

function event(seq: number, atMs: number, kind: string, brokerId?: number): EventShown {
  const about = brokerId === undefined ? {} : { brokerId };
  return { id: `${atMs}-${seq}`, seq, atMs, kind, reason: 'process ended', ...about, detail: {} };
}

const load = { bytesInPerSecond: 100, bytesOutPerSecond: 50, requestsPerSecond: 1, share: 0.2 };
const engine: EngineShown = {
  atMs: 1000,
  ready: true,
  lastEventId: null,
  zones: ['a', 'b'].map((zone) => ({ zone, state: 'serving', brokers: 1, serving: 1, partitions: 3 })),
  brokers: [
    { brokerId: 1, zone: 'a', state: 'serving', sessionEpoch: 1, pid: 7, partitions: 3, load },
    { brokerId: 2, zone: 'b', state: 'serving', sessionEpoch: 1, pid: 8, partitions: 9 },
  ],
  partitions: { total: 12, withoutOwner: 0, moving: 0 },
  moves: [],
  controllers: [],
  shards: [],
  scaling: null,
};
const statesOf = (events: readonly EventShown[]): string[] =>
  brokersShown(engine, events, 9000).map(({ state }) => state);

describe('what the page shows', () => {
  it('is the state plus the events that are newer than it', () => {
    expect(statesOf([event(1, 900, 'broker-dead', 1)])).toEqual(['serving', 'serving']);
    expect(statesOf([event(1, 1001, 'broker-dead', 1)])).toEqual(['fenced', 'serving']);
    expect(statesOf([event(1, 1001, 'broker-dead', 1), event(2, 1500, 'broker-started', 1)])[0]).toBe('serving');
    expect(statesOf([event(1, 1001, 'constructor', 1)])[0]).toBe('serving');
  });

  it('shows a dead broker for a moment, however soon it is replaced', () => {
    const events = [event(1, 500, 'broker-dead', 2), event(2, 550, 'broker-started', 2)];
    expect(brokersShown(engine, events, 1100)[1]?.state).toBe('fenced');
    expect(brokersShown(engine, events, 1300)[1]?.state).toBe('serving');
  });

  it('names the last broker that died and when it was back', () => {
    const dead = event(1, 500, 'broker-dead', 2);
    expect(brokersShown(engine, [dead], 9000)[1]?.incident).toEqual({ diedAtMs: 500, reason: 'process ended' });
    const back = brokersShown(
      engine,
      [dead, event(2, 800, 'broker-started', 2), event(3, 950, 'broker-started', 2)],
      9000,
    )[1];
    expect(back?.incident).toMatchObject({ backAtMs: 800 });
    expect(back?.servesSinceMs).toBe(950);
  });

  it('sums it up in one sentence', () => {
    const verdict = (events: EventShown[], change: Partial<EngineShown> = {}): string => {
      const changed = { ...engine, ...change };
      return verdictOf(changed, brokersShown(changed, events, 9000)).text;
    };
    expect(verdict([])).toBe('All zones serve');
    expect(verdict([event(1, 2000, 'broker-dead', 2)])).toBe('Zone b is down');
    expect(verdict([event(1, 2000, 'broker-dead', 1), event(2, 2000, 'broker-hung', 2)])).toBe('No broker serves');
    expect(verdict([], { partitions: { total: 12, withoutOwner: 4, moving: 0 } })).toBe('4 partitions have no owner');
    const brokers = [...engine.brokers, { ...engine.brokers[0]!, brokerId: 3 }];
    expect(verdict([event(1, 2000, 'broker-dead', 3)], { brokers })).toBe('Broker 3 is away');
  });

  it('shows the wanted size of the fleet and the reason', () => {
    const scaling = {
      brokers: 6,
      brokersMin: 3,
      brokersMax: 9,
      override: null,
      evacuatedZones: [],
      decision: 'out' as const,
      reason: 'bytes-in above the target',
      dimension: 'bytes-in',
      shares: {},
      changedAtMs: 0,
    };
    expect(scalingText(scaling)).toBe('6 brokers wanted of 3 to 9 · grows: bytes-in above the target');
    expect(scalingText({ ...scaling, brokersMax: 3, override: 3, evacuatedZones: ['b'] })).toBe(
      '6 brokers wanted · set by an operator · evacuated: zone b',
    );
  });

  it('keeps each event once, and a bounded number of them', () => {
    let events: readonly EventShown[] = [];
    for (let i = 0; i < eventsKeptMax + 5; i++) events = withEvent(events, event(i, i, 'x'));
    expect(events).toHaveLength(eventsKeptMax);
    expect(withEvent(events, event(eventsKeptMax, eventsKeptMax, 'x'))).toBe(events);
  });

  it('knows good from bad, load and parts', () => {
    expect(['broker-dead', 'scale-out', 'broker-started', 'topic-freed'].map(toneOf)).toEqual([
      'bad',
      'warn',
      'good',
      'plain',
    ]);
    const brokers = brokersShown(engine, [], 9000);
    expect(trafficOf(brokers)).toEqual({ bytesIn: 100, bytesOut: 50 });
    expect(brokers.map((broker) => partOf(broker, brokers))).toEqual([0.25, 0.75]);
  });
});

describe('the stream of events', () => {
  it('is read correctly however it is cut into pieces', () => {
    const text = [event(1, 1, 'x'), event(2, 2, 'y')]
      .map((one) => `event: ${one.kind}\ndata: ${JSON.stringify(one)}\nid: ${one.id}\n\n`)
      .join(': idle\n\n');
    for (let size = 1; size < 40; size += 3) {
      const read = eventReader();
      const kinds: string[] = [];
      for (let at = 0; at < text.length; at += size) {
        kinds.push(...read(text.slice(at, at + size)).map(({ kind }) => kind));
      }
      expect(kinds).toEqual(['x', 'y']);
    }
  });
});

describe('figures', () => {
  it('read as people say them', () => {
    expect([rateText(0), rateText(999), rateText(1234), rateText(45.1e6), rateText(200e6)]).toEqual([
      '0 B/s',
      '999 B/s',
      '1.2 kB/s',
      '45.1 MB/s',
      '200 MB/s',
    ]);
    expect([240, 1300, 12_400, 250_000, 7_300_000, 2e8, -5].map(durationText).join().replaceAll('\u00a0', ' ')).toBe(
      '240 ms,1.3 s,12 s,4 min,2 h,2 d,0 ms',
    );
    expect([0, 0.001, 0.166, 1.2].map(percentText)).toEqual(['0 %', '<1 %', '17 %', '120 %']);
    expect([pluralText(1, 'shard'), pluralText(1200, 'shard')]).toEqual(['1 shard', '1,200 shards']);
    expect(titleText('broker-dead')).toBe('Broker dead');
    expect(clockText(Date.UTC(2026, 0, 2, 3, 4, 5, 6))).toMatch(/^\d\d:04:05\.006$/);
  });
});
