/**
 * Topic names inside a consumer's subscription. The coordinator looks there, to know which offsets a live group still
 * needs and which OffsetDelete must refuse, so the names have to be those of the offsets beside them. Bytes that are no
 * subscription stay as they are: any client may use the protocol type with bytes of its own, and no coordinator reads
 * those. Assignments are read by members only and pass untouched.
 */
import { MalformedFrame } from '../../engine/protocol/malformed-frame.ts';
import { rewriteSubscription } from '../../engine/protocol/consumer-protocol.ts';
import { innerName, tenantName, topicNameLengthMax } from '../../tenancy/naming.ts';

export function subscriptionToEngine(clusterId: string, metadata: Uint8Array): Uint8Array {
  // A longer name is no topic's; with the prefix it might not fit its field.
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
