import { expect, it } from 'vitest';
import { Calm } from './calm.ts';
import { Told } from './told.ts';

const partition = 't/0';

function end(offset: number) {
  return { kind: 'bound', partition, which: 'end', offset, leaderEpoch: 0, asked: { end: 0, start: 0 } } as const;
}

it('requires of a gateway all that it has told, and of another what was told long enough before', () => {
  let nowMs = 0;
  const told = new Told(() => nowMs);
  told.note(end(5), 0);
  nowMs = 100;
  told.note(end(7), 0);
  told.note({ ...end(2), which: 'start' }, 1);
  expect(told.of(partition)).toEqual({ end: 7, start: 2 });
  expect(told.through(0, partition, 99)).toEqual({ end: 7, start: 0 });
  expect(told.through(1, partition, 99)).toEqual({ end: 5, start: 2 });
  expect(told.through(1, partition, 100)).toEqual({ end: 7, start: 2 });
  expect(told.through(1, partition, -Infinity)).toEqual({ end: 0, start: 2 });
});

it('expects all gateways to know a fact if nothing delays it, and a moment after a delay ends', () => {
  let nowMs = 1000;
  const calm = new Calm(() => nowMs);
  expect(calm.heardByMs(100)).toBe(900);
  calm.begin('cut');
  nowMs = 3000;
  calm.end('another');
  expect(calm.heardByMs(100)).toBe(-Infinity);
  calm.end('cut');
  nowMs = 3100;
  expect(calm.heardByMs(100)).toBe(-Infinity);
  nowMs = 4000;
  expect(calm.heardByMs(100)).toBe(3900);
});
