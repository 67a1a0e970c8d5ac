import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type MetadataStore, type RowChange, StoreConflict } from '../../engine/ports.ts';
import { MovableClock, put, remove } from '../../engine/store-fixture.suite.ts';
import { storeSuite } from '../../engine/store.suite.ts';
import { type LmdbStoreOptions, openLmdbStore } from './lmdb.ts';
import { reserveBytesMax } from './lmdb-reserve.ts';

function temporaryDirectory(): string {
  // The dot must not make LMDB take the directory for a file.
  return mkdtempSync(join(tmpdir(), 'headgate.store-'));
}

storeSuite('lmdb', async (clock) => {
  const directory = temporaryDirectory();
  const handles: MetadataStore[] = [];
  const connect = async (): Promise<MetadataStore> => {
    const handle = openLmdbStore({ directory, clock, pollIntervalMs: 2 });
    handles.push(handle);
    return handle;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(handles.map((handle) => handle.close()));
    rmSync(directory, { recursive: true });
  };
  return { store: await connect(), connect, dispose };
});

describe('lmdb on disk', () => {
  let directory: string;
  const open = (options: Partial<LmdbStoreOptions> = {}): MetadataStore =>
    openLmdbStore({ directory, clock: new MovableClock(), pollIntervalMs: 2, ...options });
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test('a file with damaged first pages is refused by name, and left unchanged', async () => {
    await open().close();
    const whole = readFileSync(join(directory, 'data.mdb'));
    // Each in a folder of its own: this process has the file of one that was opened until it ends.
    const fileOf = (name: string, content: Buffer): string => {
      const file = join(directory, name, 'data.mdb');
      mkdirSync(join(directory, name));
      writeFileSync(file, content);
      return file;
    };
    for (const at of [24, 8192 + 24, 28]) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1;
      const file = fileOf(`damaged-${at}`, damaged);
      expect(() => open({ directory: join(file, '..') })).toThrow(/^metadata store in .*: data.mdb is damaged/);
      expect(readFileSync(file).equals(damaged)).toBe(true);
    }
    await open({ directory: join(fileOf('whole', whole), '..') }).close();
    await open({ directory: join(fileOf('empty', Buffer.alloc(0)), '..') }).close();
  });

  test('closing leaves the mutexes in the lock file to a process that is opening the store', async () => {
    const mutexes = (): Buffer => readFileSync(join(directory, 'lock.mdb')).subarray(0, 192);
    const store = open();
    await store.transact([put('a')]);
    const before = mutexes();
    await store.close();
    expect(mutexes().equals(before)).toBe(true);
    expect(before.includes(0xff)).toBe(false);
  });

  test('rows, versions and tokens survive a reopen', async () => {
    const clock = new MovableClock();
    const first = open({ clock });
    await first.transact([put('a', 'kept'), put('b')], 'token');
    await first.transact([put('a', 'kept'), remove('b')]);
    await first.close();
    const second = open({ clock });
    await second.transact([put('a', 'repeated')], 'token');
    expect((await second.range('P')).rows).toEqual([{ pk: 'P', sk: 'a', value: 'kept', version: 2 }]);
    await second.close();
  });

  test('closing waits for accepted writes', async () => {
    const first = open();
    const accepted = Promise.all(Array.from({ length: 50 }, (_, i) => first.transact([put(`k${i}`)])));
    await first.close();
    await accepted;
    const second = open();
    expect((await second.range('P')).rows).toHaveLength(50);
    await second.close();
  });

  test('files are accessible to their owner only', async () => {
    directory = join(directory, 'meta');
    const store = open();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test('a directory that cannot be created causes StoreUnavailable', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    expect(() => open({ directory: join(file, 'meta') })).toThrow(
      expect.objectContaining({ code: 'store-unavailable' }),
    );
  });

  test('a watcher too far behind the pruned log gets a gap, then changes again', async () => {
    const watching = open({ pollIntervalMs: 60_000 });
    const writing = open({ changesKeptMax: 10 });
    const seen: RowChange[] = [];
    let heard = (): void => {};
    watching.watch('P', (change) => {
      seen.push(change);
      heard();
    });
    for (let i = 0; i < 5; i++) {
      await writing.transact(Array.from({ length: 100 }, (_, k) => put(`k${k}`)));
    }
    const told = new Promise<void>((resolve) => (heard = resolve));
    // An own commit wakes the feed, long before the next poll.
    await watching.transact([put('x', '', undefined, 'Q')]);
    await told;
    expect(seen).toEqual(['gap']);
    const again = new Promise<void>((resolve) => (heard = resolve));
    await watching.transact([put('after')]);
    await again;
    expect(seen.at(-1)).toMatchObject({ key: { sk: 'after' } });
    await watching.close();
    await writing.close();
  });

  test('keeps reserved room after its last page, even after it has grown into it', async () => {
    const store = open();
    const bytes = (): number => statSync(join(directory, 'data.mdb')).size;
    await store.transact([put('first')]);
    expect(bytes()).toBeGreaterThanOrEqual(reserveBytesMax);
    const before = bytes();
    const value = 'x'.repeat(20_000);
    const count = 150;
    for (let i = 0; i < count; i++) await store.transact([put(`k${i}`, value)]);
    expect(count * value.length).toBeGreaterThan(reserveBytesMax);
    expect(bytes()).toBeGreaterThan(before + reserveBytesMax / 2);
    await store.close();
    const again = open();
    for (let i = 0; i < count; i++)
      expect((await again.get({ pk: 'P', sk: `k${i}` }))?.value).toHaveLength(value.length);
    await again.close();
  });

  test('pruning and page reuse keep the file bounded', async () => {
    const clock = new MovableClock();
    const store = open({ clock, changesKeptMax: 100 });
    const round = async (n: number): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        clock.advance(60_000);
        const group = Array.from({ length: 50 }, (_, k) => store.transact([put(`k${k}`)], `token-${n}-${i}-${k}`));
        await Promise.all(group);
      }
    };
    const bytes = (): number => statSync(join(directory, 'data.mdb')).size;
    await round(0);
    const settled = bytes();
    for (let n = 1; n < 4; n++) await round(n);
    expect(bytes()).toBeLessThan(settled * 2);
    await store.close();
  });
});

