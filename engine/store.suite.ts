/**
 * What every metadata store must do, as one suite that runs against each driver. `open` gets the clock that the suite
 * advances and returns handles on one fresh set of rows; each handle stands for a process.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type MetadataStore,
  type Row,
  type RowCondition,
  type RowKey,
  StoreLimit,
  type StoreOp,
  StoreUnavailable,
  storeKeyBytesMax,
  storeOpsMax,
  storeTokenMs,
  storeValueBytesMax,
} from './ports.ts';
import {
  allRows,
  at,
  check,
  conflictOf,
  MovableClock,
  put,
  remove,
  type Run,
  sks,
  type StoreUnderTest,
} from './store-fixture.suite.ts';
import { compareBytewise } from './store-limits.ts';
import { processCases, watchCases, watcherCases } from './store-watch.suite.ts';

export function storeSuite(name: string, open: (clock: MovableClock) => Promise<StoreUnderTest>): void {
  describe(name, () => {
    const clock = new MovableClock();
    let under: StoreUnderTest;
    beforeEach(async () => {
      under = await open(clock);
    });
    afterEach(() => under.dispose());
    const run: Run = (title, body) => {
      test(title, () => body({ store: under.store, clock, connect: () => under.connect() }));
    };
    describe('rows', () => rowCases(run));
    describe('transactions', () => transactionCases(run));
    describe('conditions', () => conditionCases(run));
    describe('limits', () => limitCases(run));
    describe('range', () => rangeCases(run));
    describe('pages', () => pageCases(run));
    describe('tokens', () => tokenCases(run));
    describe('watch', () => watchCases(run));
    describe('watchers', () => watcherCases(run));
    describe('processes', () => processCases(run));
    describe('model', () => modelCases(run));
  });
}

function rowCases(run: Run): void {
  run('an absent row is undefined', async ({ store }) => {
    expect(await store.get(at('a'))).toBeUndefined();
  });
  run('a row reads back as it was put', async ({ store }) => {
    await store.transact([put('a', '{"x":1}')]);
    expect(await store.get(at('a'))).toEqual({ pk: 'P', sk: 'a', value: '{"x":1}', version: 1 });
  });
  run('every put adds one to the version, also with the same value', async ({ store }) => {
    for (let i = 0; i < 3; i++) await store.transact([put('a')]);
    expect((await store.get(at('a')))?.version).toBe(3);
  });
  run('a deleted row is gone', async ({ store }) => {
    await store.transact([put('a')]);
    await store.transact([remove('a')]);
    expect(await store.get(at('a'))).toBeUndefined();
  });
  run('a recreated row starts at version 1', async ({ store }) => {
    await store.transact([put('a')]);
    await store.transact([put('a')]);
    await store.transact([remove('a')]);
    await store.transact([put('a')]);
    expect((await store.get(at('a')))?.version).toBe(1);
  });
  run('deleting an absent row succeeds', async ({ store }) => {
    await store.transact([remove('a')]);
    expect(await store.get(at('a'))).toBeUndefined();
  });
  run('a transaction without operations succeeds', async ({ store }) => {
    await store.transact([]);
  });
  run('the boundary between pk and sk is kept', async ({ store }) => {
    await store.transact([put('bc', '1', undefined, 'a'), put('c', '2', undefined, 'ab')]);
    expect((await store.get(at('bc', 'a')))?.value).toBe('1');
    expect((await store.get(at('c', 'ab')))?.value).toBe('2');
  });
  run('keys and values may hold any Unicode', async ({ store }) => {
    const odd = ['\0', 'a\0b', 'é', '日本', '😀', '\u{10ffff}', '\uffff', '#', '\u0001'];
    await store.transact(odd.map((sk) => put(sk, `v${sk}`, undefined, odd[2])));
    for (const sk of odd) expect((await store.get(at(sk, odd[2])))?.value).toBe(`v${sk}`);
  });
  run('an empty value is a value', async ({ store }) => {
    await store.transact([put('a', '')]);
    expect((await store.get(at('a')))?.value).toBe('');
  });
}

function transactionCases(run: Run): void {
  run('a transaction spans partition keys', async ({ store }) => {
    await store.transact([put('a', '1', undefined, 'P1'), put('a', '2', undefined, 'P2')]);
    expect((await store.get(at('a', 'P2')))?.value).toBe('2');
  });
  run('transactions started together all take effect', async ({ store }) => {
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.transact([put(`k${i}`)])));
    expect(await allRows(store, 'P')).toHaveLength(200);
  });
  run('transactions started together apply in the order of their calls', async ({ store }) => {
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.transact([put('a', `${i}`)])));
    expect(await store.get(at('a'))).toMatchObject({ value: '49', version: 50 });
  });
  run('a closed store refuses with StoreUnavailable', async ({ connect }) => {
    const other = await connect();
    await other.close();
    await expect(other.get(at('a'))).rejects.toThrow(StoreUnavailable);
    await expect(other.range('P')).rejects.toThrow(StoreUnavailable);
    await expect(other.transact([put('a')])).rejects.toThrow(StoreUnavailable);
  });
  run('closing twice is harmless', async ({ connect }) => {
    const other = await connect();
    await other.close();
    await other.close();
  });
}

function conditionCases(run: Run): void {
  const present = put('a', 'old');
  const table: [string, RowCondition, boolean, boolean][] = [
    ['absent', { absent: true }, true, false],
    ['exists', { exists: true }, false, true],
    ['version 1', { version: 1 }, false, true],
    ['version 2', { version: 2 }, false, false],
  ];
  for (const [label, condition, whenAbsent, whenPresent] of table) {
    for (const kind of ['put', 'delete', 'check'] as const) {
      for (const [state, expected] of [
        ['absent', whenAbsent],
        ['present', whenPresent],
      ] as const) {
        run(`${kind} if ${label}, row ${state}: ${expected ? 'succeeds' : 'conflicts'}`, async ({ store }) => {
          if (state === 'present') await store.transact([present]);
          const before = await store.get(at('a'));
          const op = { put: put('a', 'new', condition), delete: remove('a', condition), check: check('a', condition) }[
            kind
          ];
          if (expected) {
            await store.transact([op]);
            const after = await store.get(at('a'));
            if (kind === 'put') expect(after?.value).toBe('new');
            else if (kind === 'delete') expect(after).toBeUndefined();
            else expect(after).toEqual(before);
          } else {
            const conflict = await conflictOf(store.transact([op]));
            expect(conflict).toMatchObject({ index: 0, code: 'store-conflict', current: before });
            expect(await store.get(at('a'))).toEqual(before);
          }
        });
      }
    }
  }
  run('a conflict names the first failing operation and writes nothing', async ({ store }) => {
    await store.transact([put('c', 'x')]);
    const ops = [put('a'), put('b'), put('c', 'y', { version: 7 }), put('d', 'z', { exists: true })];
    const conflict = await conflictOf(store.transact(ops));
    expect(conflict.index).toBe(2);
    expect(conflict.current).toEqual({ pk: 'P', sk: 'c', value: 'x', version: 1 });
    expect(sks(await allRows(store, 'P'))).toEqual(['c']);
  });
  run('a conflict leaves transactions started together alone', async ({ store }) => {
    const results = await Promise.allSettled([
      store.transact([put('a')]),
      store.transact([put('b'), check('zz', { exists: true })]),
      store.transact([put('c')]),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(sks(await allRows(store, 'P'))).toEqual(['a', 'c']);
  });
  run('of many conditional creations exactly one wins', async ({ store }) => {
    const tries = Array.from({ length: 20 }, (_, i) => store.transact([put('a', `${i}`, { absent: true })]));
    const results = await Promise.allSettled(tries);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });
  run('a deleted and recreated row does not pass for its former version', async ({ store }) => {
    await store.transact([put('a')]);
    await store.transact([put('a')]);
    await store.transact([remove('a')]);
    await store.transact([put('a')]);
    await conflictOf(store.transact([put('a', 'stale', { version: 2 })]));
  });
}

function limitCases(run: Run): void {
  const many = (count: number): StoreOp[] => Array.from({ length: count }, (_, i) => put(`k${i}`));
  run('100 operations fit', async ({ store }) => {
    await store.transact(many(storeOpsMax));
    expect(await allRows(store, 'P')).toHaveLength(storeOpsMax);
  });
  run('101 operations do not', async ({ store }) => {
    await expect(store.transact(many(storeOpsMax + 1))).rejects.toThrow(StoreLimit);
    expect(await allRows(store, 'P')).toEqual([]);
  });
  run('two operations on one key are refused', async ({ store }) => {
    await expect(store.transact([put('a'), check('a', { absent: true })])).rejects.toThrow(StoreLimit);
  });
  run('one sk in two partitions is not the same key', async ({ store }) => {
    await store.transact([put('a', '', undefined, 'P1'), put('a', '', undefined, 'P2')]);
  });
  run('keys of 1,024 bytes fit', async ({ store }) => {
    const long = 'é'.repeat(storeKeyBytesMax / 2);
    await store.transact([put(long, 'v', undefined, long)]);
    expect((await store.get(at(long, long)))?.value).toBe('v');
    expect(await allRows(store, long)).toHaveLength(1);
  });
  run('a longer sk is refused', async ({ store }) => {
    await expect(store.transact([put(`${'é'.repeat(storeKeyBytesMax / 2)}x`)])).rejects.toThrow(StoreLimit);
  });
  run('a longer pk is refused', async ({ store }) => {
    const op = put('a', '', undefined, 'x'.repeat(storeKeyBytesMax + 1));
    await expect(store.transact([op])).rejects.toThrow(StoreLimit);
  });
  run('an empty key is refused', async ({ store }) => {
    await expect(store.transact([put('')])).rejects.toThrow(StoreLimit);
    await expect(store.get(at('a', ''))).rejects.toThrow(StoreLimit);
  });
  run('a value of 400 KiB fits', async ({ store }) => {
    const value = 'v'.repeat(storeValueBytesMax);
    await store.transact([put('a', value)]);
    expect((await store.get(at('a')))?.value).toBe(value);
  });
  run('a larger value is refused, counted in bytes', async ({ store }) => {
    await expect(store.transact([put('a', 'é'.repeat(storeValueBytesMax / 2 + 1))])).rejects.toThrow(StoreLimit);
  });
  run('a transaction over 4 MiB is refused', async ({ store }) => {
    const ops = Array.from({ length: 11 }, (_, i) => put(`k${i}`, 'v'.repeat(storeValueBytesMax)));
    await expect(store.transact(ops)).rejects.toThrow(StoreLimit);
    await store.transact(ops.slice(0, 10));
  });
  run('limits come before conditions', async ({ store }) => {
    const ops = [check('zz', { exists: true }), ...many(storeOpsMax)];
    await expect(store.transact(ops)).rejects.toThrow(StoreLimit);
  });
}

const letters = ['a', 'b', 'c', 'd', 'e'];
const fill = (store: MetadataStore): Promise<void> => store.transact(letters.map((sk) => put(sk, sk)));

function rangeCases(run: Run): void {
  run('an empty partition gives no rows and no cursor', async ({ store }) => {
    expect(await store.range('P')).toEqual({ rows: [] });
  });
  run('rows come in order, of one partition only', async ({ store }) => {
    await fill(store);
    await store.transact([put('a', '', undefined, 'O'), put('z', '', undefined, 'P!'), put('z', '', undefined, 'Q')]);
    expect(sks((await store.range('P')).rows)).toEqual(letters);
  });
  run('the order is that of UTF-8 bytes, not of UTF-16 units', async ({ store }) => {
    const odd = ['\uffff', '😀', '\ue000', 'z', 'Z', 'a', 'ab', 'a\0', 'é'];
    await store.transact(odd.map((sk) => put(sk)));
    const expected = odd.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(sks((await store.range('P')).rows)).toEqual(expected);
    expect(odd.toSorted(compareBytewise)).toEqual(expected);
  });
  const bounds: [string, object, string[]][] = [
    ['from is inclusive', { from: 'b' }, ['b', 'c', 'd', 'e']],
    ['to is exclusive', { to: 'd' }, ['a', 'b', 'c']],
    ['from and to', { from: 'b', to: 'd' }, ['b', 'c']],
    ['bounds need not exist', { from: 'aa', to: 'dd' }, ['b', 'c', 'd']],
    ['an inverted range is empty', { from: 'd', to: 'b' }, []],
    ['reverse', { reverse: true }, ['e', 'd', 'c', 'b', 'a']],
    ['reverse with bounds', { reverse: true, from: 'b', to: 'd' }, ['c', 'b']],
    ['reverse with bounds that do not exist', { reverse: true, from: 'aa', to: 'dd' }, ['d', 'c', 'b']],
  ];
  for (const [label, options, expected] of bounds) {
    run(`range: ${label}`, async ({ store }) => {
      await fill(store);
      expect(sks((await store.range('P', options)).rows)).toEqual(expected);
    });
    run(`pages of two: ${label}`, async ({ store }) => {
      await fill(store);
      expect(sks(await allRows(store, 'P', { ...options, limit: 2 }))).toEqual(expected);
    });
  }
}

function pageCases(run: Run): void {
  run('limit bounds a page and the last page has no cursor', async ({ store }) => {
    await fill(store);
    const first = await store.range('P', { limit: 3 });
    expect(sks(first.rows)).toEqual(['a', 'b', 'c']);
    const second = await store.range('P', { limit: 3, cursor: first.cursor! });
    expect(sks(second.rows)).toEqual(['d', 'e']);
    expect(second.cursor).toBeUndefined();
  });
  run('a cursor survives the deletion of its row', async ({ store }) => {
    await fill(store);
    const { cursor } = await store.range('P', { limit: 2 });
    await store.transact([remove('b'), put('bb')]);
    expect(sks((await store.range('P', { cursor: cursor! })).rows)).toEqual(['bb', 'c', 'd', 'e']);
  });
  run('a page ends before 1 MiB of values', async ({ store }) => {
    for (let i = 0; i < 4; i++) await store.transact([put(`k${i}`, 'v'.repeat(storeValueBytesMax))]);
    const page = await store.range('P');
    expect(page.rows.length).toBeLessThan(4);
    expect(page.cursor).toBeDefined();
    expect(sks(await allRows(store, 'P'))).toEqual(['k0', 'k1', 'k2', 'k3']);
  });
  run('a large partition comes in pages, each row once', async ({ store }) => {
    const keys = Array.from({ length: 2500 }, (_, i) => `k${String(i).padStart(5, '0')}`);
    const groups = Array.from({ length: 25 }, (_, g) => keys.slice(g * 100, g * 100 + 100));
    await Promise.all(groups.map((group) => store.transact(group.map((sk) => put(sk)))));
    expect(sks(await allRows(store, 'P'))).toEqual(keys);
    expect(sks(await allRows(store, 'P', { reverse: true }))).toEqual(keys.toReversed());
  });
}

function tokenCases(run: Run): void {
  run('a repeat with the same token has no second effect', async ({ store }) => {
    await store.transact([put('a')], 'token-1');
    await store.transact([put('a')], 'token-1');
    expect((await store.get(at('a')))?.version).toBe(1);
  });
  run('a repeat succeeds although its condition holds no longer', async ({ store }) => {
    await store.transact([put('a', '', { absent: true })], 'token-1');
    await store.transact([put('a', '', { absent: true })], 'token-1');
  });
  run('repeats started together have one effect', async ({ store }) => {
    await Promise.all(Array.from({ length: 10 }, () => store.transact([put('a')], 'token-1')));
    expect((await store.get(at('a')))?.version).toBe(1);
  });
  run('different tokens are different transactions', async ({ store }) => {
    await store.transact([put('a')], 'token-1');
    await store.transact([put('a')], 'token-2');
    expect((await store.get(at('a')))?.version).toBe(2);
  });
  run('the token of a conflict is not remembered', async ({ store }) => {
    await conflictOf(store.transact([put('a', '', { exists: true })], 'token-1'));
    await store.transact([put('a')]);
    await store.transact([put('a', '', { exists: true })], 'token-1');
    expect((await store.get(at('a')))?.version).toBe(2);
  });
  run('a token is remembered for ten minutes, whatever is written meanwhile', async ({ store, clock }) => {
    await store.transact([put('a')], 'token-1');
    for (let i = 0; i < 6; i++) {
      clock.advance(storeTokenMs / 6 - 5000);
      await store.transact([put('b')], `other-${i}`);
      await store.transact([put('a')], 'token-1');
    }
    expect((await store.get(at('a')))?.version).toBe(1);
  });
  run('after ten minutes a token is forgotten', async ({ store, clock }) => {
    await store.transact([put('a')], 'token-1');
    clock.advance(storeTokenMs);
    await store.transact([put('a')], 'token-1');
    expect((await store.get(at('a')))?.version).toBe(2);
  });
  run('a token holds for every process', async ({ store, connect }) => {
    const other = await connect();
    await store.transact([put('a')], 'token-1');
    await other.transact([put('a')], 'token-1');
    expect((await store.get(at('a')))?.version).toBe(1);
  });
  run('an oversized token is refused', async ({ store }) => {
    await expect(store.transact([put('a')], 't'.repeat(storeKeyBytesMax + 1))).rejects.toThrow(StoreLimit);
  });
}

function modelCases(run: Run): void {
  const key = fc.record({ pk: fc.constantFrom('P', 'P2'), sk: fc.constantFrom('a', 'b', 'c\0', '😀', '\ue000') });
  const condition: fc.Arbitrary<RowCondition | undefined> = fc.oneof(
    fc.constant(undefined),
    fc.constant({ absent: true } as const),
    fc.constant({ exists: true } as const),
    fc.record({ version: fc.integer({ min: 1, max: 3 }) }),
  );
  const op = fc
    .tuple(fc.constantFrom('put', 'delete', 'check'), key, condition, fc.string({ maxLength: 4 }))
    .map(([kind, k, c, value]): StoreOp => {
      if (kind === 'put') return put(k.sk, value, c, k.pk);
      if (kind === 'delete') return remove(k.sk, c, k.pk);
      return check(k.sk, c ?? { exists: true }, k.pk);
    });
  const identity = (o: StoreOp): string => `${o.key.pk}|${o.key.sk}`;
  const transaction = fc.record({
    ops: fc.uniqueArray(op, { selector: identity, minLength: 1, maxLength: 5 }),
    token: fc.option(fc.constantFrom('t1', 't2', 't3'), { nil: undefined }),
  });
  run('random transactions agree with a plain map', async ({ store }) => {
    let salt = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 12 }), async (transactions) => {
        // Each run has its own partitions and tokens, so that runs do not see each other.
        const own = `${salt++}:`;
        const model = new Map<string, Row>();
        const tokens = new Set<string>();
        for (const { ops, token } of transactions) {
          const mine = ops.map((o) => ({ ...o, key: { pk: own + o.key.pk, sk: o.key.sk } }));
          const expected = token !== undefined && tokens.has(token) ? undefined : applyToModel(model, mine);
          const attempt = store.transact(mine, token && own + token);
          if (expected) expect(await conflictOf(attempt)).toMatchObject(expected);
          else await attempt;
          if (!expected && token !== undefined) tokens.add(token);
        }
        for (const pk of ['P', 'P2']) {
          const rows = [...model.values()].filter((row) => row.pk === own + pk);
          rows.sort((a, b) => Buffer.compare(Buffer.from(a.sk), Buffer.from(b.sk)));
          expect(await allRows(store, own + pk, { limit: 2 })).toEqual(rows);
        }
      }),
      { numRuns: 60 },
    );
  });
}

function applyToModel(
  model: Map<string, Row>,
  ops: readonly StoreOp[],
): { index: number; current: Row | undefined } | undefined {
  const identity = (key: RowKey): string => `${key.pk}|${key.sk}`;
  for (const [index, o] of ops.entries()) {
    const current = model.get(identity(o.key));
    const fine =
      o.if === undefined ||
      ('absent' in o.if ? !current : 'exists' in o.if ? current !== undefined : current?.version === o.if.version);
    if (!fine) return { index, current };
  }
  for (const o of ops) {
    const current = model.get(identity(o.key));
    if (o.op === 'put') model.set(identity(o.key), { ...o.key, value: o.value, version: (current?.version ?? 0) + 1 });
    if (o.op === 'delete') model.delete(identity(o.key));
  }
  return undefined;
}
