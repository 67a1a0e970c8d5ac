import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { decoder, encode } from './compile.ts';
import {
  consumerAssignment,
  consumerSubscription,
  rewriteAssignment,
  rewriteSubscription,
} from './consumer-protocol.ts';
import { make } from './make.ts';
import { MalformedFrame } from './malformed-frame.ts';

const { MemberMetadata, MemberAssignment } = createRequire(import.meta.url)(
  'kafkajs/src/consumer/assignerProtocol',
) as {
  MemberMetadata: { encode(fields: object): Buffer; decode(bytes: Buffer): object };
  MemberAssignment: { encode(fields: object): Buffer; decode(bytes: Buffer): object };
};
const inner = (topic: string): string => `c1.${topic}`;
const userData = Buffer.from('orders');

test('replaces names in the subscription of a kafkajs consumer, but not user data', () => {
  // kafkajs ends a version 1 where version 0 ends.
  const sent = MemberMetadata.encode({ version: 1, topics: ['orders', 'größe'], userData });
  const rewritten = rewriteSubscription(sent, inner);
  expect(MemberMetadata.decode(rewritten)).toEqual({ version: 1, topics: ['c1.orders', 'c1.größe'], userData });
});

test('replaces names in an assignment of kafkajs', () => {
  const sent = MemberAssignment.encode({ version: 1, assignment: { orders: [0, 1], b: [] }, userData });
  expect(MemberAssignment.decode(rewriteAssignment(sent, inner))).toEqual({
    version: 1,
    assignment: { 'c1.orders': [0, 1], 'c1.b': [] },
    userData,
  });
  expect(rewriteAssignment(Buffer.alloc(0), inner)).toHaveLength(0);
});

test('replaces owned partitions too, and keeps what a later version adds', () => {
  const ownedPartitions = [{ topic: 'orders', partitions: [4] }];
  const message = make(consumerSubscription, { topics: ['orders'], ownedPartitions, generationId: 7, rackId: 'a' });
  const later = Buffer.concat([Buffer.of(0, 9), ...encode(consumerSubscription, 3, message), Buffer.from('more')]);
  const rewritten = rewriteSubscription(later, inner);
  expect(rewritten.subarray(0, 2)).toEqual(Buffer.of(0, 9));
  expect(rewritten.subarray(-4).toString()).toBe('more');
  expect(decoder(consumerSubscription, 3)(rewritten, 2)).toEqual({
    ...message,
    topics: ['c1.orders'],
    ownedPartitions: [{ topic: 'c1.orders', partitions: [4] }],
  });
});

test('refuses bytes of another protocol', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.of(0), Buffer.of(0xff, 0xff, 0, 0), Buffer.from('http://worker:8083')]) {
    expect(() => rewriteSubscription(bytes, inner)).toThrow(MalformedFrame);
  }
  expect(() => rewriteAssignment(Buffer.from('http://worker:8083'), inner)).toThrow(MalformedFrame);
  expect(decoder(consumerAssignment, 0)(Buffer.from('00000000ffffffff', 'hex'), 0).assignedPartitions).toEqual([]);
});
