import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { StoreUnavailable } from '../../engine/ports.ts';
import { WriteFault } from './lmdb-fault.ts';

function setUp() {
  const disk = { readOnly: false, free: Infinity, isReadOnly: () => disk.readOnly, freeBytes: () => disk.free };
  const told: string[] = [];
  const clock = manualClock();
  return { disk, told, clock, fault: new WriteFault(disk, clock, (text) => told.push(text)) };
}

it('retries after a growing pause of up to half a second', async () => {
  const { clock, fault, told } = setUp();
  expect(fault.barred()).toBeUndefined();
  fault.failed(new StoreUnavailable('the metadata store: input/output error'));
  expect(fault.barred()).toBeUndefined();
  for (const pauseMs of [20, 40, 80, 160, 320, 500, 500]) {
    fault.failed(new StoreUnavailable('the metadata store: input/output error'));
    await clock.advance(pauseMs - 1);
    expect(fault.barred()).toBeInstanceOf(StoreUnavailable);
    await clock.advance(1);
    expect(fault.barred()).toBeUndefined();
  }
  expect(told).toEqual(['the metadata store: input/output error; writes are refused until this is over']);
  fault.succeeded();
  expect(fault.text).toBeUndefined();
  expect(told.at(-1)).toBe('the metadata store accepts writes again');
  fault.failed(new StoreUnavailable('once more'));
  expect(fault.barred()).toBeUndefined();
});

it('does not retry while the file system is read-only, and retries soon afterwards', async () => {
  const { clock, disk, fault } = setUp();
  disk.readOnly = true;
  fault.failed(new StoreUnavailable(WriteFault.textOf(disk, new Error('errno 30'))));
  for (let second = 0; second < 3600; second++) {
    expect(fault.barred()).toBeDefined();
    await clock.advance(1000);
  }
  expect(fault.barred()?.message).toBe('the disk of the metadata store is read-only');
  disk.readOnly = false;
  expect(fault.barred()).toBeUndefined();
});

it('reports the fault for half a minute after the last refused write: a process that writes nothing does not notice', async () => {
  const { clock, disk, fault } = setUp();
  disk.readOnly = true;
  fault.failed(new StoreUnavailable('refused'));
  await clock.advance(29_999);
  expect(fault.text).toBe('refused');
  expect(fault.barred()).toBeDefined();
  await clock.advance(29_999);
  expect(fault.text).toBe('refused');
  await clock.advance(1);
  expect(fault.text).toBeUndefined();
});
