/**
 * What a gateway without a controller in it puts in a controller's place: topics are made and changed by visits to their
 * shards (shards.ts), which works as long as the store does, whether or not a controller is alive. The fleet is shown as
 * the session rows tell it; who wants something of it must ask the controllers.
 */
import type { StoreCatalogue } from '../catalogue.ts';
import type { BrokerEntry } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Failure, ShuttingDown } from '../kernel/failure.ts';
import type { Random } from '../kernel/random.ts';
import type { PlanBroker } from '../placement/constraints.ts';
import type { MetadataStore, Row, StoreOp } from '../ports.ts';
import type { Controller } from './controller.ts';
import { DamageWatch } from './damage-watch.ts';
import { eventRing } from './events.ts';
import { NotKeeper } from './kept-fleet.ts';
import { Members } from './members.ts';
import { producerIds } from './producer-ids.ts';
import { type BrokerSession, brokerSessionsPk, decodeBrokerSession } from './rows/broker-session.ts';
import { controllerDefaults } from './settings.ts';
import { ShardTable } from './shards.ts';
import { topics } from './topics.ts';

export interface VisitorOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly catalogue: StoreCatalogue;
  log?(line: string): void;
}

export type Visitor = Omit<Controller, 'controllerId'>;

const eventOf: Readonly<Record<BrokerSession['state'], string>> = {
  serving: 'broker-started',
  draining: 'broker-draining',
  fenced: 'broker-fenced',
  recovered: 'volume-recovered',
  closed: 'broker-closed',
};
const seenInStore = 'seen in the store';

export function createVisitor(options: VisitorOptions): Visitor {
  const { store, clock, random, catalogue } = options;
  const settings = controllerDefaults;
  let stopping = false;
  let timer: Timer | undefined;
  const persistence = { store, clock, random, stopped: () => stopping };
  const events = eventRing(clock, settings.eventsMax, (brokerId) => catalogue.broker(brokerId)?.zone);
  const shards = new ShardTable(persistence, 'visitor', events, { others: catalogue });
  const brokers = new VisitedBrokers(store);
  const members = new Members(store, clock, settings.lookGapMsMax + settings.sweepIntervalMs);
  const loads = { byBroker: () => new Map() };
  const made = topics({ persistence, clock, settings, shards, brokers, loads, refresh: () => brokers.refresh() });
  const damage = new DamageWatch(store, events);
  const ids = producerIds(persistence, settings.requestWaitMsMax);
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
  const refuse = (): never => {
    throw new NotKeeper('this process only follows the fleet; the controller that keeps it can do that');
  };

  return {
    async start() {
      damage.start();
      await look();
    },
    async stop() {
      stopping = true;
      timer?.cancel();
      damage.stop();
    },
    scrub: async () => refuse(),
    damage: () => damage.list(),
    // Without a controller alive the data path goes on, and so does this gateway.
    ready: () => !stopping && [...catalogue.brokers()].some(({ state }) => state === 'serving'),
    createTopic: (spec, guard) => unlessStopping(() => made.create(spec, guard)),
    // Its space is freed by the controller that owns the shard.
    deleteTopic: (name, guard) => unlessStopping(async () => void (await made.delete(name, guard))),
    createPartitions: (name, total, guard) => unlessStopping(() => made.createPartitions(name, total, guard)),
    alterConfigs: (name, changes) => unlessStopping(() => made.alterConfigs(name, changes)),
    allocateProducerId: () => unlessStopping(() => ids.allocate()),
    brokers: () => brokersShown(catalogue),
    controllers: () => members.controllers(),
    shards: () => members.shards(),
    events: () => events.list(),
    onEvent: (listener) => events.on(listener),
    drainBroker: async () => refuse(),
    undrainBroker: refuse,
    restartBroker: async () => refuse(),
    restartBrokers: async () => refuse(),
    replaceBroker: async () => refuse(),
    scaling: () => undefined,
    scaleFleet: async () => refuse(),
    evacuateZone: async () => refuse(),
    restoreZone: async () => refuse(),
  };
}

/** The sessions as of the last read, with the versions that a creation is conditional on. */
class VisitedBrokers {
  readonly #store: MetadataStore;
  #rows: readonly Row[] = [];

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  async refresh(): Promise<void> {
    // Of at most a few hundred brokers: one page.
    this.#rows = (await this.#store.range(brokerSessionsPk)).rows;
  }

  plan(partitionsMax: number): PlanBroker[] {
    return this.#rows.map(decodeBrokerSession).map(({ brokerId, zone, state }) => ({
      brokerId,
      zone,
      serving: state === 'serving' || state === 'draining',
      draining: state !== 'serving',
      zoneEvacuated: false,
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

function brokersShown(catalogue: StoreCatalogue): BrokerEntry[] {
  const counts = new Map<number, number>();
  for (const { partitions } of catalogue.all()) {
    for (const { brokerId } of partitions) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
  }
  return [...catalogue.brokers()]
    .sort((a, b) => a.brokerId - b.brokerId)
    .map(({ brokerId, zone, state, epoch, pid }) => ({
      brokerId,
      zone,
      state: state === 'recovered' ? 'fenced' : state,
      sessionEpoch: epoch,
      partitions: counts.get(brokerId) ?? 0,
      pid,
    }));
}
