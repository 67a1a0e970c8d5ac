/**
 * Producer ids, taken from the store a block at a time. When a block's write has an unknown outcome, it is repeated
 * with the same token. A controller that stops wastes the rest of its block, which is fine: there are 2^53 ids.
 */
import { assert } from '../kernel/assert.ts';
import { StoreConflict } from '../ports.ts';
import { getSurely, type Persistence, transactSurely } from '../store-surely.ts';
import { encodeProducerIds, nextProducerId, producerIdsKey, producerIdsPerBlockMax } from './rows/producer-ids.ts';

export interface ProducerIds {
  /** Throws the store's failure once the wait is over. */
  allocate(): Promise<number>;
}

export function producerIds(persistence: Persistence, waitMsMax: number, perBlock: number): ProducerIds {
  assert(perBlock <= producerIdsPerBlockMax, 'a block stays within what a damaged row is taken to have given');
  let next = 0;
  let end = 0;
  let taking: Promise<void> | undefined;

  async function takeBlock(): Promise<void> {
    for (;;) {
      const row = await getSurely(persistence, producerIdsKey, waitMsMax);
      const first = nextProducerId(row);
      const value = encodeProducerIds({ next: first + perBlock });
      const condition = row ? { version: row.version } : { absent: true as const };
      try {
        await transactSurely(persistence, [{ op: 'put', key: producerIdsKey, value, if: condition }], waitMsMax);
      } catch (failure) {
        if (failure instanceof StoreConflict) continue;
        throw failure;
      }
      next = first;
      end = first + perBlock;
      return;
    }
  }

  return {
    async allocate() {
      while (next === end) {
        taking ??= takeBlock().finally(() => (taking = undefined));
        await taking;
      }
      return next++;
    },
  };
}
