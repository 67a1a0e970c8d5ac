import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { PartitionLog } from '../log/log.ts';
import { codec } from '../records/batch.ts';
import { recompressBatch } from '../records/decode.ts';
import { encodeBatch } from '../records/encode.ts';
import { afterKeyCheck } from './key-check.ts';

const value = randomBytes(512 * 1024);
const key = Buffer.from('k');

it('ends in the order in which batches came, whatever each takes', async () => {
  const large = await recompressBatch(encodeBatch([{ key, value, timestampMs: 1 }]), codec.gzip);
  const small = encodeBatch([{ key, value: null, timestampMs: 1 }]);
  const keyless = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
  const log = {} as PartitionLog;
  const ends: string[] = [];
  const check = (of: PartitionLog, name: string, batch: Buffer): void =>
    afterKeyCheck(of, batch, true, (fault) => void ends.push(`${name} ${fault?.errorCode ?? 'taken'}`));
  await new Promise<void>((resolve) => {
    check(log, 'large', large);
    check(log, 'small', small);
    check(log, 'keyless', keyless);
    // Another log waits for none of them.
    check({} as PartitionLog, 'other', small);
    afterKeyCheck(log, small, true, () => resolve());
  });
  expect(ends).toEqual(['other taken', 'large taken', 'small taken', 'keyless 87']);
});

it('keeps the order when the topic ceases to be compacted while a batch is looked into, and then looks no more', async () => {
  const large = await recompressBatch(encodeBatch([{ key, value, timestampMs: 1 }]), codec.gzip);
  const keyless = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
  const log = {} as PartitionLog;
  const ends: string[] = [];
  const note = (name: string, requiresKey: boolean, batch: Buffer): Promise<void> =>
    new Promise((resolve) => {
      afterKeyCheck(log, batch, requiresKey, (fault) => {
        ends.push(`${name} ${fault?.errorCode ?? 'taken'}`);
        resolve();
      });
    });
  await Promise.all([note('large', true, large), note('keyless', false, keyless)]);
  const isAtOnce = note('after', false, keyless);
  expect(ends).toEqual(['large taken', 'keyless taken', 'after taken']);
  await isAtOnce;
});
