import { describe, expect, it } from 'vitest';
import { brokerSessionKey, decodeBrokerSession, encodeBrokerSession } from '../controller/rows/broker-session.ts';
import { brokerLeaseKey } from '../controller/rows/lease.ts';
import { manualClock } from '../kernel/manual-clock.ts';
import { seededRandom } from '../kernel/random.ts';
import { StoreConflict, StoreUnavailable } from '../ports.ts';
import { memoryStore, type StoreFaults } from '../store-memory.ts';
import { openSession, SessionBlocked, SessionFenced } from './session.ts';

const slot = { brokerId: 2, zone: 'b', volume: '/v/2', address: '/s/2.sock' };
const key = brokerSessionKey(2);
const data = { pk: 'LOG', sk: 'x' };

function setUp(faults?: StoreFaults) {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const fenced: string[] = [];
  const open = (pid = 100) =>
    openSession({
      store: store.connect(faults),
      clock,
      random: seededRandom(pid),
      slot,
      pid,
      onFenced: (cause) => fenced.push(cause.code),
    });
  const row = async () => decodeBrokerSession((await store.get(key))!);
  const fence = async () => {
    const current = (await store.get(key))!;
    const value = encodeBrokerSession({ ...decodeBrokerSession(current), state: 'fenced' });
    await store.transact([{ op: 'put', key, value, if: { version: current.version } }]);
  };
  return { clock, store, fenced, open, row, fence };
}

describe('a broker session', () => {
  it('opens with its lease in one transaction and may acknowledge at once', async () => {
    const { open, row, store } = setUp();
    const session = await open();
    expect(await row()).toEqual({ ...slot, epoch: 1, state: 'serving', pid: 100 });
    expect(await store.get(brokerLeaseKey(2))).toBeDefined();
    expect(session.mayAck()).toBe(true);
    expect(session.mayAck(1000 + 1425)).toBe(false);
  });

  it('goes through serving, draining and closed, and the next session has the next epoch', async () => {
    const { open, row, clock } = setUp();
    const session = await open();
    await session.setState('draining');
    expect(session.state()).toBe('draining');
    expect(session.mayAck()).toBe(true);
    await clock.advance(3000);
    expect(session.mayAck()).toBe(true);
    const closing = session.close();
    expect(session.mayAck()).toBe(false);
    await closing;
    expect((await row()).state).toBe('closed');
    expect((await open(101)).epoch).toBe(2);
  });

  it('waits until the previous session is closed', async () => {
    const { open, row, clock, fence, store } = setUp();
    await open();
    let second: number | undefined;
    void open(101).then((session) => (second = session.epoch));
    await clock.advance(500);
    await fence();
    await clock.advance(500);
    expect(second).toBeUndefined();
    const value = encodeBrokerSession({ ...(await row()), state: 'closed' });
    await store.transact([{ op: 'put', key, value }]);
    await clock.advance(50);
    expect(second).toBe(2);
  });

  it('gives up after the maximum wait', async () => {
    const { open, clock } = setUp();
    await open();
    const second = open(101);
    const failed = expect(second).rejects.toBeInstanceOf(SessionBlocked);
    await clock.advance(61_000);
    await failed;
  });

  it('admits one of two processes of the same slot', async () => {
    const { open, clock } = setUp();
    const first = open(1);
    const second = open(2);
    const race = await Promise.race([first, second]);
    await clock.advance(100);
    expect(race.epoch).toBe(1);
    const failed = expect(Promise.all([first, second])).rejects.toBeInstanceOf(SessionBlocked);
    await clock.advance(61_000);
    await failed;
  });

  it('has one effect if every reply is lost once', async () => {
    const tokens = new Set<string>();
    const { open, row, clock } = setUp((operation) => {
      if (operation.op !== 'transact' || operation.token === undefined || tokens.has(operation.token)) return undefined;
      tokens.add(operation.token);
      return { replyLost: true };
    });
    const opening = open();
    await clock.advance(100);
    const session = await opening;
    const draining = session.setState('draining');
    await clock.advance(100);
    await draining;
    const closing = session.close();
    await clock.advance(100);
    await closing;
    expect(await row()).toMatchObject({ epoch: 1, state: 'closed' });
  });

  it('ends when fenced: no acknowledgement, no write, and one notification', async () => {
    const { open, clock, fence, fenced, store } = setUp();
    const session = await open();
    await fence();
    await expect(session.commit([{ op: 'put', key: data, value: 'late' }])).rejects.toBeInstanceOf(SessionFenced);
    expect(await store.get(data)).toBeUndefined();
    await clock.advance(1000);
    expect(session.mayAck()).toBe(false);
    expect(session.state()).toBe('fenced');
    expect(fenced).toHaveLength(1);
    await expect(session.setState('draining')).rejects.toBeInstanceOf(SessionFenced);
    await expect(session.close()).rejects.toBeInstanceOf(SessionFenced);
  });

  it('learns of its fence from the lease alone if it writes nothing', async () => {
    const { open, clock, fence, fenced } = setUp();
    const session = await open();
    await fence();
    await clock.advance(300);
    expect(fenced).toEqual(['store-conflict']);
    expect(session.mayAck()).toBe(false);
  });

  it('does not mistake its own change of state for a fence', async () => {
    const { open, clock, fenced, store } = setUp((operation) => {
      const changes = operation.op === 'transact' && operation.ops[0]?.op === 'put' && operation.token !== undefined;
      return changes ? { replyDelayMs: 1000 } : undefined;
    });
    const opening = open();
    await clock.advance(1000);
    const session = await opening;
    const draining = session.setState('draining');
    await clock.settle();
    // The row already says draining, the reply is in flight, and the guard is still the old one.
    await session.commit([{ op: 'put', key: data, value: 'roll-up' }]);
    await clock.advance(900);
    expect(session.mayAck()).toBe(true);
    await clock.advance(200);
    await draining;
    await session.commit([{ op: 'put', key: data, value: 'roll-up 2' }]);
    expect((await store.get(data))!.value).toBe('roll-up 2');
    expect(fenced).toEqual([]);
  });

  it('returns a conflict caused by the caller to the caller', async () => {
    const { open, fenced } = setUp();
    const session = await open();
    const conflict = session.commit([
      { op: 'check', key: { pk: 'LOG', sk: 'y' }, if: { absent: true } },
      { op: 'put', key: data, value: '1', if: { exists: true } },
    ]);
    await expect(conflict).rejects.toBeInstanceOf(StoreConflict);
    await expect(conflict).rejects.toMatchObject({ index: 1 });
    expect(fenced).toEqual([]);
  });

  it('stops acknowledging while the store is away for longer than the lease', async () => {
    let away = false;
    const { open, clock, fenced } = setUp(() => {
      if (away) throw new StoreUnavailable('away');
      return undefined;
    });
    const session = await open();
    away = true;
    await clock.advance(1500);
    expect(session.mayAck()).toBe(false);
    away = false;
    await clock.advance(500);
    expect(session.mayAck()).toBe(true);
    expect(fenced).toEqual([]);
  });
});
