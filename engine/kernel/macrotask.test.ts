import { describe, expect, it } from 'vitest';
import { inMacrotask, runReady } from './macrotask.ts';

describe('runReady', () => {
  it('runs every ready microtask and those that they queue, before it returns', async () => {
    const seen: string[] = [];
    const chain = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      seen.push('chain');
    };
    await inMacrotask(() => {
      for (let i = 0; i < 3; i++) {
        void chain();
        queueMicrotask(() => process.nextTick(() => seen.push('tick')));
        runReady();
        seen.push('returned');
      }
    });
    expect(seen).toEqual(Array.from({ length: 3 }, () => ['chain', 'tick', 'returned']).flat());
  });

  it('reports an unhandled rejection before it returns', async () => {
    const told: unknown[] = [];
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', (error) => told.push(error));
    try {
      const counts = await inMacrotask(() =>
        [1, 2, 3].map((n) => {
          void Promise.reject(new Error(`rejected ${n}`));
          runReady();
          return told.length;
        }),
      );
      expect(counts).toEqual([1, 2, 3]);
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const other of others) process.on('unhandledRejection', other);
    }
  });
});

describe('inMacrotask', () => {
  it('begins when everything that is ready has run, and has the outcome of its work', async () => {
    const seen: string[] = [];
    void Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => seen.push('ready'));
    expect(await inMacrotask(() => seen.push('work'))).toBe(2);
    expect(seen).toEqual(['ready', 'work']);
    const failing = inMacrotask(() => {
      throw new Error('failed');
    });
    await expect(failing).rejects.toThrow('failed');
  });
});
