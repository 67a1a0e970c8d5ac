/**
 * Planted bugs, each a mistake that somebody could make in code that acknowledges, seals, leases, recovers or replays. They
 * prove that the simulator can detect bugs: a world with one of them must fail within a few seeds. None of them leaves a
 * trace in production code: ports are wrapped, and shared prototypes are changed for one run and then restored.
 */
import {
  brokerSessionsPk,
  decodeBrokerSession,
  encodeBrokerSession,
} from '../../engine/controller/rows/broker-session.ts';
import { decodeLease, leasesPk } from '../../engine/controller/rows/lease.ts';
import { placementSkPrefix } from '../../engine/controller/rows/placement.ts';
import { directorySegments } from '../../engine/log/segments/directory-segments.ts';
import { TakeBack } from '../../engine/broker/take-back.ts';
import { Ownership } from '../../engine/broker/ownership.ts';
import { decodeRequest, decodeRequestHeader } from '../../engine/protocol/headers.ts';
import { type CommitEntry, GroupCommit } from '../../engine/log/wal/group-commit.ts';
import { OwnedLog } from '../../engine/log/partition/partition-log.ts';
import { ProducerState } from '../../engine/log/fold/producer-state.ts';
import { DataCorrupt } from '../../engine/log/log.ts';
import { damagePk } from '../../engine/log/rows/damage.ts';
import { type SegmentCursor, SegmentReader } from '../../engine/log/segments/segment-reader.ts';
import { Wal } from '../../engine/log/wal/wal.ts';
import type { Disk, DiskFile, MetadataStore, SegmentStore, StoreOp } from '../../engine/ports.ts';
import { batchField, batchSizeBytes, lastOffset } from '../../engine/records/batch.ts';
import { writeI32 } from '../../engine/records/bytes.ts';
import { AppendRoute } from '../../engine/routing/append-route.ts';
import { answerCanaries } from './answer-canaries.ts';
import { askedCanaries } from './asked-canaries.ts';
import { gatewayCanaries } from './gateway-canaries.ts';
import type { Canary, Plant } from './plant.ts';
import { changed, methodOf, replaced } from './plant-parts.ts';
import { rareCanaries } from './rare-canaries.ts';
import { sourceCanaries } from './source-canaries.ts';
import { strangerCanaries } from './stranger-canaries.ts';
import { segmentsDirectory } from './world.ts';

const produceKey = 0;

