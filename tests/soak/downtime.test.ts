import { expect, it } from 'vitest';
import { Downtime } from './downtime.ts';

it('a sample ends with the first write that was sent after the fault', () => {
  const downtime = new Downtime(2);
  downtime.acked(0, 90, 95);
  downtime.hit('kill-broker', 100, [0, 1]);
  // On its way when the broker died: it may have been stored before.
  downtime.acked(0, 99, 110);
  expect(downtime.times().samples).toBe(0);
  downtime.hit('kill-zone', 120, [1]);
  downtime.acked(0, 111, 400);
  downtime.acked(1, 130, 500);
  expect(downtime.times()).toEqual({ samples: 3, p50Ms: 380, p99Ms: 400, maxMs: 400 });
  expect(downtime.times(['kill-broker'])).toMatchObject({ samples: 2, p50Ms: 300, maxMs: 400 });
  expect(downtime.longestPausesMs()).toEqual({ 'kill-broker': 15, 'kill-zone': 290 });
  expect(downtime.lastWriteSentMs(1)).toBe(130);
  expect(downtime.longestPause).toEqual({
    ms: 290,
    stoppedMs: 0,
    partition: 0,
    faults: [
      { kind: 'kill-broker', afterMs: -10, isOwners: true },
      { kind: 'kill-zone', afterMs: 10, isOwners: false },
    ],
  });
});

it('the longest pause is reported with and without the time in which the parent was stopped', () => {
  const downtime = new Downtime(2);
  for (const partition of [0, 1]) downtime.acked(partition, 90, 100);
  downtime.hit('hang-parent', 150, [0, 1]);
  downtime.gatewayStopped(150, 1150, [0, 1]);
  downtime.acked(0, 140, 1300);
  downtime.acked(1, 140, 1200);
  expect(downtime.longestPause).toMatchObject({ ms: 1200, stoppedMs: 1000, partition: 0 });
  expect(downtime.longestPauseAwake).toEqual(downtime.longestPause);
  downtime.hit('kill-two', 1350, [1]);
  downtime.acked(1, 1360, 1800);
  expect(downtime.longestPause).toMatchObject({ ms: 1200 });
  expect(downtime.longestPauseAwake).toMatchObject({
    ms: 600,
    stoppedMs: 0,
    partition: 1,
    faults: [{ kind: 'hang-parent', afterMs: -1050 }, { kind: 'kill-two' }],
  });
});

it('downtime of a broker fault that a parent fault interrupts counts for the parent fault', () => {
  const downtime = new Downtime(1);
  downtime.hit('kill-broker', 100, [0]);
  downtime.hit('kill-parent', 200, [0]);
  downtime.acked(0, 300, 310);
  expect(downtime.kinds()).toEqual(['kill-parent']);
  expect(downtime.times()).toMatchObject({ samples: 1, maxMs: 110 });
});
