/**
 * The two mappings between a tenant's view and the engine's, for the rewriters generated from the schemas' marks
 * (engine/protocol/generate-rewrite.ts). They fail closed: an entity that no request to the engine should hold, or an
 * outgoing name that is not the tenant's, is a bug and throws.
 */
import { AssertionFailure, assert } from '../../engine/kernel/assert.ts';
import { type ApiKey, apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { rewriter } from '../../engine/protocol/compile.ts';
import type { Rewrite } from '../../engine/protocol/generate-rewrite.ts';
import { innerName, stripNames, tenantName } from '../../tenancy/naming.ts';

function unmapped(entity: string): () => never {
  return () => {
    throw new AssertionFailure(`${entity} has no mapping between tenant and engine`);
  };
}

const refused = {
  txn: unmapped('txn'),
  producerId: unmapped('producerId'),
  clusterId: unmapped('clusterId'),
  path: unmapped('path'),
  coordinatorKey: unmapped('coordinatorKey'),
  resource: unmapped('resource'),
  principal: unmapped('principal'),
  rack: unmapped('rack'),
};

const none = -1;

interface View {
  readonly inward: Rewrite;
  readonly outward: Rewrite;
}

/** One pair per cluster, created on first use. */
const views = new Map<string, View>();
const viewsMax = 10_000;

function viewOf(clusterId: string): View {
  let view = views.get(clusterId);
  if (!view) {
    if (views.size >= viewsMax) views.clear();
    view = { inward: inwardOf(clusterId), outward: outwardOf(clusterId) };
    views.set(clusterId, view);
  }
  return view;
}

function inwardOf(clusterId: string): Rewrite {
  return {
    ...refused,
    topic: (name) => innerName(clusterId, name),
    // Ids are checked for their owner and translated to names before a request gets here.
    topicId: unmapped('topicId'),
    group: (name) => innerName(clusterId, name),
    // A tenant's client is not a replica, whatever it claims.
    node: () => none,
    address: unmapped('address'),
    errorText: unmapped('errorText'),
    // Assignments, which no coordinator reads, and subscriptions, which need the group's protocol type to be read
    // (subscription-names.ts).
    opaque: (bytes) => bytes,
  };
}

function outwardOf(clusterId: string): Rewrite {
  const own = (inner: string): string => {
    const name = tenantName(clusterId, inner);
    assert(name !== undefined, 'a name on its way to a tenant is the tenant’s own');
    return name;
  };
  return {
    ...refused,
    topic: own,
    topicId: unmapped('topicId'),
    group: own,
    node: unmapped('node'),
    // clientHost of a group's members: the tenant's own clients.
    address: (host) => host,
    errorText: (text) => stripNames(clusterId, text),
    opaque: (bytes) => bytes,
  };
}

/** Rewrites the request in place; `version` is the one whose fields are filled. */
export function toEngine<K extends ApiKey>(clusterId: string, key: K, version: number, request: RequestOf<K>): void {
  rewriter(apiByKey.get(key)!.request, version)(request, viewOf(clusterId).inward);
}

/** Rewrites the response in place. */
export function toTenant<K extends ApiKey>(clusterId: string, key: K, version: number, response: ResponseOf<K>): void {
  rewriter(apiByKey.get(key)!.response, version)(response, viewOf(clusterId).outward);
}