export const canaries: readonly Canary[] = [
  {
    name: 'acknowledges before the sync',
    scenario: 'power',
    plant: () => ({
      logStore: (options) => ({ ...options, settings: { ...options.settings, durability: 'page-cache' } }),
    }),
  },
  {
    name: 'does not look at the lease after the sync',
    scenario: 'orphans',
    seed: 20,
    plant: () => ({ logStore: (options) => ({ ...options, mayAck: () => true }) }),
  },
  {
    name: 'seals a live session before its lease has ended',
    scenario: 'orphans',
    seed: 7,
    plant: () => ({ isGone: () => true }),
  },
  {
    name: 'recovers all but the last batch',
    scenario: 'kills',
    seed: 4,
    plant: () => ({ recovery: (options) => ({ ...options, disk: shortened(options.disk) }) }),
  },
  {
    name: 'does not compare the leader epoch of a batch',
    scenario: 'rare',
    seed: 16,
    plant: () => ({ frame: forgetEpoch }),
  },
  {
    name: 'replays what is not idempotent',
    scenario: 'kills',
    seed: 20,
    plant: () => ({ append: (append) => ({ ...append, idempotent: true }) }),
  },
  {
    name: 'drops the last batch of a log that is released',
    scenario: 'planned',
    seed: 2,
    plant: () => ({ patch: dropLastOnRelease }),
  },
  {
    name: 'opens a log without its producers',
    scenario: 'kills',
    seed: 4,
    plant: () => ({ patch: () => replaced(ProducerState, 'restore', () => new ProducerState()) }),
  },
  {
    name: 'shows records before they are durable',
    scenario: 'power',
    seed: 4,
    plant: () => ({ patch: showBeforeSync }),
  },
  {
    name: 'puts held appends at the end of the queue',
    scenario: 'kills',
    seed: 193,
    plant: () => ({
      patch: () =>
        replaced(AppendRoute.prototype, 'putBack', function (this: AppendRoute, item) {
          this.push(item);
        }),
    }),
  },
  {
    name: 'opens a log again at the epoch that it gave up',
    scenario: 'planned',
    seed: 13,
    plant: () => ({ patch: forgetReleases }),
  },
  {
    name: 'ignores a gap in the change feed',
    scenario: 'store',
    seed: 35,
    plant: () => ({
      store: (store) => ({
        ...store,
        watch: (pk, onChange) =>
          store.watch(pk, (change) => {
            if (change !== 'gap') onChange(change);
          }),
      }),
    }),
  },
  {
    name: 'acknowledges a committed offset before it is durable',
    scenario: 'power',
    seed: 81,
    plant: () => ({
      opened: (log, topic) => {
        if (!topic.endsWith(':offsets')) return;
        const append = log.append.bind(log);
        log.append = (batch, header, nowMs, done) => {
          done({ errorCode: 0, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0, errorMessage: null });
          append(batch, header, nowMs, () => undefined);
        };
      },
    }),
  },
  {
    name: 'publishes a segment that is not synced',
    scenario: 'power',
    seed: 16,
    plant: () => ({
      logStore: (options) => ({ ...options, segments: directorySegments(unsynced(options.disk), segmentsDirectory) }),
    }),
  },
  {
    name: 'does not sync the directory of a new chunk',
    scenario: 'power',
    plant: () => ({
      logStore(options) {
        const disk = changed(options.disk, { syncDirectory: async () => undefined });
        return { ...options, disk, segments: directorySegments(disk, segmentsDirectory) };
      },
    }),
  },
  {
    name: 'counts a lease from the answer to its renewal',
    scenario: 'orphans',
    seed: 20,
    plant: countFromAnswer,
  },
  {
    name: 'moves partitions whatever their owner has become',
    scenario: 'late',
    seed: 3,
    plant: () => ({ store: (store) => moveBlindly(store) }),
  },
  {
    name: 'does not take back what was released for a move that never came',
    scenario: 'planned',
    plant: () => ({ patch: () => replaced(TakeBack.prototype, 'watch', () => undefined) }),
  },
  {
    name: 'leaves a refused append in its log',
    scenario: 'power',
    seed: 10,
    plant: () => ({ patch: () => replaced(OwnedLog.prototype, 'undo', () => undefined) }),
  },
  {
    name: 'sends the batches behind one that was given up',
    scenario: 'kills',
    seed: 46,
    plant: () => ({ patch: () => replaced(AppendRoute.prototype, 'expelBehind', () => []) }),
  },
  {
    name: 'syncs the first of several files',
    scenario: 'power',
    seed: 219,
    plant: syncFirstOnly,
  },
  {
    name: 'acknowledges a repeated batch before its original is durable',
    scenario: 'power',
    seed: 42,
    plant: () => ({ patch: acknowledgeRepeats }),
  },
  {
    name: 'serves what it reads without a look at the checksum',
    scenario: 'rot',
    plant: trustBytes,
  },
  {
    name: 'finds damage and does not say so',
    scenario: 'rot',
    plant: () => ({ store: (store, of) => (of === 'broker' ? withoutDamage(store) : store) }),
  },
  {
    name: 'opens a session beside one that is fenced and not recovered',
    scenario: 'twins',
    seed: 7,
    plant: () => ({ store: (store, of) => (of === 'broker' ? fencedAsClosed(store) : store) }),
  },
  ...strangerCanaries,
  ...rareCanaries,
  ...askedCanaries,
  ...gatewayCanaries,
  ...answerCanaries,
  ...sourceCanaries,
];

function syncFirstOnly(): Plant {
  /** Directories of which a sync in progress has finished one file. */
  const begun = new Set<string>();
  const first = (file: DiskFile): DiskFile => {
    const directory = file.path.slice(0, file.path.lastIndexOf('/'));
    return changed(file, {
      async datasync() {
        if (begun.has(directory)) return;
        begun.add(directory);
        await file.datasync();
      },
    });
  };
  const sync = methodOf(Wal.prototype, 'sync');
  return {
    logStore(options) {
      const { disk } = options;
      const create = (path: string): DiskFile => first(disk.create(path));
      const open = (path: string): DiskFile => first(disk.open(path));
      return { ...options, disk: changed(disk, { create, open }) };
    },
    patch: () =>
      replaced(Wal.prototype, 'sync', function (this: Wal) {
        begun.delete(this.directory);
        return sync.call(this);
      }),
  };
}

function acknowledgeRepeats(): () => void {
  const queue = methodOf(GroupCommit.prototype, 'queue');
  return replaced(GroupCommit.prototype, 'queue', function (this: GroupCommit, entry: CommitEntry) {
    if (entry.record) queue.call(this, entry);
    else entry.acknowledge();
  });
}

/** What the reader refuses is read past it. */
function trustBytes(): Plant {
  let segments: SegmentStore | undefined;
  const bytesFrom = async ({ row }: SegmentCursor, offset: number, error: unknown): Promise<Buffer> => {
    if (!(error instanceof DataCorrupt)) throw error;
    const bytes = Buffer.alloc(row.bytes);
    await segments!.open(row.fileId).read(bytes, row.position);
    let at = 0;
    while (lastOffset(bytes, at) < offset) at += batchSizeBytes(bytes, at);
    return bytes.subarray(at, at + batchSizeBytes(bytes, at));
  };
  const read = methodOf(SegmentReader.prototype, 'read');
  return {
    logStore: (options) => ({ ...options, segments: (segments = options.segments) }),
    patch: () =>
      replaced(SegmentReader.prototype, 'read', function (this: SegmentReader, segment, offset, ...rest) {
        const trusting = async (): Promise<Buffer> => read.call(this, segment, offset, ...rest);
        return trusting().catch((error: unknown) => bytesFrom(segment, offset, error));
      }),
  };
}

