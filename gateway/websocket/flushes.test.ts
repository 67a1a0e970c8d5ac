import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { FairTurns } from '../fair-turns.ts';
import { Flushes } from './flushes.ts';

const turnMs = 4;

it('writes to the sockets of one cluster beside those of another in their shares of a turn', async () => {
  let nowMs = 1_000;
  const clock = { ...manualClock(), monotonicMs: () => nowMs, endOfTurn: (fn: () => void) => void setImmediate(fn) };
  const turns = new FairTurns(clock, turnMs);
  const flushes = new Flushes(clock, turns);
  const flushed: string[] = [];
  const outbox = (clusterId: string) => ({
    clusterId,
    flush: () => {
      nowMs++;
      flushed.push(clusterId);
    },
  });
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  // A cluster that is alone waits for nobody.
  for (let i = 0; i < 20; i++) flushes.add(outbox('a'));
  await turn();
  expect(flushed.splice(0)).toHaveLength(20);
  for (let i = 0; i < 20; i++) flushes.add(outbox('a'));
  flushes.add(outbox('b'));
  turns.isAlone('b', nowMs);
  await turn();
  expect(flushed).toEqual(['a', 'a', 'a', 'a', 'b']);
  while (flushed.length < 21) await turn();
  expect(flushed.filter((clusterId) => clusterId === 'a')).toHaveLength(20);
});
