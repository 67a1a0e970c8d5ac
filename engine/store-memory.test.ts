import { expect, test } from 'vitest';
import { StoreAmbiguous, StoreThrottled } from './ports.ts';
import { memoryStore, type StoreFault } from './store-memory.ts';
import { MovableClock, put } from './store-fixture.suite.ts';
import { storeSuite } from './store.suite.ts';

storeSuite('memory', async (clock) => {
  const store = memoryStore({ clock });
  return { store, connect: async () => store.connect(), dispose: () => store.close() };
});

const key = { pk: 'P', sk: 'a' };

test('a fault hook may refuse an operation before it takes effect', async () => {
  const store = memoryStore({ clock: new MovableClock() });
  const throttled = store.connect(() => {
    throw new StoreThrottled('no capacity');
  });
  await expect(throttled.transact([put('a')])).rejects.toThrow(StoreThrottled);
  expect(await store.get(key)).toBeUndefined();
});

test('a lost reply is ambiguous, and the repeat with its token has no second effect', async () => {
  let fault: StoreFault | undefined = { replyLost: true };
  const store = memoryStore({ clock: new MovableClock(), faults: (o) => (o.op === 'transact' ? fault : undefined) });
  await expect(store.transact([put('a')], 'token')).rejects.toThrow(StoreAmbiguous);
  fault = undefined;
  await store.transact([put('a')], 'token');
  expect((await store.get(key))?.version).toBe(1);
});

test('a delayed transaction takes effect after later ones of others', async () => {
  const store = memoryStore({ clock: new MovableClock() });
  const slow = store.connect(() => ({ delayMs: 1 }));
  const late = slow.transact([put('a', 'slow')]);
  await store.transact([put('a', 'fast')]);
  await late;
  expect(await store.get(key)).toMatchObject({ value: 'slow', version: 2 });
});

test('a lost delivery becomes a gap', async () => {
  let cut = true;
  const store = memoryStore({ clock: new MovableClock() });
  const watching = store.connect((operation) => {
    if (cut && operation.op === 'deliver') throw new StoreThrottled('cut off');
    return undefined;
  });
  const gap = new Promise((resolve) => watching.watch('P', resolve));
  await store.transact([put('a')]);
  cut = false;
  await expect(gap).resolves.toMatchObject({ key });
  cut = true;
  const second = new Promise((resolve) => watching.watch('Q', resolve));
  await store.transact([put('a', '', undefined, 'Q')]);
  await new Promise<void>((resolve) => new MovableClock().endOfTurn(resolve));
  cut = false;
  await expect(second).resolves.toBe('gap');
});