describe('lmdb in several processes', () => {
  const children: ChildProcess[] = [];
  let directory: string;
  const root = new URL('../../', import.meta.url);
  const built = (path: string): string => new URL(`dist/store-fixture/${path}`, root).href;
  const fixture = new URL('fixtures/increment.mjs', import.meta.url).pathname;
  const start = (count: number): ChildProcess => {
    const args = [fixture, built('tenancy/store/lmdb.js'), built('engine/kernel/clock.js'), directory, `${count}`];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  beforeAll(() => {
    // The children run without vitest, so they need JavaScript: the store and what it imports, nothing else.
    const project = new URL('fixtures/tsconfig.json', import.meta.url).pathname;
    const tsc = new URL('node_modules/typescript/bin/tsc', root).pathname;
    execFileSync(process.execPath, [tsc, '--project', project], { stdio: 'inherit' });
  }, 120_000);
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  test('two processes increment 200 times each, exactly', async () => {
    const exits = await Promise.all([start(200), start(200)].map((child) => once(child, 'exit')));
    expect(exits.map(([code]) => code)).toEqual([0, 0]);
    const store = openLmdbStore({ directory, clock: new MovableClock() });
    expect(await store.get({ pk: 'P', sk: 'n' })).toMatchObject({ value: '400', version: 400 });
    await store.close();
  });

  test('after kill -9 of a writing process the other keeps working', async () => {
    const store = openLmdbStore({ directory, clock: new MovableClock(), pollIntervalMs: 2 });
    for (let round = 0; round < 5; round++) {
      const child = start(1_000_000);
      let changes = 0;
      await new Promise<void>((resolve) => {
        const stop = store.watch('P', () => {
          if (++changes < 20) return;
          stop();
          resolve();
        });
      });
      child.kill('SIGKILL');
      await once(child, 'exit');
      const before = (await store.get({ pk: 'P', sk: 'n' }))!;
      expect(before.version).toBe(Number(before.value));
      const increment = (version: number): Promise<void> => store.transact([put('n', `${version + 1}`, { version })]);
      try {
        await increment(before.version);
      } catch (error) {
        // Killed while its commit was on the way to the disk: the next writer finds it complete and makes it visible.
        if (!(error instanceof StoreConflict)) throw error;
        expect(error.current?.version).toBe(before.version + 1);
        await increment(before.version + 1);
      }
    }
    await store.close();
  });
});
