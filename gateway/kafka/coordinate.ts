/**
 * Sends group requests to the coordinator of their group and returns the answers. Both directions pass the generated
 * rewriters, so that no name of one tenant reaches another. Coordinators are called in one version, and the APIs adapt
 * older clients to it, except where what a coordinator does depends on the client's version.
 */
import type { CoordinatorApi } from '../../engine/engine.ts';
import { type CoordinatorShape, coordinatorShapes } from '../../engine/link/coordinator-shapes.ts';
import { apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode, unsureCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { innerName } from '../../tenancy/naming.ts';
import type { Call } from './api.ts';
import { toEngine, toTenant } from './tenant-view.ts';

/** From version 10 on these identify topics only by id; coordinators store offsets by name. */
const lastNamedVersions: ReadonlyMap<CoordinatorApi, number> = new Map([
  [8, 9],
  [9, 9],
]);

/** The part of an int16 length that is left for a tenant's group id. */
const groupIdBytesMax = 32_000;

export function coordinatorVersion(key: CoordinatorApi): number {
  return lastNamedVersions.get(key) ?? apiByKey.get(key)!.max;
}

/** `request` names one group by the tenant's name, and is modified. Rejects with a Failure of the engine. */
export async function askCoordinator<K extends CoordinatorApi>(
  call: Call,
  key: K,
  groupId: string,
  request: RequestOf<K>,
  version: number = coordinatorVersion(key),
): Promise<ResponseOf<K>> {
  const { clusterId } = call.principal;
  const { clientId, clientHost } = call;
  toEngine(clusterId, key, version, request);
  const target = { clusterId, groupId: innerName(clusterId, groupId) };
  const answer = await call.context.engine.coordinatorRequest(key, target, request, {
    clientId,
    clientHost,
    version,
  });
  const response = inKafkasWords(key, request, answer);
  toTenant(clusterId, key, version, response);
  return response;
}

/**
 * A coordinator whose disk is full is answered as unavailable: every client retries that as long as configured and then
 * reports it. A coordinator that does not know the outcome of a change is looked up again, as a Kafka coordinator is whose
 * log is gone. The request concerns one group.
 */
function inKafkasWords<K extends CoordinatorApi>(
  key: K,
  request: RequestOf<K>,
  response: ResponseOf<K>,
): ResponseOf<K> {
  const shape: CoordinatorShape<K> = coordinatorShapes[key];
  const codes = shape.codes(response);
  if (codes.includes(unsureCode)) return shape.failure(request, errorCode.notCoordinator);
  return codes.includes(volumeFullCode) ? shape.failure(request, errorCode.coordinatorNotAvailable) : response;
}

/** INVALID_GROUP_ID, or none. Members cannot be in a group without a name; offsets can be stored under it. */
export function groupFault(groupId: string, mayBeEmpty = false): number {
  if (groupId === '' && !mayBeEmpty) return errorCode.invalidGroupId;
  return Buffer.byteLength(groupId) > groupIdBytesMax ? errorCode.invalidGroupId : errorCode.none;
}

/** Whether the cluster has room for the group, if it is new. */
export function mayUseGroup(call: Call, groupId: string): boolean | Promise<boolean> {
  const { clusterId } = call.principal;
  const groupsMax = call.context.tenancy.cluster(clusterId)?.limits.groupsMax ?? 0;
  return call.door.groupCounts.mayUse(clusterId, innerName(clusterId, groupId), groupsMax);
}

/** How many groups of one request are queried at once. */
const groupsAtOnceMax = 32;

/** Answers in the order of `groups`, each from its own coordinator, and each charged as a request. */
export async function forEachGroup<G, R>(
  call: Call,
  groups: readonly G[],
  ask: (group: G) => Promise<R>,
): Promise<R[]> {
  call.charge(Math.max(0, groups.length - 1));
  const answers: R[] = [];
  for (let i = 0; i < groups.length; i += groupsAtOnceMax) {
    answers.push(...(await Promise.all(groups.slice(i, i + groupsAtOnceMax).map(ask))));
  }
  return answers;
}
