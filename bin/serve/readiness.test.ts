import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { Controller } from '../../engine/controller/controller.ts';
import { Readiness, type ReadinessParts } from './readiness.ts';

function setUp(freeBytesFloor: number, parts: Partial<ReadinessParts> = {}) {
  const path = mkdtempSync(join(tmpdir(), 'headgate-ready-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  const folder = {
    meta: join(path, 'meta'),
    segments: join(path, 'none'),
    volume: (id: number) => join(path, `v${id}`),
  };
  mkdirSync(folder.meta);
  const broker = { zone: 'a', state: 'serving' as const, partitions: 0, address: '', sessionEpoch: 1 };
  const brokers = [1, 2].map((brokerId) => ({ ...broker, brokerId })) as unknown as ReturnType<Controller['brokers']>;
  const fleet = { ready: () => true, brokers: () => brokers };
  const store = { trouble: () => undefined };
  const readiness = new Readiness({
    clock: systemClock,
    folder,
    segmentsTrouble: undefined,
    freeBytesFloor,
    store,
    lockWatch: { trouble: () => undefined },
    fleet,
    ...parts,
  });
  readiness.serve(true);
  return { folder, readiness, fleet };
}

it('is ready while it serves on disks with room, and not before or after', async () => {
  const { folder, readiness } = setUp(0);
  for (const id of [1, 2]) mkdirSync(folder.volume(id));
  expect(await readiness.look()).toEqual({ isReady: true, reasons: [] });
  expect(readiness.isReady()).toBe(true);
  readiness.serve(false);
  expect(readiness.isReady()).toBe(false);
  expect(await readiness.look()).toEqual({ isReady: false, reasons: ['the process is starting or stopping'] });
});

it('reports one full volume, and is not ready when all are full', async () => {
  const one = setUp(Infinity);
  mkdirSync(one.folder.volume(1));
  const full = /^the disk of broker 1 is nearly full \(\d+ MiB free\)$/;
  expect(await one.readiness.look()).toEqual({ isReady: true, reasons: [expect.stringMatching(full)] });
  const both = setUp(Infinity);
  for (const id of [1, 2]) mkdirSync(both.folder.volume(id));
  const shown = await both.readiness.look();
  expect(shown).toMatchObject({ isReady: false, reasons: [expect.any(String), expect.any(String)] });
  expect(both.readiness.isReady()).toBe(false);
});

it('is not ready while the metadata store refuses writes, and says so', async () => {
  const text = 'the disk of the metadata store is read-only';
  const { readiness } = setUp(0, { store: { trouble: () => text } });
  expect(await readiness.look()).toEqual({ isReady: false, reasons: [text] });
});

it('is not ready while another process holds the lock of the metadata store for too long', async () => {
  const trouble = 'the metadata store waits for process 11, which holds its lock and is suspended';
  const { folder, readiness } = setUp(0, { lockWatch: { trouble: () => trouble } });
  for (const id of [1, 2]) mkdirSync(folder.volume(id));
  expect(await readiness.look()).toEqual({ isReady: false, reasons: [trouble] });
});

it('tells why a bucket of segments cannot be used, and is ready as long as brokers store without it', async () => {
  const { folder, readiness } = setUp(0, { segmentsTrouble: async () => 'segments: s3://b cannot be reached' });
  for (const id of [1, 2]) mkdirSync(folder.volume(id));
  expect(await readiness.look()).toEqual({ isReady: true, reasons: ['segments: s3://b cannot be reached'] });
});

it('says of a broker that cannot be recovered without its bucket that it waits, until the process stops', async () => {
  const bucket = 'segments: s3://b cannot be reached';
  const states = ['fenced', 'closed', 'starting'] as const;
  const brokers = states.map((state, i) => ({ brokerId: i + 1, state })) as unknown as ReturnType<
    Controller['brokers']
  >;
  const fleet = { ready: () => false, brokers: () => brokers };
  const { folder, readiness } = setUp(0, { fleet, segmentsTrouble: async () => bucket });
  for (const id of [1, 2, 3]) mkdirSync(folder.volume(id), { recursive: true });
  const waits = (id: number) =>
    `broker ${id} waits for the segment store, which must take what its log holds before it starts`;
  expect(await readiness.look()).toEqual({
    isReady: false,
    reasons: [waits(1), waits(2), 'broker 3 is starting', bucket],
  });
  readiness.serve(false);
  const { reasons } = await readiness.look();
  expect(reasons).toEqual(['broker 1 is fenced', 'broker 2 is closed', 'broker 3 is starting', bucket]);
});

it('is ready beside a broker that is away, and names it', async () => {
  const brokers = (['serving', 'closed', 'draining', 'starting'] as const).map((state, i) => ({
    brokerId: i + 1,
    state,
  }));
  const fleet = { ready: () => true, brokers: () => brokers as unknown as ReturnType<Controller['brokers']> };
  const { folder, readiness } = setUp(0, { fleet });
  for (const id of [1, 2, 3, 4]) mkdirSync(folder.volume(id), { recursive: true });
  expect(await readiness.look()).toEqual({ isReady: true, reasons: ['broker 2 is closed'] });
});
