/**
 * DescribeLogDirs (key 35): v1-v5. The sizes of the tenant's logs, as their owners report them. There is one directory,
 * because logs lie in storage that all brokers share: a log is on each virtual broker that has a replica of its partition,
 * and its bytes are stored once. A tenant does not see the disks of real brokers. A partition that has no owner for as long
 * as requests are held is left out. Back: engine/broker/api/35-describe-log-dirs.ts.
 */
import type { TopicEntry } from '../../../engine/engine.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { make } from '../../../engine/protocol/make.ts';
import {
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse,
  describeLogDirsResponse,
} from '../../../engine/protocol/messages/35-describe-log-dirs.ts';
import { findTopic, topicsOf } from '../../operations/topics.ts';
import { turnBehindIo } from '../../several-turns.ts';
import { requestsBeside } from '../../weight.ts';
import { replicasOf } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { hasPartition } from '../topic-view.ts';

type Sizes = DescribeLogDirsResponse['results'][number]['topics'];

/** Partitions in one request to the engine: some 10 ms of work here. */
const partitionsPerTurnMax = 5_000;

interface Asked {
  readonly name: string;
  readonly topic: TopicEntry;
  readonly partitions: number[];
}

export const describeLogDirs = api(
  35,
  { from: 1, to: 5 },
  async (call, request) => {
    const asked = [...askedLogs(call, request)];
    const count = asked.reduce((sum, { partitions }) => sum + 1 + partitions.length, 0);
    // Partitions that the request names are charged when it is decoded.
    if (request.topics === null) call.charge(requestsBeside(count));
    const sizes = (): Promise<Sizes> => sizesOverTurns(call, asked);
    const { clusterId } = call.principal;
    const isFew = count < partitionsPerTurnMax;
    return answer(errorCode.none, await (isFew ? sizes() : call.door.manySizes.run(sizes, clusterId)));
  },
  (_request, { errorCode: code }) => answer(code, []),
);

/** Asks for all of it before the first answer is awaited: an owner that is away holds up the request once, not once for each slice. */
async function sizesOverTurns(call: Call, asked: readonly Asked[]): Promise<Sizes> {
  const asking: Promise<Sizes>[] = [];
  let slice: Asked[] = [];
  let count = 0;
  for (const each of asked) {
    slice.push(each);
    count += 1 + each.partitions.length;
    if (count < partitionsPerTurnMax) continue;
    const sizes = sizesOf(call, slice);
    // A failure is reported below, where it is awaited, and not before as a rejection that nobody handles.
    sizes.catch(() => undefined);
    asking.push(sizes);
    [slice, count] = [[], 0];
    await turnBehindIo(call.context.clock);
  }
  if (slice.length > 0) asking.push(sizesOf(call, slice));
  return (await Promise.all(asking)).flat();
}

/**
 * The partitions that exist, each once, with a replica on the virtual broker asked; on any of them where all share a port.
 */
function* askedLogs({ context, principal, door }: Call, { topics }: DescribeLogDirsRequest): Generator<Asked> {
  const isHere = (topic: TopicEntry, index: number): boolean =>
    door.nodeId === undefined || replicasOf(topic, index).includes(door.nodeId);
  if (topics === null) {
    for (const [name, topic] of topicsOf(context, principal)) {
      yield { name, topic, partitions: topic.partitions.map(({ index }) => index).filter((at) => isHere(topic, at)) };
    }
    return;
  }
  const byName = new Map<string, Set<number>>();
  for (const { topic: name, partitions } of topics) {
    const known = byName.get(name) ?? new Set();
    for (const index of partitions) known.add(index);
    byName.set(name, known);
  }
  for (const [name, partitions] of byName) {
    const topic = findTopic(context, principal, name);
    if (!topic) continue;
    const here = [...partitions].filter((index) => hasPartition(topic, index) && isHere(topic, index));
    yield { name, topic, partitions: here };
  }
}

async function sizesOf({ context }: Call, asked: readonly Asked[]): Promise<Sizes> {
  const names = new Map(asked.map(({ name, topic }) => [topic.name, name]));
  const topics = asked.map(({ topic, partitions }) => ({ topic: topic.name, partitions }));
  const { results } = await context.engine.partitionRequest(35, { topics });
  return results.flatMap((result) => result.topics.map((topic) => ({ ...topic, name: names.get(topic.name)! })));
}

function answer(code: number, topics: Sizes): DescribeLogDirsResponse {
  const directory = { errorCode: code, logDir: '/shared-storage', topics };
  return make(describeLogDirsResponse, { errorCode: code, results: [directory] });
}
