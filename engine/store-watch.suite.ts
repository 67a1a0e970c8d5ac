/** What a metadata store tells its watchers, and what several processes over one set of rows see of each other. */
import { expect } from 'vitest';
import { type MetadataStore, type Row, type RowChange, StoreConflict } from './ports.ts';
import { allRows, at, check, conflictOf, put, remove, type Run, sks } from './store-fixture.suite.ts';

/** Collects changes; `until` resolves when the predicate holds for the changes received so far. */
class Changes {
  readonly seen: RowChange[] = [];
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];
  readonly listen = (change: RowChange): void => {
    this.seen.push(change);
    this.#waiting = this.#waiting.filter((wait) => {
      if (!wait.holds()) return true;
      wait.resolve();
      return false;
    });
  };
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }
  untilKey(sk: string): Promise<void> {
    return this.until(() => this.seen.some((change) => change !== 'gap' && change.key.sk === sk));
  }
  last(sk: string): Row | undefined {
    return this.seen.flatMap((change) => (change !== 'gap' && change.key.sk === sk ? [change.row] : [])).at(-1);
  }
}

export function watchCases(run: Run): void {
  run('a put is delivered with its row', async ({ store }) => {
    const changes = new Changes();
    store.watch('P', changes.listen);
    await store.transact([put('a', 'v')]);
    await changes.untilKey('a');
    expect(changes.seen).toEqual([{ key: at('a'), row: { pk: 'P', sk: 'a', value: 'v', version: 1 } }]);
  });
  run('a delete is delivered without a row', async ({ store }) => {
    await store.transact([put('a')]);
    const changes = new Changes();
    store.watch('P', changes.listen);
    await store.transact([remove('a')]);
    await changes.untilKey('a');
    expect(changes.seen).toEqual([{ key: at('a'), row: undefined }]);
  });
  run('earlier changes, other partitions and no-ops are not delivered', async ({ store }) => {
    await store.transact([put('before')]);
    const changes = new Changes();
    store.watch('P', changes.listen);
    await store.transact([put('other', '', undefined, 'Q')]);
    await store.transact([remove('absent'), check('before', { exists: true })]);
    await conflictOf(store.transact([put('conflict', '', { exists: true })]));
    await store.transact([put('after')]);
    await changes.untilKey('after');
    expect(changes.seen.map((change) => change !== 'gap' && change.key.sk)).toEqual(['after']);
  });
  run('nothing is delivered inside watch or before the commit', async ({ store }) => {
    const changes = new Changes();
    store.watch('P', changes.listen);
    const committed = store.transact([put('a')]);
    expect(changes.seen).toEqual([]);
    await committed;
    await changes.untilKey('a');
  });
  run('changes come in the order of commits', async ({ store }) => {
    const changes = new Changes();
    store.watch('P', changes.listen);
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    for (const sk of keys.slice(0, 20)) await store.transact([put(sk)]);
    await Promise.all(keys.slice(20).map((sk) => store.transact([put(sk)])));
    await changes.untilKey('k99');
    expect(changes.seen.map((change) => change !== 'gap' && change.key.sk)).toEqual(keys);
  });
  run('the last delivery of a row is its last state, and versions never fall', async ({ store }) => {
    const changes = new Changes();
    store.watch('P', changes.listen);
    await Promise.all(Array.from({ length: 40 }, (_, i) => store.transact([put('a', `${i}`)])));
    await store.transact([put('end')]);
    await changes.untilKey('end');
    expect(changes.last('a')).toMatchObject({ value: '39', version: 40 });
    const versions = changes.seen.flatMap((change) => (change !== 'gap' && change.row ? [change.row] : []));
    const ofA = versions.filter((row) => row.sk === 'a').map((row) => row.version);
    expect(ofA).toEqual(ofA.toSorted((x, y) => x - y));
  });
}

export function watcherCases(run: Run): void {
  run('a stopped watcher hears nothing more, others do', async ({ store }) => {
    const stopped = new Changes();
    const going = new Changes();
    const stop = store.watch('P', stopped.listen);
    store.watch('P', going.listen);
    await store.transact([put('a')]);
    await stopped.untilKey('a');
    stop();
    stop();
    await store.transact([put('b')]);
    await going.untilKey('b');
    expect(stopped.last('b')).toBeUndefined();
  });
  run('a watcher may stop itself while it is told', async ({ store }) => {
    const going = new Changes();
    let told = 0;
    const stop = store.watch('P', () => {
      told++;
      stop();
    });
    store.watch('P', going.listen);
    await store.transact([put('a'), put('b')]);
    await going.untilKey('b');
    expect(told).toBe(1);
  });
  run('a watcher that comes later hears later changes only', async ({ store }) => {
    const first = new Changes();
    store.watch('P', first.listen);
    await store.transact([put('a')]);
    const second = new Changes();
    store.watch('P', second.listen);
    await store.transact([put('b')]);
    await second.untilKey('b');
    expect(second.seen).toHaveLength(1);
    expect(first.seen).toHaveLength(2);
  });
  run('a watcher may write', async ({ store }) => {
    const changes = new Changes();
    store.watch('P', (change) => {
      changes.listen(change);
      if (change !== 'gap' && change.key.sk === 'a') void store.transact([put('b')]);
    });
    await store.transact([put('a')]);
    await changes.untilKey('b');
  });
}

export function processCases(run: Run): void {
  run('a commit is visible to other processes at once', async ({ store, connect }) => {
    const other = await connect();
    for (let i = 1; i <= 20; i++) {
      await store.transact([put('a', `${i}`)]);
      expect((await other.get(at('a')))?.version).toBe(i);
      expect((await other.range('P')).rows[0]?.value).toBe(`${i}`);
    }
  });
  run('changes of other processes are delivered', async ({ store, connect }) => {
    const other = await connect();
    const changes = new Changes();
    store.watch('P', changes.listen);
    await other.transact([put('a', 'theirs')]);
    await changes.untilKey('a');
    expect(changes.last('a')?.value).toBe('theirs');
  });
  run('own and other changes come in one order', async ({ store, connect }) => {
    const other = await connect();
    const changes = new Changes();
    store.watch('P', changes.listen);
    for (let i = 0; i < 40; i++) await (i % 2 ? store : other).transact([put(`k${i}`)]);
    await changes.untilKey('k39');
    expect(changes.seen.map((change) => change !== 'gap' && change.key.sk)).toEqual(
      Array.from({ length: 40 }, (_, i) => `k${i}`),
    );
  });
  run('conditional increments of two processes lose nothing', async ({ store, connect }) => {
    const other = await connect();
    await store.transact([put('n', '0')]);
    const increment = async (handle: MetadataStore): Promise<void> => {
      for (;;) {
        const row = (await handle.get(at('n')))!;
        try {
          return await handle.transact([put('n', `${Number(row.value) + 1}`, { version: row.version })]);
        } catch (error) {
          if (!(error instanceof StoreConflict)) throw error;
        }
      }
    };
    const loop = async (handle: MetadataStore): Promise<void> => {
      for (let i = 0; i < 50; i++) await increment(handle);
    };
    await Promise.all([loop(store), loop(other), loop(store)]);
    expect((await store.get(at('n')))?.value).toBe('150');
  });
  run('closing one process leaves the other working', async ({ store, connect }) => {
    const other = await connect();
    await other.transact([put('a')]);
    await other.close();
    await store.transact([put('b')]);
    expect(sks(await allRows(store, 'P'))).toEqual(['a', 'b']);
  });
}
