/**
 * Group requests (keys 8, 9, 11 to 16, 42, 47) at the broker: each goes to the coordinator on whose partition its group
 * falls. One request concerns one group; ListGroups concerns those of a cluster that sit here.
 */
import type { CoordinatorApi } from '../../engine.ts';
import { assert } from '../../kernel/assert.ts';
import { Failure } from '../../kernel/failure.ts';
import type { Call, CallOf } from '../../link/serve.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { RequestOf, ResponseOf } from '../../protocol/apis.ts';
import { splitClient, splitSeats } from '../../routing/coordinator-client.ts';
import { clusterOfGroup } from '../../routing/coordinator-seat.ts';
import { type CoordinatorShape, coordinatorShapes } from '../../link/coordinator-shapes.ts';
import type { CoordinatorSeats } from '../coordinator-seats.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import { codeOf, type GroupClient } from '../groups/shell.ts';

/**
 * Throws an assertion for a key that no part of this broker serves: the gateway sends only what the engine offers. A Failure
 * that the operations have not put into codes themselves is answered here: a link on which a request stays unanswered is
 * taken for hung after a while, and ends for all that share it.
 */
export async function coordinate(seats: CoordinatorSeats, call: Call): Promise<void> {
  const fail = call.key === 16 ? failedList(call) : failedAnswer(call);
  try {
    await (call.key === 16 ? list(seats, call) : coordinateOne(seats, call));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    fail(codeOf(error));
  }
}

function failedList(call: CallOf<16>): (code: number) => void {
  return (code) => call.respond({ throttleTimeMs: 0, errorCode: code, groups: [] });
}

function failedAnswer(call: Call): (code: number) => void {
  assert(isCoordinatorKey(call.key), `API ${call.key} is not served by brokers`);
  const asked = call as CallOf<CoordinatorApi>;
  // The answer belongs to the key; the compiler cannot follow the pair through the tables.
  const shape = coordinatorShapes[asked.key] as unknown as CoordinatorShape<CoordinatorApi>;
  return (code) => asked.respond(shape.failure(asked.request, code));
}

async function coordinateOne(seats: CoordinatorSeats, call: Call): Promise<void> {
  const { key, version, request } = call as CallOf<CoordinatorApi>;
  const group = groupOf(key, request);
  const cluster = clusterOfGroup(group);
  const seated = cluster === undefined ? { errorCode: errorCode.invalidGroupId } : await seats.ofGroup(cluster, group);
  if ('errorCode' in seated) return failedAnswer(call)(seated.errorCode);
  const { clientId, clientHost } = splitClient(call.clientId);
  const response = await answer(seated.coordinator, key, version, request, { clientId, clientHost });
  (call as CallOf<CoordinatorApi>).respond(response);
}

const coordinatorKeys: readonly number[] = [8, 9, 11, 12, 13, 14, 15, 42, 47];

function isCoordinatorKey(key: number): key is CoordinatorApi {
  return coordinatorKeys.includes(key);
}

/** The one group that a request concerns: several APIs take lists, of which the gateway fills in one. */
function groupOf(key: CoordinatorApi, request: RequestOf<CoordinatorApi>): string {
  switch (key) {
    case 9: {
      const { groupId, groups } = request as RequestOf<9>;
      return groups[0]?.groupId ?? groupId;
    }
    case 15:
      return (request as RequestOf<15>).groups[0] ?? '';
    case 42:
      return (request as RequestOf<42>).groupsNames[0] ?? '';
    default:
      return (request as RequestOf<8 | 11 | 12 | 13 | 14 | 47>).groupId;
  }
}

function answer(
  coordinator: GroupCoordinator,
  key: CoordinatorApi,
  version: number,
  request: RequestOf<CoordinatorApi>,
  client: GroupClient,
): Promise<ResponseOf<CoordinatorApi>> {
  switch (key) {
    case 8:
      return coordinator.offsetCommit(version, request as RequestOf<8>, client);
    case 9:
      return coordinator.offsetFetch(version, request as RequestOf<9>, client);
    case 11:
      return coordinator.joinGroup(version, request as RequestOf<11>, client);
    case 12:
      return coordinator.heartbeat(version, request as RequestOf<12>, client);
    case 13:
      return coordinator.leaveGroup(version, request as RequestOf<13>, client);
    case 14:
      return coordinator.syncGroup(version, request as RequestOf<14>, client);
    case 15:
      return coordinator.describeGroups(version, request as RequestOf<15>, client);
    case 42:
      return coordinator.deleteGroups(version, request as RequestOf<42>, client);
    case 47:
      return coordinator.offsetDelete(version, request as RequestOf<47>, client);
  }
}

/**
 * The header's client id names the cluster and the seats that the gateway believes to be here. It may know of a move
 * before us, or after: where one of them is not to be had the gateway is sent on, and asks again where it then points.
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
