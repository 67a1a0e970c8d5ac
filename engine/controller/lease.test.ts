import { describe, expect, it } from 'vitest';
import { manualClock } from '../kernel/manual-clock.ts';
import { seededRandom } from '../kernel/random.ts';
import { type StoreConflict, StoreUnavailable } from '../ports.ts';
import { memoryStore, type StoreFaults } from '../store-memory.ts';
import { holdLease, LeaseEnded, leaseDefaults, observe, type ObservedLease } from './lease.ts';
import { brokerLeaseKey, decodeLease } from './rows/lease.ts';

const key = brokerLeaseKey(1);
const fenceKey = { pk: 'FENCE', sk: '1' };

async function setUp(faults?: StoreFaults) {
  const clock = manualClock();
  const store = memoryStore({ clock });
  await store.transact([{ op: 'put', key: fenceKey, value: 'x' }]);
  const lost: string[] = [];
  const told = { syncedLsn: 0 };
  const lease = holdLease({
    store: store.connect(faults),
    clock,
    random: seededRandom(1),
    key,
    epoch: 1,
    settings: leaseDefaults,
    guard: () => [{ op: 'check', key: fenceKey, if: { version: 1 } }],
    onLost: (cause) => lost.push(cause.code),
    syncedLsn: () => told.syncedLsn,
  });
  return { clock, store, lease, lost, told };
}

describe('the holder of a lease', () => {
  it('is valid from its first renewal on, and extended at every interval', async () => {
    const { clock, lease, store } = await setUp();
    expect(lease.isValid(clock.monotonicMs())).toBe(false);
    await clock.advance(1);
    expect(lease.validUntilMs()).toBe(1000 + 1500 - 75);
    await clock.advance(10_000);
    expect(lease.isValid(clock.monotonicMs() + 1000)).toBe(true);
    expect((await store.get(key))!.version).toBe(34);
  });

  it('counts from the time of sending, however late the reply', async () => {
    const { clock, lease } = await setUp((operation) =>
      operation.op === 'transact' ? { delayMs: 400, replyDelayMs: 600 } : undefined,
    );
    await clock.advance(1000);
    expect(lease.validUntilMs()).toBe(1000 + 1500 - 75);
  });

  it('survives a store outage shorter than its duration, and lapses in a longer one until the store is back', async () => {
    let away = false;
    const { clock, lease, lost } = await setUp((operation) => {
      if (away && operation.op === 'transact') throw new StoreUnavailable('away');
      return undefined;
    });
    await clock.advance(300);
    away = true;
    await clock.advance(1000);
    expect(lease.isValid(clock.monotonicMs())).toBe(true);
    await clock.advance(1000);
    expect(lease.isValid(clock.monotonicMs())).toBe(false);
    away = false;
    await clock.advance(100);
    expect(lease.isValid(clock.monotonicMs())).toBe(true);
    expect(lost).toEqual([]);
  });

  it('repeats a renewal whose reply was lost', async () => {
    let seen = 0;
    const { clock, lease, lost } = await setUp((operation) =>
      operation.op === 'transact' && seen++ % 2 === 0 ? { replyLost: true } : undefined,
    );
    await clock.advance(5000);
    expect(lease.isValid(clock.monotonicMs())).toBe(true);
    expect(lost).toEqual([]);
  });

  it('is lost once and at once when the guard fails', async () => {
    const { clock, store, lease, lost } = await setUp();
    await clock.advance(1);
    await store.transact([{ op: 'put', key: fenceKey, value: 'fenced' }]);
    await clock.advance(300);
    expect(lost).toEqual(['store-conflict']);
    expect(lease.isValid(clock.monotonicMs())).toBe(false);
    const { version } = (await store.get(key))!;
    await clock.advance(5000);
    expect((await store.get(key))!.version).toBe(version);
    expect(lost).toHaveLength(1);
  });

  it('continues with a fresh guard if its owner caused the conflict', async () => {
    const { clock, store } = await setUp();
    let version = 1;
    let lost = 0;
    const own = holdLease({
      store,
      clock,
      random: seededRandom(2),
      key: brokerLeaseKey(2),
      epoch: 1,
      settings: leaseDefaults,
      guard: () => [{ op: 'check', key: fenceKey, if: { version } }],
      isLost: (conflict: StoreConflict) => {
        version = conflict.current!.version;
        return false;
      },
      onLost: () => lost++,
    });
    await clock.advance(1);
    await store.transact([{ op: 'put', key: fenceKey, value: 'draining' }]);
    await clock.advance(5000);
    expect(own.isValid(clock.monotonicMs())).toBe(true);
    expect(lost).toBe(0);
  });

  it('stops without a notification', async () => {
    const { clock, store, lease, lost } = await setUp();
    await clock.advance(1);
    lease.stop();
    await clock.advance(5000);
    expect(lease.isValid(clock.monotonicMs())).toBe(false);
    expect((await store.get(key))!.version).toBe(1);
    expect(lost).toEqual([]);
  });
});

