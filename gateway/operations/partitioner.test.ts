import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { murmur2, partitionOfKey } from './partitioner.ts';

const require = createRequire(import.meta.url);
const theirs = require('kafkajs/src/producer/partitioners/default/murmur2.js') as (key: Buffer) => number;

describe('murmur2', () => {
  it('gives the vectors of the Java client', () => {
    // org.apache.kafka.common.utils.UtilsTest.testMurmur2
    const vectors: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ];
    for (const [text, hash] of vectors) expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  it('puts every key where kafkajs puts it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.integer({ min: 1, max: 500 }), (key, n) => {
        expect(partitionOfKey(key, n)).toBe((theirs(Buffer.from(key)) & 0x7fffffff) % n);
      }),
    );
  });
});
