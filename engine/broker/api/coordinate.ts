/**
 * Group requests (keys 8, 9, 11 to 16, 42, 47) at the broker: each goes to the coordinator whose partition its group
 * maps to. A request concerns one group; ListGroups concerns those of a cluster that sit here.
 */
import type { CoordinatorApi } from '../../engine.ts';
import { assert } from '../../kernel/assert.ts';
import { Failure } from '../../kernel/failure.ts';
import type { Call, CallOf } from '../../link/serve.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { RequestOf, ResponseOf } from '../../protocol/apis.ts';
import { splitClient, splitSeats } from '../../routing/coordinator-client.ts';
import { clusterOfGroup } from '../../routing/coordinator-seat.ts';
import { coordinatorShapes } from '../../link/coordinator-shapes.ts';
import type { CoordinatorSeats } from '../coordinator-seats.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import { codeOf, type GroupClient } from '../groups/shell.ts';

/**
 * Throws an assertion for a key that no part of this broker serves: the gateway sends only what the engine offers. A
 * Failure that an operation has not turned into a code is answered here. A link with an unanswered request is after a
 * while taken for hung, and ends for all that share it.
 */
export async function coordinate(seats: CoordinatorSeats, call: Call): Promise<void> {
  if (call.key === 16) {
    return orFail(list(seats, call), (code) => call.respond({ throttleTimeMs: 0, errorCode: code, groups: [] }));
  }
  assert(isOfOneGroup(call), `API ${call.key} is not served by brokers`);
  return orFail(coordinateOne(seats, call), (code) => fail(call, code));
}

async function orFail(work: Promise<void>, fail: (code: number) => void): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    fail(codeOf(error));
  }
}

function fail<K extends CoordinatorApi>(call: CallOf<K>, code: number): void {
  call.respond(coordinatorShapes[call.key].failure(call.request, code));
}

async function coordinateOne<K extends CoordinatorApi>(seats: CoordinatorSeats, call: CallOf<K>): Promise<void> {
  const { key, version, request } = call;
  const api: GroupApi<K> = groupApis[key];
  const group = api.groupOf(request);
  const cluster = clusterOfGroup(group);
  const seated = cluster === undefined ? { errorCode: errorCode.invalidGroupId } : await seats.ofGroup(cluster, group);
  if ('errorCode' in seated) return fail(call, seated.errorCode);
  call.respond(await api.answer(seated.coordinator, version, request, splitClient(call.clientId)));
}

interface GroupApi<K extends CoordinatorApi> {
  /** The one group that a request concerns. Several APIs take lists, in which the gateway puts one entry. */
  groupOf(request: RequestOf<K>): string;
  answer(
    coordinator: GroupCoordinator,
    version: number,
    request: RequestOf<K>,
    client: GroupClient,
  ): Promise<ResponseOf<K>>;
}

const groupIdOf = ({ groupId }: { readonly groupId: string }): string => groupId;

const groupApis: { readonly [K in CoordinatorApi]: GroupApi<K> } = {
  8: { groupOf: groupIdOf, answer: (coordinator, ...asked) => coordinator.offsetCommit(...asked) },
  9: {
    groupOf: ({ groupId, groups }) => groups[0]?.groupId ?? groupId,
    answer: (coordinator, ...asked) => coordinator.offsetFetch(...asked),
  },
  11: { groupOf: groupIdOf, answer: (coordinator, ...asked) => coordinator.joinGroup(...asked) },
  12: { groupOf: groupIdOf, answer: (coordinator, ...asked) => coordinator.heartbeat(...asked) },
  13: { groupOf: groupIdOf, answer: (coordinator, ...asked) => coordinator.leaveGroup(...asked) },
  14: { groupOf: groupIdOf, answer: (coordinator, ...asked) => coordinator.syncGroup(...asked) },
  15: {
    groupOf: ({ groups }) => groups[0] ?? '',
    answer: (coordinator, ...asked) => coordinator.describeGroups(...asked),
  },
  42: {
    groupOf: ({ groupsNames }) => groupsNames[0] ?? '',
    answer: (coordinator, ...asked) => coordinator.deleteGroups(...asked),
  },
  47: { groupOf: groupIdOf, answer: (coordinator, ...asked) => coordinator.offsetDelete(...asked) },
};

function isOfOneGroup(call: Call): call is Extract<Call, { readonly key: CoordinatorApi }> {
  return Object.hasOwn(groupApis, call.key);
}

/**
 * The header's client id names the cluster and the seats that the gateway believes to be here. It may learn of a move
 * before us, or after. When one of the seats is unavailable, the gateway is redirected, and asks again where its
 * catalogue then points.
 */
async function list(seats: CoordinatorSeats, call: CallOf<16>): Promise<void> {
  const client = { clientId: '', clientHost: '' };
  const { clusterId, partitions } = splitSeats(call.clientId);
  const coordinators = await seats.ofPartitions(clusterId, partitions);
  if (!coordinators) return call.respond({ throttleTimeMs: 0, errorCode: errorCode.notCoordinator, groups: [] });
  const lists = await Promise.all(
    coordinators.map((coordinator) => coordinator.listGroups(call.version, call.request, client)),
  );
  const failed = lists.find((each) => each.errorCode !== errorCode.none);
  call.respond({
    throttleTimeMs: 0,
    errorCode: failed?.errorCode ?? errorCode.none,
    groups: lists.flatMap(({ groups }) => groups).filter((group) => clusterOfGroup(group.groupId) === clusterId),
  });
}
