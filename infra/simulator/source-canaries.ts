/**
 * More planted bugs (canaries.ts): those that were planted in the sources first, as a stranger would, and that no
 * second line of code makes harmless.
 */
import { Ownership } from '../../engine/broker/ownership.ts';
import { GroupCoordinator } from '../../engine/broker/groups/group-coordinator.ts';
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import type { PartitionLog } from '../../engine/log/log.ts';
import { LeaderEpochs } from '../../engine/log/fold/leader-epochs.ts';
import { OwnedLog } from '../../engine/log/partition/partition-log.ts';
import { type ProducerEntry, ProducerState } from '../../engine/log/fold/producer-state.ts';
import { Wal } from '../../engine/log/wal/wal.ts';
import type { MetadataStore } from '../../engine/ports.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { BatchHeader } from '../../engine/records/batch.ts';
import { AppendRoute } from '../../engine/routing/append-route.ts';
import { SequenceGaps } from '../../engine/records/sequence-gaps.ts';
import type { Canary } from './plant.ts';
import { changed, methodOf, replaced } from './plant-parts.ts';

export const sourceCanaries: readonly Canary[] = [
  {
    name: 'sends to the next owner while something is with the former one',
    scenario: 'planned',
    seed: 4,
    plant: () => ({
      patch: () =>
        replaced(AppendRoute.prototype, 'mayBeSent', function (this: AppendRoute, { leaderEpoch }, _link, nowMs) {
          const isFree = this.flights.length === 0 || (!this.draining && this.proven);
          return isFree && (leaderEpoch !== this.refusedEpoch || nowMs >= this.retryAtMs);
        }),
    }),
  },
  {
    name: 'lets in what follows a batch that was given up',
    scenario: 'far',
    seed: 42,
    plant: () => ({ patch: () => replaced(SequenceGaps.prototype, 'isEarly', () => false) }),
  },
  {
    name: 'forgets which epoch wrote what',
    scenario: 'kills',
    plant: () => ({ patch: () => replaced(LeaderEpochs.prototype, 'observe', () => undefined) }),
  },
  {
    name: 'counts a renewal without an answer for one',
    scenario: 'orphans',
    seed: 27,
    plant: () => ({ store: (store, of) => (of === 'broker' ? renewingAnyhow(store) : store) }),
  },
  {
    name: 'publishes over segments that changed meanwhile',
    scenario: 'topics',
    seed: 4,
    plant: () => ({ patch: publishWhatever }),
  },
  {
    name: 'writes over a chunk of the log that a segment file refers to',
    scenario: 'planned',
    seed: 33,
    plant: () => ({ patch: forgetReferences }),
  },
  {
    name: 'ends in order without its last roll-up',
    scenario: 'parents',
    plant: () => ({ patch: endUnrolled }),
  },
  {
    name: 'takes a commit of a generation that is over',
    scenario: 'groups',
    plant: () => ({ patch: takeOldCommits }),
  },
  {
    name: 'drops a record too many of what a checkpoint replaces',
    scenario: 'groups',
    seed: 4,
    plant: () => ({
      opened(log, topic) {
        if (!topic.endsWith(':offsets')) return;
        const deleteRecords = log.deleteRecords.bind(log);
        log.deleteRecords = (offset) => deleteRecords(offset + 1);
      },
    }),
  },
  {
    name: 'tells the end of a log before it is durable',
    scenario: 'power',
    seed: 11,
    plant: () => ({ patch: tellEndEarly }),
  },
  {
    name: 'keeps half of what retention has to leave',
    scenario: 'topics',
    plant: () => ({ patch: keepHalf }),
  },
  {
    name: 'takes batches of an old epoch of their producer',
    scenario: 'kills',
    seed: 4,
    plant: () => ({ patch: takeOldEpochs }),
  },
];

function renewingAnyhow(store: MetadataStore): MetadataStore {
  return changed(store, {
    async transact(ops, token) {
      try {
        await store.transact(ops, token);
      } catch (failure) {
        const isRenewal = ops.length === 2 && ops[1]!.key.pk === leasesPk;
        if (!isRenewal || !(failure instanceof Failure && failure.retryable)) throw failure;
      }
    },
  });
}

function publishWhatever(): () => void {
  const toRollUp = methodOf(OwnedLog.prototype, 'toRollUp');
  return replaced(OwnedLog.prototype, 'toRollUp', function (this: OwnedLog, withPlaces) {
    const due = toRollUp.call(this, withPlaces);
    return due && { ...due, isCurrent: () => true };
  });
}

