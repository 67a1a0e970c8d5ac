import { describe, expect, it } from 'vitest';
import { readBatchHeader } from '../../records/batch.ts';
import { datedProducerId } from '../../records/dated-producer-id.ts';
import { batchOf, World } from '../log-fixture.suite.ts';
import { judgeProducer, producerAfter, type ProducerEntry, ProducerState, sequencePlus } from './producer-state.ts';

const last = 0x7fff_ffff;

function header(baseSequence: number, count = 1, producerEpoch = 0): ReturnType<typeof readBatchHeader> {
  const values = Array.from({ length: count }, () => 'v');
  return readBatchHeader(batchOf(values, 0, { producerId: 5, producerEpoch, baseSequence }));
}

function entryAfter(...headers: ReturnType<typeof header>[]): ProducerEntry {
  let entry: ProducerEntry | undefined;
  let offset = 100;
  for (const one of headers) {
    expect(judgeProducer(entry, one).kind).toBe('accept');
    entry = producerAfter(entry, one, offset, 1);
    offset += one.count;
  }
  return entry!;
}

describe('producer state', () => {
  it('accepts anything from an unknown producer, and then only what follows', () => {
    const entry = entryAfter(header(7, 3));
    expect(judgeProducer(entry, header(10)).kind).toBe('accept');
    expect(judgeProducer(entry, header(11)).kind).toBe('out-of-order');
    expect(judgeProducer(entry, header(9)).kind).toBe('out-of-order');
    expect(judgeProducer(entry, header(7, 2)).kind).toBe('out-of-order');
  });

  it('makes a new producer begin at 0, and its later batches may return', () => {
    expect(judgeProducer(undefined, header(1), true).kind).toBe('early');
    const first = header(0);
    expect(judgeProducer(undefined, first, true).kind).toBe('accept');
    expect(judgeProducer(producerAfter(undefined, first, 100, 1), header(1), true).kind).toBe('accept');
  });

  it('recognises the last five batches', () => {
    const headers = [0, 1, 2, 3, 4, 5].map((sequence) => header(sequence));
    const entry = entryAfter(...headers);
    expect(judgeProducer(entry, headers[0]!).kind).toBe('out-of-order');
    for (let i = 1; i < 6; i++) {
      expect(judgeProducer(entry, headers[i]!)).toMatchObject({ kind: 'repeat', batch: { baseOffset: 100 + i } });
    }
  });

  it('wraps sequences at 2^31 - 1', () => {
    expect(sequencePlus(last, 1)).toBe(0);
    const wrapping = header(last - 1, 4);
    const entry = entryAfter(wrapping);
    expect(entry.batches[0]).toMatchObject({ firstSequence: last - 1, lastSequence: 1 });
    expect(judgeProducer(entry, header(2)).kind).toBe('accept');
    expect(judgeProducer(entry, wrapping).kind).toBe('repeat');
  });

  it('lets a later epoch begin at 0 only, and refuses an earlier one', () => {
    const entry = entryAfter(header(4, 1, 3));
    expect(judgeProducer(entry, header(5, 1, 4)).kind).toBe('out-of-order');
    expect(judgeProducer(entry, header(0, 1, 4)).kind).toBe('accept');
    expect(judgeProducer(entry, header(5, 1, 2)).kind).toBe('old-epoch');
    const bumped = producerAfter(entry, header(0, 1, 4), 200, 1);
    expect(bumped.batches).toHaveLength(1);
    expect(judgeProducer(bumped, header(4, 1, 3)).kind).toBe('old-epoch');
  });

  it('survives a snapshot, expires, and forgets the least recently used producer', () => {
    const state = new ProducerState();
    state.set(1, entryAfter(header(0), header(1)), 2);
    state.set(2, { ...entryAfter(header(0)), lastMs: 50 }, 2);
    expect(ProducerState.restore(state.snapshot()).snapshot()).toEqual(state.snapshot());
    expect(JSON.parse(JSON.stringify(state.snapshot()))).toEqual(state.snapshot());
    state.set(3, entryAfter(header(0)), 2);
    expect([state.get(1), state.size]).toEqual([undefined, 2]);
    state.expire(60, 20);
    expect([state.get(2) !== undefined, state.get(3)]).toEqual([true, undefined]);
    state.expire(70, 20);
    expect(state.size).toBe(0);
  });
});

