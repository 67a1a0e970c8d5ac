/**
 * What consumers put into the opaque bytes of JoinGroup and SyncGroup when the group's protocolType is 'consumer': a
 * version, then the topics they subscribe to or the partitions they got. Versions after 3 only add fields at the end, so
 * they are read as version 3 and the rest is kept as it is.
 */
import { decoder, encode } from './compile.ts';
import { array, bytes, int32, type Infer, message, string, structs } from './schema.ts';
import { malformed } from './wire.ts';
import { MalformedFrame } from './malformed-frame.ts';

export const consumerSubscription = message('ConsumerProtocolSubscription', -1, '0-3', 'none', {
  topics: array(string('topic')),
  userData: bytes('plain', { nullable: true, default: null }),
  ownedPartitions: structs({ topic: string('topic'), partitions: array(int32()) }, { since: 1, ignorable: true }),
  generationId: int32({ since: 2, default: -1, ignorable: true }),
  rackId: string('rack', { since: 3, nullable: true, default: null, ignorable: true }),
});
type ConsumerSubscription = Infer<typeof consumerSubscription>;

export const consumerAssignment = message('ConsumerProtocolAssignment', -1, '0-3', 'none', {
  assignedPartitions: structs({ topic: string('topic'), partitions: array(int32()) }),
  userData: bytes('plain', { nullable: true, default: null }),
});

/** Replaces every topic name by `map` of it. userData belongs to the assignor and stays as it is. Throws MalformedFrame. */
export function rewriteSubscription(opaque: Uint8Array, map: (topic: string) => string): Buffer {
  const frame = view(opaque);
  const { version, subscription } = readSubscription(frame);
  const rest = frame.subarray(2 + lengthOf(encode(consumerSubscription, version, subscription)));
  subscription.topics = subscription.topics.map(map);
  for (const owned of subscription.ownedPartitions) owned.topic = map(owned.topic);
  return Buffer.concat([frame.subarray(0, 2), ...encode(consumerSubscription, version, subscription), rest]);
}

/** Like rewriteSubscription. An empty assignment, which a member without partitions may get, stays empty. */
export function rewriteAssignment(opaque: Uint8Array, map: (topic: string) => string): Buffer {
  const frame = view(opaque);
  if (frame.length === 0) return frame;
  const version = versionOf(frame);
  const assignment = decoder(consumerAssignment, version)(frame, 2);
  const rest = frame.subarray(2 + lengthOf(encode(consumerAssignment, version, assignment)));
  for (const assigned of assignment.assignedPartitions) assigned.topic = map(assigned.topic);
  return Buffer.concat([frame.subarray(0, 2), ...encode(consumerAssignment, version, assignment), rest]);
}

/**
 * Some clients (sarama, custom assignors for kafkajs) claim version 1 but end where version 0 does. A subscription too
 * short for its version is therefore read as version 0, which is all that Kafka's coordinator itself reads.
 */
function readSubscription(frame: Buffer): { version: number; subscription: ConsumerSubscription } {
  const version = versionOf(frame);
  try {
    return { version, subscription: decoder(consumerSubscription, version)(frame, 2) };
  } catch (error) {
    if (!(error instanceof MalformedFrame) || version === 0) throw error;
    return { version: 0, subscription: decoder(consumerSubscription, 0)(frame, 2) };
  }
}

function versionOf(frame: Buffer): number {
  if (frame.length < 2) malformed('ends within the version of the consumer protocol');
  const version = frame.readInt16BE(0);
  if (version < 0) malformed(`the consumer protocol has no version ${version}`);
  return Math.min(version, consumerSubscription.max);
}

function view(opaque: Uint8Array): Buffer {
  return Buffer.from(opaque.buffer, opaque.byteOffset, opaque.length);
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
