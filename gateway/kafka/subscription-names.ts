/**
 * Topic names inside a consumer's subscription. The coordinator reads them to know which offsets a live group still needs
 * and which OffsetDelete must refuse, so they must match the names of the offsets beside them. Bytes that are not a
 * subscription stay unchanged: any client may use the protocol type with its own bytes, and no coordinator reads those.
 * Only members read assignments, which pass unchanged.
 */
import { MalformedFrame } from '../../engine/protocol/malformed-frame.ts';
import { rewriteSubscription } from '../../engine/protocol/consumer-protocol.ts';
import { innerName, tenantName, topicNameLengthMax } from '../../tenancy/naming.ts';

export function subscriptionToEngine(clusterId: string, metadata: Uint8Array): Uint8Array {
  // A longer name belongs to no topic; with the prefix it might not fit its field.
  return rewritten(metadata, (name) => (name.length > topicNameLengthMax ? name : innerName(clusterId, name)));
}

export function subscriptionToTenant(clusterId: string, metadata: Uint8Array): Uint8Array {
  return rewritten(metadata, (name) => tenantName(clusterId, name) ?? name);
}

function rewritten(metadata: Uint8Array, map: (name: string) => string): Uint8Array {
  if (metadata.length === 0) return metadata;
  try {
    return rewriteSubscription(metadata, map);
  } catch (error) {
    if (error instanceof MalformedFrame) return metadata;
    throw error;
  }
}
