/**
 * Reads and writes that keep trying while the store is slow, throttled, unreachable or silent. All repeats of a write carry
 * one token, so a write whose reply was lost takes effect once and reports its true outcome.
 */
import type { Clock } from './kernel/clock.ts';
import { sleep } from './kernel/clock.ts';
import { Failure, ShuttingDown } from './kernel/failure.ts';
import { below, type Random } from './kernel/random.ts';
import { uuidOf, uuidText } from './kernel/uuid.ts';
import { type MetadataStore, type Row, type RowKey, type StoreOp, storeTokenMs } from './ports.ts';

export interface Persistence {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  /** When it returns true, all waiting ends with ShuttingDown. */
  stopped?(): boolean;
}

const retryMsMin = 5;
const retryMsMax = 250;

/** Well within the life of a token: a repeat after that could take effect a second time. */
const persistWaitMsMax = storeTokenMs / 2;

/** All or nothing. Throws StoreConflict and StoreLimit at once, and the store's last failure after `waitMsMax`. */
export function transactSurely(
  persistence: Persistence,
  ops: readonly StoreOp[],
  waitMsMax: number = persistWaitMsMax,
): Promise<void> {
  const token = uuidText(uuidOf(persistence.random));
  return surely(persistence, Math.min(waitMsMax, persistWaitMsMax), () => persistence.store.transact(ops, token));
}

export function getSurely(
  persistence: Persistence,
  key: RowKey,
  waitMsMax: number = persistWaitMsMax,
): Promise<Row | undefined> {
  return surely(persistence, waitMsMax, () => persistence.store.get(key));
}

/** All rows of `pk`, over as many pages as needed. Read-committed, like each page. */
export async function rangeSurely(
  persistence: Persistence,
  pk: string,
  waitMsMax: number = persistWaitMsMax,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const options = cursor === undefined ? {} : { cursor };
    const page = await surely(persistence, waitMsMax, () => persistence.store.range(pk, options));
    for (const row of page.rows) rows.push(row);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return rows;
}

async function surely<T>(persistence: Persistence, waitMsMax: number, attempt: () => Promise<T>): Promise<T> {
  const { clock, random } = persistence;
  const deadlineMs = clock.monotonicMs() + waitMsMax;
  for (let delayMs = retryMsMin; ; delayMs = Math.min(retryMsMax, delayMs * 2)) {
    try {
      return await attempt();
    } catch (failure) {
      if (!(failure instanceof Failure && failure.retryable) || clock.monotonicMs() >= deadlineMs) throw failure;
    }
    if (persistence.stopped?.()) throw new ShuttingDown('gave up waiting for the metadata store');
    await sleep(clock, delayMs / 2 + below(random, delayMs));
  }
}
