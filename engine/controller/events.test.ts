import { describe, expect, it } from 'vitest';
import { manualClock } from '../kernel/manual-clock.ts';
import { eventLine, eventRing } from './events.ts';

const zoneOf = (brokerId: number): string | undefined => (brokerId === 1 ? 'a' : undefined);

describe('the ring of events', () => {
  it('numbers events, forgets the oldest and tells listeners until they stop', () => {
    const ring = eventRing(manualClock(), 2);
    const heard: number[] = [];
    const stop = ring.on(({ seq }) => heard.push(seq));
    for (const kind of ['x', 'y', 'z']) ring.emit(kind, 'because');
    stop();
    ring.emit('w', 'because');
    expect(ring.list().map(({ seq, kind }) => `${seq} ${kind}`)).toEqual(['3 z', '4 w']);
    expect(heard).toEqual([1, 2, 3]);
  });

  it('keeps rare events however often others happen', () => {
    const ring = eventRing(manualClock(), 6);
    for (const kind of ['broker-dead', 'zone-down', 'broker-dead']) ring.emit(kind, 'because');
    for (let i = 0; i < 100; i++) ring.emit('topic-freed', 'deleted');
    expect(ring.list().map(({ seq, kind }) => `${seq} ${kind}`)).toEqual([
      '1 broker-dead',
      '2 zone-down',
      '3 broker-dead',
      '101 topic-freed',
      '102 topic-freed',
      '103 topic-freed',
    ]);
  });

  it('has fields for the broker and its zone', () => {
    const ring = eventRing(manualClock(), 10, zoneOf);
    ring.emit('broker-dead', 'process ended', { brokerId: 1, livedMs: 5 });
    ring.emit('broker-dead', 'process ended', { brokerId: 9 });
    ring.emit('zone-down', 'two of two died', { zone: 'b', brokers: 2 });
    const [first, second, third] = ring.list();
    expect(first).toMatchObject({ brokerId: 1, zone: 'a', detail: { livedMs: 5 } });
    expect(second).toMatchObject({ brokerId: 9, detail: {} });
    expect(second).not.toHaveProperty('zone');
    expect(third).toMatchObject({ zone: 'b', detail: { brokers: 2 } });
    expect(eventLine(first!)).toBe('broker-dead: process ended {"brokerId":1,"zone":"a","livedMs":5}');
  });
});
