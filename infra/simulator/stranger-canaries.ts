/**
 * More planted bugs (canaries.ts): conditions of writes to the store that are left out one at a time, and what a log, a
 * group or a router forgets when something moves.
 */
import { Ownership } from '../../engine/broker/ownership.ts';
import { Group } from '../../engine/broker/groups/group.ts';
import { brokerSessionsPk } from '../../engine/controller/rows/broker-session.ts';
import { deletedTopicSkPrefix } from '../../engine/controller/rows/deleted-topic.ts';
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import { placementSkPrefix } from '../../engine/controller/rows/placement.ts';
import { producerIdsKey } from '../../engine/controller/rows/producer-ids.ts';
import { ShardTable } from '../../engine/controller/shards/shards.ts';
import type { LogFold } from '../../engine/log/fold/log-fold.ts';
import { OwnedLog } from '../../engine/log/partition/partition-log.ts';
import { logStateSk } from '../../engine/log/rows/log-state.ts';
import type { MetadataStore, StoreOp } from '../../engine/ports.ts';
import { AppendRoute } from '../../engine/routing/append-route.ts';
import type { Canary, Plant } from './plant.ts';
import { changed, methodOf, replaced } from './plant-parts.ts';

type Change = (ops: readonly StoreOp[]) => readonly StoreOp[];

export const strangerCanaries: readonly Canary[] = [
  {
    name: 'takes back what it released, wherever it has gone',
    scenario: 'rare',
    seed: 60,
    plant: () => writing('broker', unconditional(isPlacement)),
  },
  {
    name: 'renews a lease that was fenced',
    scenario: 'orphans',
    seed: 24,
    plant: () => writing('broker', (ops) => (ops[0]?.op === 'check' && ops.some(isLease) ? ops.filter(isLease) : ops)),
  },
  {
    name: 'fences a broker that has renewed its lease meanwhile',
    scenario: 'orphans',
    seed: 58,
    plant: () => writing('parent', (ops) => (ops.some(isSession) ? ops.filter((op) => !isLease(op)) : ops)),
  },
  {
    name: 'moves what was released at another epoch than it has',
    scenario: 'planned',
    seed: 123,
    plant: () => ({ patch: forgetReleasedEpochs }),
  },
  {
    name: 'forgets the producers of a log that moves',
    scenario: 'planned',
    seed: 70,
    plant: () => ({ patch: dropProducersOnRelease }),
  },
  {
    name: 'forgets where a log begins',
    scenario: 'rare',
    seed: 4,
    plant: () => writing('broker', (ops) => ops.filter(({ key }) => key.sk !== logStateSk)),
  },
  {
    name: 'leaves the records of a deleted topic',
    scenario: 'topics',
    seed: 4,
    plant: () => writing('parent', (ops) => ops.filter(({ key }) => !key.sk.startsWith(deletedTopicSkPrefix))),
  },
  {
    name: 'gives two producers one id',
    scenario: 'parents',
    seed: 3,
    plant: () => writing('parent', (ops) => ops.filter(({ key }) => key.pk !== producerIdsKey.pk)),
  },
  {
    name: 'says of an append whose fate it does not know that nobody has stored it',
    scenario: 'kills',
    seed: 102,
    plant: () => ({ patch: forgetDoubts }),
  },
  {
    name: 'forgets the members of a group that moves',
    scenario: 'groups',
    plant: () => ({ patch: dropMembersOnLoad }),
  },
];

/** What processes of a kind write passes through `change`. */
function writing(whose: 'broker' | 'parent', change: Change): Plant {
  const store = (inner: MetadataStore): MetadataStore =>
    changed(inner, {
      async transact(ops, token) {
        const left = change(ops);
        if (left.length > 0) await inner.transact(left, token);
      },
    });
  return { store: (inner, of) => (of === whose ? store(inner) : inner) };
}

function unconditional(isMeant: (op: StoreOp) => boolean): Change {
  return (ops) => ops.map((op) => (op.op === 'put' && isMeant(op) ? { op: 'put', key: op.key, value: op.value } : op));
}

function isPlacement({ key }: StoreOp): boolean {
  return key.sk.startsWith(placementSkPrefix);
}

function isLease({ key }: StoreOp): boolean {
  return key.pk === leasesPk;
}

function isSession({ key }: StoreOp): boolean {
  return key.pk === brokerSessionsPk;
}

/** The mover does not compare the epoch with the one that was released; brokers still know that epoch. */
function forgetReleasedEpochs(): () => void {
  const leaderEpochOf = methodOf(ShardTable.prototype, 'leaderEpochOf');
  const release = methodOf(Ownership.prototype, 'release');
  const epochs = new Map<string, number>();
  const undo = [
    replaced(ShardTable.prototype, 'leaderEpochOf', function (this: ShardTable, topicId, partition) {
      epochs.set(topicId + partition, leaderEpochOf.call(this, topicId, partition));
      return undefined as unknown as number;
    }),
    replaced(Ownership.prototype, 'release', function (this: Ownership, given, closing) {
      const known = given.map((one) => ({ ...one, leaderEpoch: epochs.get(one.topicId + one.partition) ?? -1 }));
      return release.call(this, known, closing);
    }),
  ];
  return () => {
    for (const each of undo) each();
  };
}

function dropProducersOnRelease(): () => void {
  const toRollUp = methodOf(OwnedLog.prototype, 'toRollUp');
  return replaced(OwnedLog.prototype, 'toRollUp', function (this: OwnedLog, withPlaces) {
    const due = toRollUp.call(this, withPlaces);
    if (!due || this.isOpen) return due;
    return { ...due, fold: changed(due.fold, { clone: () => withoutProducers(due.fold.clone()) }) };
  });
}

/** It is written without them. */
function withoutProducers(fold: LogFold): LogFold {
  return changed(fold, { snapshot: () => ({ ...fold.snapshot(), producers: [] }) });
}

function forgetDoubts(): () => void {
  const putBack = methodOf(AppendRoute.prototype, 'putBack');
  return replaced(AppendRoute.prototype, 'putBack', function (this: AppendRoute, item) {
    item.mayBeStored = false;
    putBack.call(this, item);
  });
}

/** Of those that come from the log: they have joined before. */
function dropMembersOnLoad(): () => void {
  const add = methodOf(Group.prototype, 'add');
  return replaced(Group.prototype, 'add', function (this: Group, member, ...rest) {
    if (member.isNew || member.instanceId !== null) add.call(this, member, ...rest);
  });
}