function withoutDamage(store: MetadataStore): MetadataStore {
  return changed(store, {
    transact: (ops, token) =>
      store.transact(
        ops.filter(({ key }) => key.pk !== damagePk),
        token,
      ),
  });
}

/** A store that notes when its last renewal was answered, and a session that goes by it. */
function countFromAnswer(): Plant {
  const validUntilMs = new WeakMap<MetadataStore, number>();
  return {
    store(store, _of, clock) {
      const noting = changed(store, {
        async transact(ops, token) {
          await store.transact(ops, token);
          const lease = ops.find(({ key, op }) => op === 'put' && key.pk === leasesPk);
          if (lease?.op !== 'put') return;
          const { durationMs } = decodeLease({ ...lease.key, value: lease.value, version: 1 });
          validUntilMs.set(noting, clock.monotonicMs() + durationMs * 0.95);
        },
      });
      return noting;
    },
    session: (session, store, clock) =>
      changed(session, {
        mayAck: () => session.mayAck() || clock.monotonicMs() < (validUntilMs.get(store) ?? 0),
      }),
  };
}

/** Placements are written without a look at the sessions that lose by it. */
function moveBlindly(store: MetadataStore): MetadataStore {
  const isOfSession = ({ op, key }: StoreOp): boolean => op === 'check' && key.pk === brokerSessionsPk;
  return changed(store, {
    transact(ops, token) {
      const isMove = !isOfSession(ops[0]!) && ops.some(({ key }) => key.sk.startsWith(placementSkPrefix));
      return store.transact(isMove ? ops.filter((op) => !isOfSession(op)) : ops, token);
    },
  });
}

function fencedAsClosed(store: MetadataStore): MetadataStore {
  return changed(store, {
    async get(key) {
      const row = await store.get(key);
      if (!row || key.pk !== brokerSessionsPk) return row;
      const session = decodeBrokerSession(row);
      return session.state === 'fenced' ? { ...row, value: encodeBrokerSession({ ...session, state: 'closed' }) } : row;
    },
  });
}

function forgetEpoch(frame: Buffer): void {
  const { apiKey, apiVersion, bodyAt } = decodeRequestHeader(frame);
  if (apiKey !== produceKey) return;
  for (const { partitionData } of decodeRequest(produceKey, apiVersion, frame, bodyAt).topicData) {
    for (const { records } of partitionData) {
      // Views of the frame, so that the broker reads what is written here.
      if (records instanceof Uint8Array) writeI32(records, batchField.leaderEpoch, -1);
    }
  }
}

function dropLastOnRelease(): () => void {
  const toRollUp = methodOf(OwnedLog.prototype, 'toRollUp');
  return replaced(OwnedLog.prototype, 'toRollUp', function (this: OwnedLog) {
    const due = toRollUp.call(this);
    if (!due || this.isOpen || due.batches.length < 2) return due;
    const batches = due.batches.slice(0, -1);
    const last = this.tail.batches[batches.length - 1]!;
    return { ...due, batches, endOffset: last.nextOffset };
  });
}

function showBeforeSync(): () => void {
  const queue = methodOf(GroupCommit.prototype, 'queue');
  return replaced(GroupCommit.prototype, 'queue', function (this: GroupCommit, entry: CommitEntry) {
    queue.call(this, entry);
    const { record } = entry;
    if (!record) return;
    const advance = entry.advance.bind(entry);
    let isShown = false;
    const show = (): void => {
      if (isShown || !record.chunk) return;
      isShown = true;
      advance();
    };
    entry.advance = show;
    // Behind the write, which the first entry of the turn has asked for.
    void Promise.resolve().then(() => setShown(record, show, () => entry.wake()));
  });
}

/** When the write gives the record its place in a chunk, it is shown. */
function setShown(record: { chunk: unknown }, show: () => void, wake: () => void): void {
  if (record.chunk !== undefined) return;
  let chunk: unknown;
  Object.defineProperty(record, 'chunk', {
    get: () => chunk,
    set: (value: unknown) => {
      chunk = value;
      show();
      wake();
    },
  });
}

function forgetReleases(): () => void {
  const release = methodOf(Ownership.prototype, 'release');
  return replaced(Ownership.prototype, 'release', function (this: Ownership, given, closing) {
    return release.call(
      this,
      given.map((one) => ({ ...one, leaderEpoch: -1 })),
      closing,
    );
  });
}

/** Write-ahead logs that end some bytes early. */
function shortened(disk: Disk): Disk {
  const cut = (file: DiskFile): DiskFile => changed(file, { sizeBytes: () => Math.max(0, file.sizeBytes() - 8) });
  return changed(disk, {
    open: (path) => (path.endsWith('.wal') ? cut(disk.open(path)) : disk.open(path)),
  });
}

function unsynced(disk: Disk): Disk {
  return changed(disk, {
    create: (path) => {
      const file = disk.create(path);
      return path.startsWith(segmentsDirectory) ? changed(file, { datasync: async () => undefined }) : file;
    },
  });
}
