/** Topic changes that take longer than their client waits, through a real client connection. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make, type Part } from '../../engine/protocol/make.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
let client: RawClient;
/** Lets the changes in progress continue. */
let proceed: () => void;

beforeAll(async () => {
  bench = await doorBench({ autoCreateMsMax: 1_000 });
  client = await bench.client(await bench.tenant('acme'));
  await ask(19, 7, { topics: [topic('here')], timeoutMs: 30_000 });
  const silence = new Promise<void>((resolve) => (proceed = resolve));
  const { engine } = bench;
  const create = engine.createTopic.bind(engine);
  const remove = engine.deleteTopic.bind(engine);
  const enlarge = engine.createPartitions.bind(engine);
  engine.createTopic = (...args) => silence.then(() => create(...args));
  engine.deleteTopic = (...args) => silence.then(() => remove(...args));
  engine.createPartitions = (...args) => silence.then(() => enlarge(...args));
});
afterAll(() => bench.close());

function ask<K extends ApiKey>(key: K, version: number, part: Part<RequestOf<K>>): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

const topic = (name: string): object => ({ name, numPartitions: 1, replicationFactor: -1 });
const { requestTimedOut } = errorCode;

it('do not hold up Metadata that creates topics for long', async () => {
  const names = ['by-use-1', 'by-use-2', 'here'].map((name) => ({ name }));
  const { topics } = await ask(3, 9, { topics: names, allowAutoTopicCreation: true });
  expect(topics.map(({ name, errorCode: code }) => [name, code])).toEqual([
    ['by-use-1', errorCode.leaderNotAvailable],
    ['by-use-2', errorCode.leaderNotAvailable],
    ['here', errorCode.none],
  ]);
});

it('are answered in time with the known outcome of each, and take effect later', async () => {
  const made = await ask(19, 7, { topics: [topic('a'), topic('b')], timeoutMs: 100 });
  expect(made.topics.map(({ errorCode: code, errorMessage }) => [code, errorMessage])).toEqual([
    [requestTimedOut, 'The request timed out. It may still take effect.'],
    [requestTimedOut, 'The request timed out before this was started: nothing was changed.'],
  ]);
  const grown = await ask(37, 3, { topics: [{ name: 'here', count: 2, assignments: null }], timeoutMs: 0 });
  expect(grown.results[0]!.errorCode).toBe(requestTimedOut);
  const deleted = await ask(20, 6, { topics: [{ name: 'here' }], timeoutMs: -1 });
  expect(deleted.responses[0]!.errorCode).toBe(requestTimedOut);
  proceed();
  // Changes run one after the other, so once this one is answered all earlier ones are complete.
  await ask(19, 7, { topics: [topic('c')], timeoutMs: 30_000 });
  const { topics } = await ask(3, 9, { topics: null });
  expect(topics.map(({ name }) => name)).toEqual(['a', 'by-use-1', 'c']);
});
