/**
 * Takes the controller's place in a gateway that does not contain one. It creates and changes topics by visiting their
 * shards (shards.ts), which works whenever the store does, whether or not a controller is alive. It shows the fleet as
 * the rows describe it, and writes what operators want to rows for the controller that keeps the fleet
 * (fleet-calls.ts).
 */
import type { StoreCatalogue } from '../catalogue.ts';
import type { BrokerEntry } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Failure, ShuttingDown } from '../kernel/failure.ts';
import type { Random } from '../kernel/random.ts';
import type { PlanBroker } from '../placement/constraints.ts';
import type { MetadataStore, Row, StoreOp } from '../ports.ts';
import { askScrub } from './ask-scrub.ts';
import type { Controller } from './controller.ts';
import type { BrokerRequest } from './context.ts';
import { DamageWatch } from './damage-watch.ts';
import { eventRing } from './events.ts';
import { fleetCalls } from './fleet/fleet-calls.ts';
import { FleetWish, wishShown } from './fleet/fleet-wish.ts';
import { noticedStore } from './row-notices.ts';
import { type KnownNames, processesById } from './shards/controller-id.ts';
import { Members } from './shards/members.ts';
import { producerIds } from './producer-ids.ts';
import { type BrokerSession, brokerSessionsPk, readableSessions } from './rows/broker-session.ts';
import { controllerDefaults } from './settings.ts';
import { ShardTable } from './shards/shards.ts';
import { type Topics, topics } from './topics/topics.ts';

export interface VisitorOptions extends KnownNames {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly catalogue: StoreCatalogue;
  readonly brokerRequest: BrokerRequest;
  /** Number of brokers until somebody writes another number; the same value that the controllers are given. */
  readonly brokers: number;
  log?(line: string): void;
}

export type Visitor = Omit<Controller, 'controllerId' | 'settled'>;

const eventOf: Readonly<Record<BrokerSession['state'], string>> = {
  serving: 'broker-started',
  draining: 'broker-draining',
  fenced: 'broker-fenced',
  recovered: 'volume-recovered',
  closed: 'broker-closed',
};
const seenInStore = 'seen in the store';

export function createVisitor(options: VisitorOptions): Visitor {
  const { clock, random, catalogue } = options;
  const settings = controllerDefaults;
  let stopping = false;
  let timer: Timer | undefined;
  const events = eventRing(clock, settings.eventsMax, (brokerId) => catalogue.broker(brokerId)?.zone);
  const store = noticedStore(options.store, events);
  const persistence = { store, clock, random, stopped: () => stopping };
  const shards = new ShardTable(persistence, 'visitor', events, { others: catalogue });
  const wish = new FleetWish(persistence, { brokers: options.brokers, override: 0, evacuated: [] });
  let unfollow: (() => void) | undefined;
  const brokers = new VisitedBrokers(store, wish);
  const gapMsMax = settings.lookGapMsMax + settings.sweepIntervalMs;
  const members = new Members(store, clock, gapMsMax, processesById(options));
  const loads = { byBroker: () => new Map() };
  const made = topics({ persistence, clock, settings, shards, wish, brokers, loads, refresh: () => brokers.refresh() });
  const damage = new DamageWatch(persistence, events);
  const ids = producerIds(persistence, settings.requestWaitMsMax, settings.producerIdsPerBlock);
  catalogue.onBroker((brokerId) => {
    const session = catalogue.broker(brokerId);
    if (session) events.emit(eventOf[session.state], seenInStore, { brokerId, epoch: session.epoch });
  });

  const look = async (): Promise<void> => {
    const before = members.last.owners[0];
    try {
      const { owners } = await members.look();
      const keeper = owners[0];
      if (keeper !== undefined && keeper !== before) {
        events.emit('fleet-kept', seenInStore, { controllerId: keeper });
      }
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
    }
    if (!stopping) timer = clock.after(settings.sweepIntervalMs, () => void look(), 'background');
  };
  const unlessStopping = <T>(act: () => Promise<T>): Promise<T> =>
    stopping ? Promise.reject(new ShuttingDown('the gateway stops')) : act();
  const calls = fleetCalls({
    persistence,
    wish,
    isKept: () => members.last.alive.includes(members.last.owners[0] ?? ''),
    zones: () => new Set([...catalogue.brokers()].map(({ zone }) => zone)),
    unkeptMsMax: settings.requestWaitMsMax,
  });

  return {
    async start() {
      damage.start();
      unfollow = await wish.follow();
      await look();
    },
    async stop() {
      stopping = true;
      timer?.cancel();
      unfollow?.();
      damage.stop();
    },
    scrub: (brokerId, act) => askScrub(options.brokerRequest, brokerId, act),
    damage: () => damage.list(),
    // The data path works without a live controller, and so does this gateway.
    ready: () => !stopping && [...catalogue.brokers()].some(({ state }) => state === 'serving'),
    ...topicCalls(made, unlessStopping),
    allocateProducerId: () => unlessStopping(() => ids.allocate()),
    brokers: () => brokersShown(catalogue, wish),
    controllers: () => members.controllers(),
    shards: () => members.shards(),
    events: () => events.list(),
    onEvent: (listener) => events.on(listener),
    ...calls,
  };
}

