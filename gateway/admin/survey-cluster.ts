/** One cluster's figures for the survey: asks the owners of its logs, then the coordinators of its groups. */
import { Failure } from '../../engine/kernel/failure.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import type { GatewayContext } from '../context.ts';
import { endsOnce, type EndsOf, groupOffsets } from '../operations/group-offsets.ts';
import { listGroups } from '../operations/groups.ts';
import { operatorOf } from './views.ts';

export interface Lag {
  /** Records that the group has not committed, over all its partitions. */
  readonly sum: number;
  /** Those of the partition that is most behind. */
  readonly max: number;
}

export interface ClusterFigures {
  /** Of all its logs, that of its groups among them; undefined while nobody knows. */
  readonly storedBytes: number | undefined;
  readonly groupsByState: ReadonlyMap<string, number>;
  /** Over all groups, up to `groupsMax`; undefined while nobody knows. */
  readonly lag: Lag | undefined;
  /** Groups with series of their own. */
  readonly groups: ReadonlyMap<string, Lag>;
  /** The time since which all of it is known. */
  readonly readAtMs: number;
}

export interface Bounds {
  /** Groups that are read, in order of their ids. */
  readonly groupsMax: number;
  /** Groups with series of their own. */
  readonly shownMax: number;
}

export interface Pace {
  /** Called after each request. */
  rest(): Promise<void>;
}

export function nothingKnown(nowMs: number): ClusterFigures {
  return { storedBytes: undefined, groupsByState: new Map(), lag: undefined, groups: new Map(), readAtMs: nowMs };
}

/** What cannot be read stays as it was `before`, and so does the time. Throws NotFound when the cluster is gone. */
export async function readCluster(
  context: GatewayContext,
  clusterId: string,
  before: ClusterFigures,
  bounds: Bounds,
  pace: Pace,
): Promise<ClusterFigures> {
  const beganAtMs = context.clock.monotonicMs();
  const storedBytes = await orUndefined(storedBytesOf(context, clusterId, pace));
  const groups = await orUndefined(listGroups(context, operatorOf(context, clusterId)));
  await pace.rest();
  if (!groups) return { ...before, storedBytes: storedBytes ?? before.storedBytes };
  const groupsByState = new Map<string, number>();
  for (const { state } of groups) groupsByState.set(state, (groupsByState.get(state) ?? 0) + 1);
  const lags = new Map<string, Lag>();
  const endsOf = endsOnce(context);
  let isEveryLagKnown = true;
  for (const { groupId } of groups.slice(0, bounds.groupsMax)) {
    const read = await orUndefined(lagOf(context, clusterId, groupId, endsOf));
    if (!read) isEveryLagKnown = false;
    const lag = read ?? before.groups.get(groupId);
    if (lag && lag !== 'nothing-committed') lags.set(groupId, lag);
    await pace.rest();
  }
  return {
    storedBytes: storedBytes ?? before.storedBytes,
    groupsByState,
    lag: isEveryLagKnown ? together(lags.values()) : before.lag,
    groups: shownOf(lags, before.groups, bounds.shownMax),
    readAtMs: isEveryLagKnown && storedBytes !== undefined ? beganAtMs : before.readAtMs,
  };
}

async function lagOf(
  context: GatewayContext,
  clusterId: string,
  groupId: string,
  endsOf: EndsOf,
): Promise<Lag | 'nothing-committed'> {
  const offsets = await groupOffsets(context, operatorOf(context, clusterId), groupId, endsOf);
  if (offsets.length === 0) return 'nothing-committed';
  let [sum, max] = [0, 0];
  for (const { lag } of offsets) {
    sum += lag;
    max = Math.max(max, lag);
  }
  return { sum, max };
}

/** A group keeps its series as long as it exists; free places go to others in order of their ids. */
function shownOf(lags: ReadonlyMap<string, Lag>, before: ReadonlyMap<string, Lag>, shownMax: number): Map<string, Lag> {
  const old = [...lags].filter(([groupId]) => before.has(groupId));
  const others = [...lags].filter(([groupId]) => !before.has(groupId));
  return new Map([...old, ...others].slice(0, Math.max(0, shownMax)));
}

export function together(lags: Iterable<Lag>): Lag {
  let [sum, max] = [0, 0];
  for (const lag of lags) {
    sum += lag.sum;
    max = Math.max(max, lag.max);
  }
  return { sum, max };
}

/** Some 2 ms of work at each of three brokers. */
const partitionsPerRequest = 1_000;

/** Undefined when the owner of a log does not answer. */
async function storedBytesOf(context: GatewayContext, clusterId: string, pace: Pace): Promise<number | undefined> {
  let sumBytes = 0;
  for (const logs of requestsOf([...context.engine.catalogue.ofCluster(clusterId)])) {
    const sizeBytes = await sizeBytesOf(context, logs);
    if (sizeBytes === undefined) return undefined;
    sumBytes += sizeBytes;
    await pace.rest();
  }
  return sumBytes;
}

interface Logs {
  readonly topic: TopicEntry;
  readonly partitions: readonly number[];
}

function* requestsOf(topics: readonly TopicEntry[]): Generator<Logs[]> {
  let logs: Logs[] = [];
  let left = partitionsPerRequest;
  for (const topic of topics) {
    for (let from = 0; from < topic.partitions.length; ) {
      const partitions = topic.partitions.slice(from, from + left).map(({ index }) => index);
      logs.push({ topic, partitions });
      from += partitions.length;
      left -= partitions.length;
      if (left > 0) continue;
      yield logs;
      logs = [];
      left = partitionsPerRequest;
    }
  }
  if (logs.length > 0) yield logs;
}

async function sizeBytesOf({ engine }: GatewayContext, logs: readonly Logs[]): Promise<number | undefined> {
  const topics = logs.map(({ topic, partitions }) => ({ topic: topic.name, partitions: [...partitions] }));
  const { results } = await engine.partitionRequest(35, { topics });
  let sumBytes = 0;
  const told = new Map<string, number>();
  for (const { topics: answered } of results) {
    for (const { name, partitions } of answered) {
      told.set(name, (told.get(name) ?? 0) + partitions.length);
      for (const { partitionSize } of partitions) sumBytes += partitionSize;
    }
  }
  // A topic that was deleted meanwhile has no size and misses none.
  const isWhole = logs.every(
    ({ topic, partitions }) => told.get(topic.name) === partitions.length || !engine.catalogue.byId(topic.topicId),
  );
  return isWhole ? sumBytes : undefined;
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
