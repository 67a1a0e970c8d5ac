import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apiByKey } from './apis.ts';
import { messageArbitrary } from './arbitrary.suite.ts';
import { rewriter } from './compile.ts';
import { isRewritten, type Rewrite } from './generate-rewrite.ts';
import { make } from './make.ts';
import { addPartitionsToTxnRequest } from './messages/24-add-partitions-to-txn.ts';
import { metadataResponse } from './messages/03-metadata.ts';
import { describeConfigsRequest } from './messages/32-describe-configs.ts';
import { type Fields, isPresent } from './schema.ts';

/** Notes what it is asked and answers with something else. */
function recording(seen: [string, unknown][]): Rewrite {
  const text = (entity: string) => (value: string) => {
    seen.push([entity, value]);
    return `${entity}:${value}`;
  };
  const number = (entity: string) => (value: number) => {
    seen.push([entity, value]);
    return value + 1000;
  };
  return {
    topic: text('topic'),
    topicId: text('topicId'),
    group: text('group'),
    txn: text('txn'),
    producerId: number('producerId'),
    node: number('node'),
    address: text('address'),
    rack: text('rack'),
    clusterId: text('clusterId'),
    path: text('path'),
    errorText: text('errorText'),
    coordinatorKey: text('coordinatorKey'),
    resource: text('resource'),
    opaque: (value) => {
      seen.push(['opaque', value]);
      return Buffer.from('opaque');
    },
    principal: text('principal'),
  };
}

/** The values a rewriter must see, found by walking the schema. */
function* marked(fields: Fields, version: number, value: Record<string, unknown>): Generator<[string, unknown]> {
  for (const [name, field] of Object.entries(fields)) {
    const inner = value[name];
    if (!isPresent(field, version) || inner === null) continue;
    if (field.fields) {
      for (const each of field.kind === 'array' ? (inner as object[]) : [inner as object]) {
        yield* marked(field.fields, version, each as Record<string, unknown>);
      }
    } else if (isRewritten(field.entity)) {
      for (const each of field.kind === 'array' ? (inner as unknown[]) : [inner]) yield [field.entity, each];
    }
  }
}

test('a rewriter sees every marked value of its version, once and in order', () => {
  for (const { request, response } of apiByKey.values()) {
    for (const schema of [request, response]) {
      for (let version = schema.min; version <= schema.max; version++) {
        fc.assert(
          fc.property(messageArbitrary(schema, version), (message) => {
            const seen: [string, unknown][] = [];
            const expected = [...marked(schema.fields, version, message)];
            rewriter(schema, version)(message, recording(seen));
            expect(seen).toEqual(expected);
          }),
          { numRuns: 4 },
        );
      }
    }
  }
});

test('a rewriter changes the message in place, with array elements, and leaves null alone', () => {
  const message = make(metadataResponse, {
    brokers: [{ nodeId: 1, host: 'h', rack: null }],
    topics: [{ name: 't', partitions: [{ leaderId: -1, replicaNodes: [1, 2] }] }],
  });
  rewriter(metadataResponse, 9)(message, recording([]));
  expect(message.brokers).toEqual([{ nodeId: 1001, host: 'address:h', port: 0, rack: null }]);
  expect(message.clusterId).toBeNull();
  expect(message.topics[0]!.name).toBe('topic:t');
  expect(message.topics[0]!.partitions[0]).toMatchObject({ leaderId: 999, replicaNodes: [1001, 1002] });
});

test('a rewriter leaves fields of other versions at their defaults', () => {
  const message = make(addPartitionsToTxnRequest, { v3AndBelowTransactionalId: 'x' });
  rewriter(addPartitionsToTxnRequest, 4)(message, recording([]));
  expect(message.v3AndBelowTransactionalId).toBe('x');
  rewriter(addPartitionsToTxnRequest, 3)(message, recording([]));
  expect(message.v3AndBelowTransactionalId).toBe('txn:x');
});

test('the owner says what a resource name refers to', () => {
  const message = make(describeConfigsRequest, { resources: [{ resourceType: 2, resourceName: 'orders' }] });
  const map: Rewrite = {
    ...recording([]),
    resource: (name, owner) => `${(owner as { resourceType: number }).resourceType}/${name}`,
  };
  rewriter(describeConfigsRequest, 4)(message, map);
  expect(message.resources[0]!.resourceName).toBe('2/orders');
});
