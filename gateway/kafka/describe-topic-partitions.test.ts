/** Topics described page by page, as Java's admin client asks for them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

type Cursor = ResponseOf<75>['nextCursor'];

let bench: DoorBench;
let client: RawClient;

const sizes = { a: 3, b: 1, c: 4 } as const;

function describe(part: object): Promise<ResponseOf<75>> {
  return client.ask(75, 0, make(apiByKey.get(75)!.request, part as never) as RequestOf<75>);
}

/** All partitions as `topic/partition`, in the order of the pages. */
async function pages(topics: readonly string[], responsePartitionLimit: number): Promise<string[]> {
  const seen: string[] = [];
  let cursor: Cursor = null;
  do {
    const page: ResponseOf<75> = await describe({
      topics: topics.map((name) => ({ name })),
      responsePartitionLimit,
      cursor,
    });
    const shown = page.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, leaderId }) => {
        expect(leaderId).toBeGreaterThan(0);
        return `${name}/${partitionIndex}`;
      }),
    );
    expect(shown.length).toBeLessThanOrEqual(responsePartitionLimit);
    // Otherwise a client would ask for ever.
    expect(shown.length).toBeGreaterThan(0);
    seen.push(...shown);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return seen;
}

beforeAll(async () => {
  bench = await doorBench();
  client = await bench.client(await bench.tenant('acme', { topicMutationsPerSecondMax: 1_000 }));
  const topics = Object.entries(sizes).map(([name, numPartitions]) => ({ name, numPartitions, replicationFactor: 1 }));
  await client.ask(19, 5, make(apiByKey.get(19)!.request, { topics } as never) as RequestOf<19>);
});
afterAll(() => bench.close());

it('shows each partition once, however large the pages are', async () => {
  const all = Object.entries(sizes).flatMap(([name, size]) => Array.from({ length: size }, (_, i) => `${name}/${i}`));
  for (let limit = 1; limit <= all.length + 1; limit++) {
    expect(await pages([], limit), `pages of ${limit}`).toEqual(all);
    expect(await pages(['c', 'a', 'c'], limit), `pages of ${limit}`).toEqual(
      all.filter((each) => !each.startsWith('b')),
    );
  }
});

it('continues where a topic was that has gone, or is smaller than the cursor says', async () => {
  const gone = await describe({ responsePartitionLimit: 9, cursor: { topicName: 'aa', partitionIndex: 1 } });
  expect(gone.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
    ['b', 1],
    ['c', 4],
  ]);
  const smaller = await describe({ responsePartitionLimit: 2, cursor: { topicName: 'a', partitionIndex: 7 } });
  expect(smaller.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 1],
  ]);
  expect(smaller.nextCursor).toEqual({ topicName: 'c', partitionIndex: 1 });
});

it('names the topics that do not exist beside those that do', async () => {
  const told = await describe({ topics: [{ name: 'no' }, { name: 'b' }, { name: 'a b' }], responsePartitionLimit: 1 });
  expect(told.topics.map(({ name, errorCode: code }) => [name, code])).toEqual([
    ['a b', errorCode.invalidTopicException],
    ['b', errorCode.none],
  ]);
  expect(told.nextCursor).toEqual({ topicName: 'no', partitionIndex: 0 });
});
