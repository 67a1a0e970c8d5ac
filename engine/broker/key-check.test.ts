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
    afterKeyCheck(of, batch, (fault) => void ends.push(`${name} ${fault?.errorCode ?? 'taken'}`));
  await new Promise<void>((resolve) => {
    check(log, 'large', large);
    check(log, 'small', small);
    check(log, 'keyless', keyless);
    // Another log waits for none of them.
    check({} as PartitionLog, 'other', small);
    afterKeyCheck(log, small, () => resolve());
  });
  expect(ends).toEqual(['other taken', 'large taken', 'small taken', 'keyless 87']);
});
