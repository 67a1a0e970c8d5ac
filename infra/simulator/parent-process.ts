/**
 * The process of `headgate serve --role all` without its doors: catalogue, controller, routing and the gateway's record
 * producer, composed as bin/assemble-engine.ts composes them, over a fleet of simulated children.
 */
import { directorySegments } from '../../engine/log/directory-segments.ts';
import { StoreCatalogue } from '../../engine/catalogue.ts';
import { type Controller, createController } from '../../engine/controller/controller.ts';
import { brokerSessionKey } from '../../engine/controller/rows/broker-session.ts';
import type { Engine, TopicEntry } from '../../engine/engine.ts';
import { publishWal } from '../../engine/log/recover.ts';
import { coordinatorTopic } from '../../engine/routing/coordinator-seat.ts';
import { createRouting, type Routing } from '../../engine/routing/routes.ts';
import { RecordProducer } from '../../gateway/operations/produce.ts';
import { brokerRequests } from '../fleet/broker-requests.ts';
import { gatewayContext } from './gateway-context.ts';
import type { SimProcess } from './process.ts';
import { SimFleet } from './sim-fleet.ts';
import { segmentsDirectory, type World } from './world.ts';

const coordinatorPartitions = 2;

export class ParentProcess {
  readonly process: SimProcess;
  readonly fleet: SimFleet;
  readonly catalogue: StoreCatalogue;
  readonly controller: Controller;
  readonly engine: Engine;
  readonly records: RecordProducer;
  readonly #world: World;
  readonly #routing: Routing;
  /** The doors are open. */
  isServing = false;

  constructor(world: World) {
    this.#world = world;
    this.process = world.spawn('parent');
    this.fleet = new SimFleet(world, this.process);
    const { clock, random } = this.process;
    const { plant, slots } = world.settings;
    const raw = world.store.handle(this.process);
    const store = plant.store?.(raw) ?? raw;
    const network = world.network.handle(this.process);
    this.catalogue = new StoreCatalogue(store, clock);
    const requests = brokerRequests({ network, clock, random }, slots);
    this.controller = createController({
      store,
      clock,
      random,
      slots,
      isGone: plant.isGone ?? ((pid) => world.isGone(pid)),
      fleet: this.fleet,
      brokerRequest: requests.send,
      settings: { lease: world.settings.lease, stopGraceMs: 3000, releaseWaitMsMax: 3000, balanceIntervalMs: 5000 },
      recover: async (session, fencedVersion) => {
        let version = fencedVersion;
        const disk = world.disks.handle(this.process);
        const options = {
          disk,
          store,
          clock,
          random,
          settings: world.settings.log,
          volume: session.volume,
          segments: directorySegments(disk, segmentsDirectory),
          brokerId: session.brokerId,
          sessionEpoch: session.epoch,
          guard: () => [{ op: 'check' as const, key: brokerSessionKey(session.brokerId), if: { version } }],
          keeps: (topicId: string) => this.catalogue.byId(topicId) !== undefined,
        };
        try {
          const { cleanUp } = await publishWal(plant.recovery?.(options) ?? options);
          return (current) => {
            version = current;
            return cleanUp();
          };
        } catch (error) {
          world.noteEnd(`recovery of ${session.brokerId}@${session.epoch}`, error);
          throw error;
        }
      },
      log: (line) => world.history.add({ kind: 'engine', what: line }),
    });
    this.#routing = createRouting({
      catalogue: this.catalogue,
      network,
      clock,
      random,
      ensureCoordinatorTopic: (cluster) => this.#ensureCoordinatorTopic(cluster),
    });
    this.engine = this.#facade();
    this.records = new RecordProducer(gatewayContext(this.engine, clock, random));
    this.process.post(0, () => {
      this.#start().catch((error: unknown) => {
        if (!this.process.isAlive) return;
        world.noteEnd('parent', error);
        this.process.end('start failed');
      });
    });
  }

  async #start(): Promise<void> {
    await this.catalogue.start();
    await this.controller.start();
    this.isServing = true;
  }

  #facade(): Engine {
    const { controller, catalogue } = this;
    const routing = this.#routing;
    const { plant } = this.#world.settings;
    return {
      catalogue,
      append: (append) => routing.append(plant.append?.(append) ?? append),
      fetch: (partitions, options) => routing.fetch(partitions, options),
      partitionRequest: (key, request) => routing.partitionRequest(key, request),
      coordinatorRequest: (key, target, request, client) => routing.coordinatorRequest(key, target, request, client),
      listGroups: (cluster, request) => routing.listGroups(cluster, request),
      createTopic: (spec, guard) => controller.createTopic(spec, guard),
      deleteTopic: (name, guard) => controller.deleteTopic(name, guard),
      createPartitions: (name, total, guard) => controller.createPartitions(name, total, guard),
      alterConfigs: (name, changes) => controller.alterConfigs(name, changes),
      allocateProducerId: () => controller.allocateProducerId(),
      brokers: () => controller.brokers(),
      controllers: () => controller.controllers(),
      shards: () => controller.shards(),
      events: () => controller.events(),
      onEvent: (listener) => controller.onEvent(listener),
    };
  }

  async #ensureCoordinatorTopic(cluster: string): Promise<TopicEntry> {
    const name = coordinatorTopic(cluster);
    const known = this.catalogue.byName(name);
    if (known) return known;
    try {
      const configs = { 'retention.ms': '-1' };
      return await this.controller.createTopic(
        { name, clusterId: cluster, partitions: coordinatorPartitions, configs },
        [],
      );
    } catch (error) {
      const made = this.catalogue.byName(name);
      if (!made) throw error;
      return made;
    }
  }
}
