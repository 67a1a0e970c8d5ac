import { describe, expect, it } from 'vitest';
import { settled } from './settled.ts';

describe('settled', () => {
  it('resolves after every ready microtask, and after those that they queue', async () => {
    const seen: string[] = [];
    const chain = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      seen.push('chain');
    };
    // More often than immediates share a pass.
    for (let i = 0; i < 200; i++) {
      void chain();
      await settled();
      seen.push('settled');
    }
    expect(seen).toEqual(Array.from({ length: 200 }, () => ['chain', 'settled']).flat());
  });

  it('resolves for all who wait', async () => {
    const seen: number[] = [];
    await Promise.all([1, 2, 3].map((n) => settled().then(() => seen.push(n))));
    expect(seen).toEqual([1, 2, 3]);
  });

  it('resolves after an unhandled rejection is reported', async () => {
    const told: unknown[] = [];
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', (error) => told.push(error));
    try {
      for (let i = 0; i < 3; i++) {
        void Promise.reject(new Error(`rejected ${i}`));
        await settled();
        await settled();
        expect(told).toHaveLength(i + 1);
      }
    } finally {
      process.removeAllListeners('unhandledRejection');
      for (const other of others) process.on('unhandledRejection', other);
    }
  });
});