type TopicCalls = Pick<Visitor, 'createTopic' | 'deleteTopic' | 'createPartitions' | 'alterReplicas' | 'alterConfigs'>;

function topicCalls(made: Topics, unlessStopping: <T>(act: () => Promise<T>) => Promise<T>): TopicCalls {
  return {
    createTopic: (spec, guard) => unlessStopping(() => made.create(spec, guard)),
    // The controller that owns the shard frees the space.
    deleteTopic: (...asked) => unlessStopping(async () => void (await made.delete(...asked))),
    createPartitions: (...asked) => unlessStopping(() => made.createPartitions(...asked)),
    alterReplicas: (name, alter) => unlessStopping(() => made.alterReplicas(name, alter)),
    alterConfigs: (name, alter) => unlessStopping(() => made.alterConfigs(name, alter)),
  };
}

/** The sessions as last read, with the versions that a topic creation is conditional on. */
class VisitedBrokers {
  readonly #store: MetadataStore;
  readonly #wish: FleetWish;
  #rows: readonly Row[] = [];

  constructor(store: MetadataStore, wish: FleetWish) {
    this.#store = store;
    this.#wish = wish;
  }

  async refresh(): Promise<void> {
    // At most a few hundred brokers: one page.
    this.#rows = (await this.#store.range(brokerSessionsPk)).rows;
  }

  plan(partitionsMax: number): PlanBroker[] {
    return readableSessions(this.#rows).map(({ brokerId, zone, state }) => ({
      brokerId,
      zone,
      serving: state === 'serving' || state === 'draining',
      draining: state !== 'serving' || this.#wish.isDraining(brokerId) || !this.#wish.isWanted(brokerId),
      zoneEvacuated: this.#wish.isEvacuated(zone),
      partitionsMax,
    }));
  }

  unchanged(brokerIds: Iterable<number>): StoreOp[] {
    const wanted = new Set(brokerIds);
    return this.#rows
      .filter((row) => wanted.has(Number(row.sk)))
      .map(({ pk, sk, version }) => ({ op: 'check', key: { pk, sk }, if: { version } }));
  }
}

function brokersShown(catalogue: StoreCatalogue, wish: FleetWish): BrokerEntry[] {
  const counts = new Map<number, number>();
  for (const { partitions } of catalogue.all()) {
    for (const { brokerId } of partitions) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
  }
  return [...catalogue.brokers()]
    .sort((a, b) => a.brokerId - b.brokerId)
    .map(({ brokerId, zone, state, epoch, pid }) => ({
      brokerId,
      zone,
      state: state === 'recovered' ? 'fenced' : state === 'serving' && wish.isDraining(brokerId) ? 'draining' : state,
      sessionEpoch: epoch,
      partitions: counts.get(brokerId) ?? 0,
      pid,
      ...wishShown(wish, brokerId),
    }));
}