function forgetReferences(): () => void {
  const toRollUp = methodOf(OwnedLog.prototype, 'toRollUp');
  return replaced(OwnedLog.prototype, 'toRollUp', function (this: OwnedLog, withPlaces) {
    const due = toRollUp.call(this, withPlaces);
    for (const { chunk } of this.tail.batches) chunk.isReferred = false;
    return due;
  });
}

/** Released logs lend their tails before; logs closed by an orderly end do not. */
function endUnrolled(): () => void {
  const toRollUp = methodOf(OwnedLog.prototype, 'toRollUp');
  const lendTail = methodOf(OwnedLog.prototype, 'lendTail');
  const close = methodOf(Wal.prototype, 'close');
  const released = new WeakSet<OwnedLog>();
  const undo = [
    replaced(OwnedLog.prototype, 'lendTail', function (this: OwnedLog) {
      released.add(this);
      lendTail.call(this);
    }),
    replaced(OwnedLog.prototype, 'toRollUp', function (this: OwnedLog, withPlaces) {
      return this.isOpen || released.has(this) ? toRollUp.call(this, withPlaces) : undefined;
    }),
    replaced(Wal.prototype, 'close', function (this: Wal) {
      return close.call(this, false);
    }),
  ];
  return () => {
    for (const each of undo) each();
  };
}

/** A member's commit counts for whatever generation is current by then. */
function takeOldCommits(): () => void {
  const offsetCommit = methodOf(GroupCoordinator.prototype, 'offsetCommit');
  const generationsMax = 50;
  return replaced(
    GroupCoordinator.prototype,
    'offsetCommit',
    async function (this: GroupCoordinator, version, request, client) {
      const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: first } = request;
      let generationId = first;
      for (let i = 0; first >= 0 && i < generationsMax; i++) {
        generationId = first + i;
        const beat = { groupId, memberId, groupInstanceId, generationId };
        if ((await this.heartbeat(0, beat, client)).errorCode !== errorCode.illegalGeneration) break;
      }
      return offsetCommit.call(this, version, { ...request, generationIdOrMemberEpoch: generationId }, client);
    },
  );
}

/** Whoever asks a broker about a log sees what is queued as if it were there. */
function tellEndEarly(): () => void {
  const openEyed = new WeakMap<PartitionLog, PartitionLog>();
  const eager = (log: PartitionLog): PartitionLog => {
    let seen = openEyed.get(log);
    if (!seen) {
      seen = new Proxy(log, {
        get(of, name) {
          const value: unknown = Reflect.get(of, name === 'highWatermark' ? 'endOffset' : name, of);
          return typeof value === 'function' ? (value.bind(of) as unknown) : value;
        },
      });
      openEyed.set(log, seen);
    }
    return seen;
  };
  const withLog = methodOf(Ownership.prototype, 'with');
  return replaced(Ownership.prototype, 'with', function (this: Ownership, topicId, partition, use, sentEpoch) {
    withLog.call(
      this,
      topicId,
      partition,
      (owned) => use('log' in owned ? { ...owned, log: eager(owned.log) } : owned),
      sentEpoch,
    );
  });
}

function keepHalf(): () => void {
  const before = Object.getOwnPropertyDescriptor(OwnedLog.prototype, 'configs')!;
  Object.defineProperty(OwnedLog.prototype, 'configs', {
    configurable: true,
    get(this: OwnedLog) {
      const configs = before.get!.call(this) as OwnedLog['configs'];
      return { ...configs, retentionBytes: configs.retentionBytes / 2 };
    },
  });
  return () => void Object.defineProperty(OwnedLog.prototype, 'configs', before);
}

/** A producer whose epoch is over counts as unknown. */
function takeOldEpochs(): () => void {
  const take = methodOf(OwnedLog.prototype, 'take');
  const get = methodOf(ProducerState.prototype, 'get');
  let taken: BatchHeader | undefined;
  const undo = [
    replaced(OwnedLog.prototype, 'take', function (this: OwnedLog, batch, header, ...rest) {
      taken = header;
      take.call(this, batch, header, ...rest);
      taken = undefined;
    }),
    replaced(ProducerState.prototype, 'get', function (this: ProducerState, producerId): ProducerEntry | undefined {
      const entry = get.call(this, producerId);
      return taken && entry && entry.epoch > taken.producerEpoch ? undefined : entry;
    }),
  ];
  return () => {
    for (const each of undo) each();
  };
}
