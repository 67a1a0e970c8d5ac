/**
 * Topics as a tenant has them: found within the caller's cluster only, created and deleted under its quotas. The exact
 * counters are part of the engine's own transaction, so two concurrent creations can never exceed a limit together.
 */
import { partitionsPerTopicMax } from '../../engine/controller/rows/placement.ts';
import type { AskedReplicas, ConfigChanges, TopicEntry, TopicGuard } from '../../engine/engine.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { Failure, InvalidRequest } from '../../engine/kernel/failure.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { StoreConflict } from '../../engine/ports.ts';
import { topicConfigFault } from '../../engine/topic-configs.ts';
import {
  AlreadyExists,
  Forbidden,
  NameCollides,
  NotFound,
  QuotaExceeded,
  Unauthenticated,
} from '../../tenancy/failures.ts';
import { collidingForm, innerName, tenantName, topicNameFault } from '../../tenancy/naming.ts';
import type { ClusterView, Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';

/** How often a change that lost the race for the cluster's counters is retried. */
const guardAttemptsMax = 20;

export interface NewTopic {
  readonly name: string;
  /** The cluster's default when absent. */
  readonly partitions?: number;
  readonly configs: Readonly<Record<string, string>>;
  /** The replicas that a door's clients asked for and are to be shown. */
  readonly replicas?: AskedReplicas;
}

/** The caller's cluster, which must be serving. Throws Forbidden (suspended, being deleted) or NotFound. */
export function servingCluster({ tenancy }: GatewayContext, principal: Principal): ClusterView {
  const cluster = tenancy.cluster(principal.clusterId);
  if (!cluster) throw new NotFound('cluster', principal.clusterId);
  if (cluster.state !== 'serving') throw notServing(cluster);
  return cluster;
}

function notServing({ state }: ClusterView): Forbidden {
  return new Forbidden(`the cluster is ${state === 'deleting' ? 'being deleted' : state}`);
}

/** Why something long-lived ends whose key has stopped working (Access.onRevoked): its cluster has, or the key itself. */
export function whyStopped({ tenancy }: GatewayContext, { clusterId }: Principal): Forbidden | Unauthenticated {
  const cluster = tenancy.cluster(clusterId);
  return cluster && cluster.state !== 'serving' ? notServing(cluster) : new Unauthenticated();
}

export function findTopic({ engine }: GatewayContext, principal: Principal, name: string): TopicEntry | undefined {
  return engine.catalogue.byName(recentInnerName(principal.clusterId, name));
}

/**
 * Recently used inner names, by cluster and name: a newly concatenated string is flattened and hashed before it can be
 * looked up.
 */
let recentNames = new Map<string, Map<string, string>>();
let recentNamesCount = 0;
const recentNamesMax = 1_024;

function recentInnerName(clusterId: string, name: string): string {
  const known = recentNames.get(clusterId)?.get(name);
  if (known !== undefined) return known;
  if (++recentNamesCount > recentNamesMax) {
    recentNames = new Map();
    recentNamesCount = 1;
  }
  let names = recentNames.get(clusterId);
  if (!names) recentNames.set(clusterId, (names = new Map()));
  const inner = innerName(clusterId, name);
  names.set(name, inner);
  return inner;
}

/** A topic id of another cluster, or of an internal topic, is treated as one that does not exist. */
export function findTopicById({ engine }: GatewayContext, principal: Principal, id: Uuid): TopicEntry | undefined {
  const topic = engine.catalogue.byId(id);
  return topic && tenantName(principal.clusterId, topic.name) !== undefined ? topic : undefined;
}

/** The tenant's own topics, in name order; internal ones are never among them. */
export function* topicsOf({ engine }: GatewayContext, principal: Principal): Generator<[name: string, TopicEntry]> {
  for (const topic of engine.catalogue.ofCluster(principal.clusterId)) {
    const name = tenantName(principal.clusterId, topic.name);
    if (name !== undefined) yield [name, topic];
  }
}

/** Throws InvalidRequest (fields name, partitions, configs.<name>) without any effect. */
export function checkNewTopic(cluster: ClusterView, topic: NewTopic): number {
  const fault = topicNameFault(topic.name);
  if (fault) throw new InvalidRequest('name', `Topic name is invalid: ${fault}`);
  const partitions = topic.partitions ?? cluster.defaultPartitions;
  if (!Number.isInteger(partitions) || partitions < 1) {
    throw new InvalidRequest('partitions', 'Number of partitions must be larger than 0.');
  }
  if (partitions > partitionsPerTopicMax) {
    throw new InvalidRequest('partitions', `Number of partitions must be at most ${partitionsPerTopicMax}.`);
  }
  for (const [name, value] of Object.entries(topic.configs)) {
    const configFault = topicConfigFault(name, value);
    if (configFault) throw new InvalidRequest(`configs.${name}`, configFault);
  }
  return partitions;
}

/**
 * A check that throws NameCollides. The counters' transaction decides between two creations at once; here topics are found
 * that are older than its claims, and new topics that are only validated. The cluster's names are read once, at the first
 * name that could collide: a request may bring a hundred thousand.
 */
export function collisionCheck(context: GatewayContext, principal: Principal): (name: string) => void {
  let holders: Map<string, string> | undefined;
  return (name) => {
    const form = collidingForm(name);
    if (form === undefined) return;
    if (!holders) {
      holders = new Map();
      for (const [other] of topicsOf(context, principal)) {
        const otherForm = collidingForm(other);
        if (otherForm !== undefined) holders.set(otherForm, other);
      }
    }
    const holder = holders.get(form);
    if (holder !== undefined && holder !== name) throw new NameCollides(name, holder);
  };
}

/**
 * `waitMsMax`, here and below: how long the change may wait for its turn under the rate of topic changes; a longer wait is
 * QuotaExceeded. Throws InvalidRequest (NameCollides too), AlreadyExists, QuotaExceeded.
 */
export async function createTopic(
  context: GatewayContext,
  principal: Principal,
  topic: NewTopic,
  waitMsMax: number = context.settings.quotaWaitMsMax,
): Promise<TopicEntry> {
  const cluster = servingCluster(context, principal);
  const { configs, replicas } = topic;
  const partitions = checkNewTopic(cluster, topic);
  if (findTopic(context, principal, topic.name)) throw new AlreadyExists('topic', topic.name);
  const { clusterId } = principal;
  const name = innerName(clusterId, topic.name);
  const spec = { name, clusterId, partitions, configs, ...(replicas ? { replicas } : {}) };
  const made = await guarded(context, clusterId, waitMsMax, topic.name, (guard) => {
    collisionCheck(context, principal)(topic.name);
    return context.engine.createTopic(spec, guard);
  });
  await shown(context, () => context.engine.catalogue.byId(made.topicId) !== undefined);
  return made;
}

/** Throws NotFound, QuotaExceeded. */
export async function deleteTopic(
  context: GatewayContext,
  principal: Principal,
  name: string,
  waitMsMax: number = context.settings.quotaWaitMsMax,
  topicId?: Uuid,
): Promise<void> {
  servingCluster(context, principal);
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  const { clusterId } = principal;
  await guarded(context, clusterId, waitMsMax, name, (guard) => context.engine.deleteTopic(topic.name, guard, topicId));
  await shown(context, () => context.engine.catalogue.byId(topic.topicId) === undefined);
}

/** `replicas`: the replicas to show from now on. Throws NotFound, InvalidRequest (field partitions), QuotaExceeded. */
export async function createPartitions(
  context: GatewayContext,
  principal: Principal,
  name: string,
  total: number,
  waitMsMax: number = context.settings.quotaWaitMsMax,
  replicas?: AskedReplicas,
): Promise<TopicEntry> {
  servingCluster(context, principal);
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  const present = topic.partitions.length;
  if (total <= present) {
    throw new InvalidRequest(
      'partitions',
      `The topic currently has ${present} partitions and ${total} would not be an increase.`,
    );
  }
  if (total > partitionsPerTopicMax) {
    throw new InvalidRequest('partitions', `Number of partitions must be at most ${partitionsPerTopicMax}.`);
  }
  const grown = await guarded(context, principal.clusterId, waitMsMax, name, (guard) =>
    context.engine.createPartitions(topic.name, total, guard, replicas),
  );
  await shown(context, () => (context.engine.catalogue.byId(topic.topicId)?.partitions.length ?? total) >= total);
  return grown;
}

/** `alter` is given the topic's state at that time. Throws NotFound, and what `alter` throws. */
export async function alterReplicas(
  context: GatewayContext,
  principal: Principal,
  name: string,
  alter: (topic: TopicEntry) => AskedReplicas,
): Promise<void> {
  servingCluster(context, principal);
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  const altered = await context.engine.alterReplicas(topic.name, alter).catch((error: unknown) => {
    throw inTenantTerms(error, name);
  });
  const isSame = (shownNow: TopicEntry | undefined): boolean =>
    shownNow === undefined || JSON.stringify(shownNow.replicas) === JSON.stringify(altered.replicas);
  await shown(context, () => isSame(context.engine.catalogue.byId(topic.topicId)));
}

/**
 * `alter` is given the configs at that time, whatever a catalogue shows: others may change them meanwhile. Throws NotFound,
 * InvalidRequest (field configs.<name>), and what `alter` throws.
 */
export async function alterConfigs(
  context: GatewayContext,
  principal: Principal,
  name: string,
  alter: (present: TopicEntry['configs']) => ConfigChanges,
): Promise<TopicEntry> {
  servingCluster(context, principal);
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  let changes: ConfigChanges = {};
  const checked = (present: TopicEntry['configs']): ConfigChanges => {
    changes = alter(present);
    checkChanges(changes);
    return changes;
  };
  const altered = await context.engine.alterConfigs(topic.name, checked).catch((error: unknown) => {
    throw inTenantTerms(error, name);
  });
  await shown(context, () => {
    const present = context.engine.catalogue.byId(topic.topicId);
    return !present || Object.keys(changes).every((config) => present.configs[config] === altered.configs[config]);
  });
  return altered;
}

function checkChanges(changes: ConfigChanges): void {
  for (const [config, value] of Object.entries(changes)) {
    const fault = value === null ? undefined : topicConfigFault(config, value);
    if (fault) throw new InvalidRequest(`configs.${config}`, fault);
  }
}

/**
 * Configs and the number of partitions in one call, for doors that treat the topic as one document. Values that the topic
 * already has are no change, so a caller can repeat the call when its answer was lost. Configs are checked first and
 * applied last, as partitions can still be over a quota: nothing has changed when it throws NotFound, InvalidRequest or
 * QuotaExceeded.
 */
export async function changeTopic(
  context: GatewayContext,
  principal: Principal,
  name: string,
  { configs, partitions }: { readonly configs?: ConfigChanges; readonly partitions?: number },
): Promise<TopicEntry> {
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  if (configs) checkChanges(configs);
  let changed = topic;
  if (partitions !== undefined && partitions !== topic.partitions.length) {
    changed = await createPartitions(context, principal, name, partitions);
  }
  return configs ? alterConfigs(context, principal, name, () => configs) : changed;
}

const shownPollMs = 2;
const shownWaitMsMax = 1_000;

/**
 * Waits until the catalogue, which follows the rows, shows a change that is already durable: whoever is told of the change
 * may use it at once. If the feed takes longer than the limit, the wait ends.
 */
export async function shown({ clock }: GatewayContext, isShown: () => boolean): Promise<void> {
  const deadlineMs = clock.monotonicMs() + shownWaitMsMax;
  while (!isShown() && clock.monotonicMs() < deadlineMs) await sleep(clock, shownPollMs);
}

/**
 * Runs `act`, whose guard rereads the counters, until it wins the race for their row. The engine reports the counted
 * amounts in the turn in which it makes the change: when two callers grow and delete a topic at once, its partition count
 * comes from its row, whatever a catalogue showed before. The rate of topic changes is charged once, here.
 */
async function guarded<T>(
  context: GatewayContext,
  clusterId: string,
  waitMsMax: number,
  name: string,
  act: (guard: TopicGuard) => Promise<T>,
): Promise<T> {
  const { tenancy, clock } = context;
  const { delayMs, quota } = tenancy.limiter.topicMutation(clusterId, clock.monotonicMs(), waitMsMax);
  if (quota && delayMs > waitMsMax) {
    const limit = tenancy.cluster(clusterId)?.limits[quota] ?? 0;
    throw new QuotaExceeded(quota, limit, limit, Math.ceil(delayMs));
  }
  if (quota) {
    tenancy.meter.throttled(clusterId, quota, delayMs);
    await sleep(clock, delayMs);
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await act((change) => tenancy.counts.reserve(clusterId, change, name));
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw inTenantTerms(error, name);
      if (attempt === guardAttemptsMax) {
        throw new QuotaExceeded('topicMutationsPerSecondMax', attempt, guardAttemptsMax, 1_000);
      }
    }
  }
}

/** The engine names topics by their inner names, which a tenant never sees. */
function inTenantTerms(error: unknown, name: string): unknown {
  if (!(error instanceof Failure)) return error;
  if (error.code === 'already-exists') return new AlreadyExists('topic', name);
  return error.code === 'not-found' ? new NotFound('topic', name) : error;
}
