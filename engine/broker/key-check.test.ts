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
  await new Promise<void>((resolve) => {
    afterKeyCheck(log, large, (fault) => void ends.push(`large ${fault?.errorCode}`));
    afterKeyCheck(log, small, (fault) => void ends.push(`small ${fault?.errorCode}`));
    afterKeyCheck(log, keyless, (fault) => void ends.push(`keyless ${fault?.errorCode}`));
    // Another log waits for none of them.
    afterKeyCheck({} as PartitionLog, small, () => void ends.push('other'));
    afterKeyCheck(log, small, () => resolve());
  });
  expect(ends).toEqual(['other', 'large undefined', 'small undefined', 'keyless 87']);
});