describe('idempotent appends', () => {
  const stamp = { producerId: 77, producerEpoch: 1 };
  const batch = (sequence: number): Buffer => batchOf([`s${sequence}`], 0, { ...stamp, baseSequence: sequence });

  it('answers a repeat with the original offset, but not before the original is durable', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['x']));
    world.mayAck = false;
    const original = world.send(log, batch(0));
    const repeat = world.send(log, batch(0));
    await world.clock.advance(50);
    expect([original, repeat]).toEqual([[], []]);
    world.mayAck = true;
    await world.clock.advance(50);
    expect([original[0]!.baseOffset, repeat[0]!.baseOffset]).toEqual([1, 1]);
    expect(log.endOffset).toBe(2);
    expect(await world.append(log, batch(2))).toMatchObject({ errorCode: 45, baseOffset: -1 });
    const old = batchOf(['o'], 0, { producerId: 77, producerEpoch: 0, baseSequence: 1 });
    expect(await world.append(log, old)).toMatchObject({ errorCode: 47 });
  });

  it.each(['crash', 'close', 'release', 'roll-up and crash', 'delete, roll-up and crash', 'delete and crash'])(
    'recognises repeats after %s',
    async (how) => {
      const world = new World();
      let store = await world.startSession();
      let log = await world.open(store);
      for (let i = 0; i < 7; i++) await world.append(log, batch(i));
      if (how.startsWith('delete')) await world.run(log.deleteRecords(-1));
      if (how.includes('roll-up')) await world.run(store.rollUp());
      if (how.includes('crash')) {
        world.crash('none');
        await world.recover();
        store = await world.startSession();
      } else if (how === 'close') {
        await world.run(store.close());
        store = await world.startSession();
      } else {
        await world.run(store.release([log]));
      }
      log = await world.open(store, world.sessionEpoch + 5);
      expect(log.endOffset).toBe(7);
      for (let i = 2; i < 7; i++)
        expect(await world.append(log, batch(i))).toMatchObject({ errorCode: 0, baseOffset: i });
      expect(await world.append(log, batch(9))).toMatchObject({ errorCode: 45 });
      expect(await world.append(log, batch(7))).toMatchObject({ errorCode: 0, baseOffset: 7 });
      expect(log.startOffset).toBe(how.startsWith('delete') ? 7 : 0);
    },
  );

  it.each([
    ['of a new dated id', {}, 0, 59],
    ['of a dated id that is not new', {}, 7 * 60_000, 0],
    ['of a dated id where producers are forgotten sooner', { producerIdExpirationMs: 60_000 }, 0, 0],
  ])(
    'refuses batches that arrive before sequence 0 %s, until that has arrived',
    async (_, settings, ageMs, errorCode) => {
      const world = new World({ retentionIntervalMs: 10_000_000, ...settings });
      const log = await world.open(await world.startSession());
      const producerId = datedProducerId(77, world.clock.wallMs() - ageMs);
      const numbered = (sequence: number): Buffer =>
        batchOf([`s${sequence}`], 0, { producerId, producerEpoch: 0, baseSequence: sequence });
      expect(await world.append(log, numbered(1))).toMatchObject({ errorCode });
      if (errorCode === 0) return;
      expect(log.endOffset).toBe(0);
      expect(await world.append(log, numbered(0))).toMatchObject({ errorCode: 0, baseOffset: 0 });
      expect(await world.append(log, numbered(2))).toMatchObject({ errorCode: 45 });
      expect(await world.append(log, numbered(1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
    },
  );

  it('forgets a producer after its expiry', async () => {
    const world = new World({ producerIdExpirationMs: 1000, retentionIntervalMs: 1_000_000 });
    const log = await world.open(await world.startSession());
    await world.append(log, batch(0));
    await world.clock.advance(1000);
    expect(await world.append(log, batch(40))).toMatchObject({ errorCode: 0, baseOffset: 1 });
  });
});
