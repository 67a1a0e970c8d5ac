/**
 * More planted bugs (canaries.ts), which the scripts of rare-scripts.ts and the steps of the wall clock are there to
 * reveal. Each was planted in the sources first, and passed dozens of worlds without them.
 */
import { Ownership } from '../../engine/broker/ownership.ts';
import {
  brokerSessionsPk,
  decodeBrokerSession,
  encodeBrokerSession,
} from '../../engine/controller/rows/broker-session.ts';
import { decodeLease, leasesPk } from '../../engine/controller/rows/lease.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { OwnedLog } from '../../engine/log/partition/partition-log.ts';
import { ProducerState } from '../../engine/log/fold/producer-state.ts';
import { segmentFilePk } from '../../engine/log/rows/segment-file.ts';
import { isWalSpare } from '../../engine/log/wal/wal-format.ts';
import { type Disk, type MetadataStore, StoreConflict, type StoreOp } from '../../engine/ports.ts';
import type { Canary, Plant } from './plant.ts';
import { changed, methodOf, replaced } from './plant-parts.ts';

export const rareCanaries: readonly Canary[] = [
  {
    name: 'says that it has released what it could not publish',
    scenario: 'rare',
    seed: 72018,
    plant: () => ({ patch: releaseWhatever }),
  },
  {
    name: 'writes the counter of a segment file whatever it is by then',
    scenario: 'rare',
    seed: 72036,
    plant: () => ({ store: (store, of) => (of === 'broker' ? countBlindly(store) : store) }),
  },
  {
    name: 'recovers a log that ends before what its lease tells',
    scenario: 'seldom',
    seed: 1301008,
    plant: () => ({ recovery: (options) => ({ ...options, syncedLsn: 0 }) }),
  },
  {
    name: 'counts its lease by the wall clock',
    scenario: 'orphans',
    seed: 72012,
    plant: countByWall,
  },
  {
    name: 'takes the row that fences it for its own',
    scenario: 'orphans',
    seed: 73050,
    plant: () => ({ store: (store, of) => (of === 'broker' ? neverFenced(store) : store) }),
  },
  {
    name: 'forgets the producers of records that are deleted',
    scenario: 'rare',
    seed: 176,
    plant: () => ({ patch: forgetDeleted }),
  },
  {
    name: 'writes over a file of the log before its new name is durable',
    scenario: 'power',
    seed: 4,
    plant: () => ({ logStore: (options) => ({ ...options, disk: hastySpares(options.disk) }) }),
  },
];

function hastySpares(disk: Disk): Disk {
  let isHasty = false;
  return changed(disk, {
    rename(from, to) {
      isHasty = isWalSpare(to.slice(to.lastIndexOf('/') + 1));
      disk.rename(from, to);
    },
    syncDirectory(directory) {
      const synced = disk.syncDirectory(directory);
      if (!isHasty) return synced;
      isHasty = false;
      synced.catch(() => undefined);
      return Promise.resolve();
    },
  });
}

function releaseWhatever(): () => void {
  const release = methodOf(Ownership.prototype, 'release');
  return replaced(Ownership.prototype, 'release', async function (this: Ownership, given, closing) {
    try {
      await release.call(this, given, closing);
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
    }
  });
}

function countBlindly(store: MetadataStore): MetadataStore {
  const blind = (op: StoreOp): StoreOp =>
    op.op === 'put' && op.key.pk === segmentFilePk ? { op: 'put', key: op.key, value: op.value } : op;
  return changed(store, { transact: (ops, token) => store.transact(ops.map(blind), token) });
}

/** From the sending of each renewal, as it should be, on the wrong clock. */
function countByWall(): Plant {
  const validUntilMs = new WeakMap<MetadataStore, number>();
  return {
    store(store, of, clock: Clock) {
      if (of !== 'broker') return store;
      const noting = changed(store, {
        async transact(ops, token) {
          const sentAtMs = clock.wallMs();
          await store.transact(ops, token);
          const lease = ops.find(({ key, op }) => op === 'put' && key.pk === leasesPk);
          if (lease?.op !== 'put') return;
          const { durationMs } = decodeLease({ ...lease.key, value: lease.value, version: 1 });
          validUntilMs.set(noting, sentAtMs + durationMs * 0.95);
        },
      });
      return noting;
    },
    session: (session, store, clock) =>
      changed(session, { mayAck: () => clock.wallMs() < (validUntilMs.get(store) ?? 0) }),
  };
}

/** It goes by the epoch alone: a conflict with the row that fences it passes for one with its own change of state. */
function neverFenced(store: MetadataStore): MetadataStore {
  return changed(store, {
    async transact(ops, token) {
      try {
        await store.transact(ops, token);
      } catch (failure) {
        const row = failure instanceof StoreConflict ? failure.current : undefined;
        const session = row?.pk === brokerSessionsPk ? decodeBrokerSession(row) : undefined;
        if (!row || session?.state !== 'fenced') throw failure;
        const value = encodeBrokerSession({ ...session, state: 'serving' });
        throw new StoreConflict((failure as StoreConflict).index, { ...row, value });
      }
    },
  });
}

/** Retention asks what the log's last segment remembers, and gets the answer that there is nothing. */
function forgetDeleted(): () => void {
  const before = Object.getOwnPropertyDescriptor(OwnedLog.prototype, 'rolledFold')!;
  Object.defineProperty(OwnedLog.prototype, 'rolledFold', {
    configurable: true,
    get(this: OwnedLog) {
      const fold = before.get!.call(this) as OwnedLog['rolledFold'];
      return changed(fold, { producers: new ProducerState() });
    },
  });
  return () => void Object.defineProperty(OwnedLog.prototype, 'rolledFold', before);
}