describe('what a lease tells of the log', () => {
  it('is the state when the renewal is sent, for one renewal after another', async () => {
    const { clock, lease, store, told } = await setUp((operation) =>
      operation.op === 'transact' ? { delayMs: 40, replyDelayMs: 40 } : undefined,
    );
    const stored = async (): Promise<number | undefined> => decodeLease((await store.get(key))!).syncedLsn;
    told.syncedLsn = 700;
    await clock.advance(100);
    expect(await stored()).toBe(700);
    told.syncedLsn = 900;
    await clock.advance(250);
    // A renewal sent with 900 is in flight: a caller that asks now waits for the next one.
    told.syncedLsn = 0;
    let isNoted = false;
    void lease.renewed().then(() => (isNoted = true));
    await clock.advance(60);
    expect(isNoted).toBe(false);
    await clock.advance(100);
    expect(isNoted).toBe(true);
    expect(await stored()).toBeUndefined();
  });

  it('is awaited through store failures, but not beyond the end of the lease', async () => {
    let away = true;
    const { clock, lease, told } = await setUp((operation) => {
      if (away && operation.op === 'transact') throw new StoreUnavailable('away');
      return undefined;
    });
    told.syncedLsn = 5;
    let isNoted = false;
    void lease.renewed().then(() => (isNoted = true));
    await clock.advance(500);
    expect(isNoted).toBe(false);
    away = false;
    await clock.advance(100);
    expect(isNoted).toBe(true);
    away = true;
    const last = expect(lease.renewed()).rejects.toBeInstanceOf(LeaseEnded);
    await clock.advance(10);
    lease.stop();
    await last;
    await expect(lease.renewed()).rejects.toBeInstanceOf(LeaseEnded);
  });
});

describe('an observer of a lease', () => {
  const row = (version: number, renewals = version) => ({
    ...key,
    version,
    value: JSON.stringify({ epoch: 1, durationMs: 1000, renewals }),
  });

  it('waits for the duration and the drift from its first look', () => {
    let seen: ObservedLease | undefined = observe(undefined, row(5), 50_000);
    seen = observe(seen, row(5), 51_009);
    expect(seen!.dead).toBe(false);
    seen = observe(seen, row(5), 51_010);
    expect(seen!.dead).toBe(true);
  });

  it('starts over with every renewal, even one that restores the same version', () => {
    let seen = observe(undefined, row(1, 7), 0);
    seen = observe(seen, row(2), 900);
    seen = observe(seen, row(2), 1200);
    expect(seen!.dead).toBe(false);
    seen = observe(observe(undefined, row(1, 7), 0), row(1, 0), 2000);
    expect(seen!.dead).toBe(false);
  });

  it('waits for nobody if there is no row', () => {
    expect(observe(observe(undefined, row(1), 0), undefined, 1)).toBeUndefined();
  });

  it('never calls a holder dead that still acknowledges, with clocks within the drift', async () => {
    let away = false;
    const { clock, store, lease } = await setUp(() => {
      if (away) throw new StoreUnavailable('away');
      return undefined;
    });
    await clock.advance(777);
    away = true;
    let seen: ObservedLease | undefined;
    const zero = clock.monotonicMs();
    while (!seen?.dead) {
      const fastNowMs = zero + (clock.monotonicMs() - zero) * 1.01;
      seen = observe(seen, await store.get(key), fastNowMs);
      if (seen?.dead) break;
      await clock.advance(10);
    }
    expect(lease.isValid(clock.monotonicMs())).toBe(false);
  });
});
