/** A coordinator on a manual clock, with shorthands for requests, shared by the tests of this folder. */
import { type ManualClock, manualClock } from '../../kernel/manual-clock.ts';
import { seededRandom } from '../../kernel/random.ts';
import { zeroUuid } from '../../kernel/uuid.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import { type CoordinatorLog, type LogRecord, MemoryCoordinatorLog } from './coordinator-log.ts';
import { GroupCoordinator, type GroupCoordinatorParts } from './group-coordinator.ts';

export const client = { clientId: 'app', clientHost: '/10.0.0.7' };

/** Appends become durable, or fail, when the test says so. */
export class HeldLog implements CoordinatorLog {
  readonly inner = new MemoryCoordinatorLog();
  hold = false;
  failWith: Error | undefined;
  #held: (() => void)[] = [];

  async append(records: readonly LogRecord[]): Promise<void> {
    if (this.hold) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.failWith) throw this.failWith;
    await this.inner.append(records);
  }

  /** Lets held appends continue. */
  release(): void {
    this.hold = false;
    for (const resume of this.#held.splice(0)) resume();
  }

  replay(visit: (record: LogRecord) => void): Promise<void> {
    return this.inner.replay(visit);
  }

  endOffset(): number {
    return this.inner.endOffset();
  }

  truncateBefore(offset: number): Promise<void> {
    return this.inner.truncateBefore(offset);
  }
}

/** A request in flight: `response` is undefined while it is parked. */
export interface Parked<T> {
  response: T | undefined;
  readonly done: Promise<T>;
}

export function parked<T>(done: Promise<T>): Parked<T> {
  const result: Parked<T> = { response: undefined, done };
  void done.then((response) => (result.response = response));
  return result;
}

export interface Bench {
  readonly clock: ManualClock;
  readonly log: HeldLog;
  readonly coordinator: GroupCoordinator;
  join(options?: Partial<JoinGroupRequest> & { readonly version?: number }): Parked<JoinGroupResponse>;
  sync(
    memberId: string,
    generationId: number,
    assignments?: Readonly<Record<string, string>>,
    instanceId?: string,
    protocolType?: string,
  ): Parked<SyncGroupResponse>;
  heartbeat(memberId: string, generationId: number, instanceId?: string): Promise<number>;
  leave(memberId: string, instanceId?: string | null): Promise<number>;
  commit(offset: number, options?: CommitOptions): Promise<number>;
  fetch(topic?: string, partition?: number): Promise<number | bigint>;
  state(groupId?: string): Promise<string>;
}

export interface CommitOptions {
  readonly version?: number;
  readonly groupId?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly memberId?: string;
  readonly instanceId?: string;
  readonly generation?: number;
  readonly metadata?: string | null;
  readonly retentionMs?: number;
}

export async function bench(
  options: Partial<GroupCoordinatorParts> & { readonly load?: boolean; readonly on?: Bench } = {},
): Promise<Bench> {
  const clock = options.on?.clock ?? manualClock();
  const log = options.on?.log ?? new HeldLog();
  const random = options.random ?? seededRandom(options.on === undefined ? 1 : log.endOffset() + 2);
  const coordinator = new GroupCoordinator({ log, clock, random, ...options });
  if (options.load !== false) await coordinator.load();
  return benchOf(clock, log, coordinator);
}

function benchOf(clock: ManualClock, log: HeldLog, coordinator: GroupCoordinator): Bench {
  return {
    clock,
    log,
    coordinator,
    join({ version = 9, ...more } = {}) {
      return parked(coordinator.joinGroup(version, joinRequest(more), client));
    },
    sync(memberId, generationId, assignments = {}, instanceId, protocolType = 'consumer') {
      const request = {
        groupId: 'g',
        generationId,
        memberId,
        groupInstanceId: instanceId ?? null,
        protocolType,
        protocolName: null,
        assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
      };
      return parked(coordinator.syncGroup(5, request, client));
    },
    async heartbeat(memberId, generationId, instanceId) {
      const request = { groupId: 'g', generationId, memberId, groupInstanceId: instanceId ?? null };
      return (await coordinator.heartbeat(4, request, client)).errorCode;
    },
    async leave(memberId, instanceId = null) {
      const request = {
        groupId: 'g',
        memberId: '',
        members: [{ memberId, groupInstanceId: instanceId, reason: null }],
      };
      const response = await coordinator.leaveGroup(5, request, client);
      return response.errorCode || response.members[0]!.errorCode;
    },
    commit: (offset, options) => commit(coordinator, offset, options),
    async fetch(topic = 't', partition = 0) {
      const request = {
        groupId: 'g',
        topics: [{ name: topic, partitionIndexes: [partition] }],
        groups: [],
        requireStable: false,
      };
      const response = await coordinator.offsetFetch(7, request, client);
      return response.topics[0]!.partitions[0]!.committedOffset;
    },
    async state(groupId = 'g') {
      const request = { groups: [groupId], includeAuthorizedOperations: false };
      return (await coordinator.describeGroups(5, request, client)).groups[0]!.groupState;
    },
  };
}

async function commit(coordinator: GroupCoordinator, offset: number, options: CommitOptions = {}): Promise<number> {
  const partition = {
    partitionIndex: options.partition ?? 0,
    committedOffset: offset,
    committedLeaderEpoch: -1,
    committedMetadata: options.metadata === undefined ? '' : options.metadata,
  };
  const request = {
    groupId: options.groupId ?? 'g',
    generationIdOrMemberEpoch: options.generation ?? -1,
    memberId: options.memberId ?? '',
    groupInstanceId: options.instanceId ?? null,
    retentionTimeMs: options.retentionMs ?? -1,
    topics: [{ name: options.topic ?? 't', topicId: zeroUuid, partitions: [partition] }],
  };
  const response = await coordinator.offsetCommit(options.version ?? 9, request, client);
  return response.topics[0]!.partitions[0]!.errorCode;
}

export function joinRequest(more: Partial<JoinGroupRequest> = {}): JoinGroupRequest {
  return {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 30_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: protocols('range'),
    reason: null,
    ...more,
  };
}

/** Strategies with a readable subscription to topic t. */
export function protocols(...names: string[]): JoinGroupRequest['protocols'] {
  return names.map((name) => ({ name, metadata: subscription('t') }));
}

export function subscription(...topics: string[]): Buffer {
  const parts = [Buffer.from([0, 1, 0, 0, 0, topics.length])];
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic));
  parts.push(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  return Buffer.concat(parts);
}

/** The dynamic members of one stable generation, leader first, each with its id as its assignment. */
export async function stableGroup(on: Bench, count: number): Promise<{ ids: string[]; generation: number }> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push((await on.join().done).memberId);
  const joins = ids.map((memberId) => on.join({ memberId }));
  await on.clock.advance(2_000);
  const generation = (await joins[0]!.done).generationId;
  const leader = (await joins[0]!.done).leader;
  const all = Object.fromEntries(ids.map((id) => [id, id]));
  const syncs = ids.map((id) => on.sync(id, generation, id === leader ? all : {}));
  await Promise.all(syncs.map((sync) => sync.done));
  return { ids: [leader, ...ids.filter((id) => id !== leader)], generation };
}
