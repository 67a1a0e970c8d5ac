import { expect, test } from 'vitest';
import { apiByKey, apiKey } from './apis.ts';
import type { Field, Fields, Message } from './schema.ts';
import { servedVersions } from './versions.ts';

const messages = [...apiByKey.values()].flatMap(({ request, response }) => [request, response]);

function* fieldsOf(schema: Message): Generator<{ path: string; name: string; field: Field; within: Fields }> {
  function* walk(fields: Fields, path: string): ReturnType<typeof fieldsOf> {
    for (const [name, field] of Object.entries(fields)) {
      yield { path: `${path}.${name}`, name, field, within: fields };
      if (field.fields) yield* walk(field.fields, `${path}.${name}`);
    }
  }
  yield* walk(schema.fields, schema.name);
}

const every = messages.flatMap((schema) => [...fieldsOf(schema)]);
const kindOf = (field: Field): string => field.element?.kind ?? field.kind;

test('every string, uuid and bytes field is marked with its entity', () => {
  const unmarked = every.filter(
    ({ field }) => ['string', 'uuid', 'bytes', 'records'].includes(kindOf(field)) && field.entity === undefined,
  );
  expect(unmarked.map(({ path }) => path)).toEqual([]);
});

test('every number that is a broker id or a producer id is marked as such', () => {
  const isNode = /^(node|leader|broker|controller|replica|preferredReadReplica)(Id|Nodes)?$|Replicas$|^isrNodes$|Elr$/;
  const unmarked = every.filter(({ name, field }) => {
    if (!['int32', 'int64'].includes(kindOf(field))) return false;
    return (
      (isNode.test(name) && field.entity !== 'node') || (/producerId$/i.test(name) && field.entity !== 'producerId')
    );
  });
  expect(unmarked.map(({ path }) => path)).toEqual([]);
});

test('field names that belong to one entity are always marked with it', () => {
  const expected = { groupId: 'group', topicId: 'topicId', host: 'address', clusterId: 'clusterId', rack: 'rack' };
  for (const { path, name, field } of every) {
    if (name in expected) expect([path, field.entity]).toEqual([path, expected[name as keyof typeof expected]]);
    if (/errorMessage$/i.test(name)) expect([path, field.entity]).toEqual([path, 'errorText']);
  }
});

test('tags are unique in their struct and belong to flexible versions', () => {
  for (const schema of messages) {
    for (const { path, field, within } of fieldsOf(schema)) {
      if (field.tag === undefined) continue;
      const same = Object.values(within).filter(({ tag }) => tag === field.tag);
      expect([path, same.length]).toEqual([path, 1]);
      expect(field.since).toBeGreaterThanOrEqual(schema.flexible);
    }
  }
});

test('request and response of an API have one key, range and first flexible version', () => {
  for (const { request, response, name } of apiByKey.values()) {
    expect([name, response.key, response.min, response.max, response.flexible]).toEqual([
      name,
      request.key,
      request.min,
      request.max,
      request.flexible,
    ]);
  }
});

test('every served API can be decoded, and none of our own APIs is offered', () => {
  for (const { key, min, max } of servedVersions.values()) {
    const api = apiByKey.get(key)!;
    expect(min).toBeGreaterThanOrEqual(api.min);
    expect(max).toBeLessThanOrEqual(api.max);
    expect(key).toBeLessThan(apiKey.releaseLogs);
  }
  expect(servedVersions.get(apiKey.produce)).toMatchObject({ claimedMin: 0, min: 3, max: 13 });
});
