/**
 * The process of `headgate serve --role all`, `gateway` or `controller` without its doors: catalogue, controller, routing
 * and the gateway's record producer, composed as bin/serve/assemble-engine.ts composes them, over a fleet of simulated children.
 */
import { StoreCatalogue } from '../../engine/catalogue.ts';
import { type Controller, createController } from '../../engine/controller/controller.ts';
import { type BrokerSession, brokerSessionKey } from '../../engine/controller/rows/broker-session.ts';
import type { KnownOfDead, Recovered } from '../../engine/controller/context.ts';
import { placedTopics } from '../../engine/controller/topics/placed-topics.ts';
import { createVisitor } from '../../engine/controller/visitor.ts';
import type { Append, Engine } from '../../engine/engine.ts';
import { beginRecovery } from '../../engine/log/dead-log.ts';
import { publishWal, type RecoverOptions } from '../../engine/log/recover.ts';
import type { BrokerSlot, MetadataStore, Network } from '../../engine/ports.ts';
import { NearSegments } from '../../engine/routing/near-segments.ts';
import { createRouting, type Routing } from '../../engine/routing/routes.ts';
import { ensureCoordinatorTopic, wholeEngine } from '../../engine/routing/whole-engine.ts';
import { RecordProducer } from '../../gateway/operations/produce.ts';
import { brokerRequests } from '../fleet/broker-requests.ts';
import { gatewayContext } from './gateway-context.ts';
import type { SimProcess } from './process.ts';
import { SimFleet } from './sim-fleet.ts';
import { routingSettings } from './tight-limits.ts';
import type { World } from './world.ts';

const coordinatorPartitions = 2;
const firstController = 'controller 1';

type Role = 'all' | 'gateway' | 'controller';

export class ParentProcess {
  readonly process: SimProcess;
  readonly fleet: SimFleet;
  readonly catalogue: StoreCatalogue;
  readonly controller: Omit<Controller, 'controllerId' | 'settled'>;
  readonly engine: Engine;
  readonly records: RecordProducer;
  readonly #world: World;
  readonly #routing: Routing;
  /** The doors are open. */
  isServing = false;

  constructor(world: World, role: Role, name: string) {
    this.#world = world;
    this.process = world.spawn(name);
    this.fleet = new SimFleet(world, this.process, role !== 'all');
    const { clock, random } = this.process;
    const { plant } = world.settings;
    const raw = world.store.handle(this.process);
    const store = plant.store?.(raw, 'parent', clock) ?? raw;
    const network = world.network.handle(this.process);
    this.catalogue = new StoreCatalogue(store, clock);
    const log = (line: string): void => {
      world.history.add({ kind: 'engine', what: `${this.#label(role)}${line}` });
      const [, id] = /^broker-hung: lease not renewed .*"brokerId":(\d+)/.exec(line) ?? [];
      if (id !== undefined) this.fleet.children.get(Number(id))?.lookAtRenewals();
    };
    this.controller =
      role === 'gateway'
        ? createVisitor({
            store,
            clock,
            random,
            catalogue: this.catalogue,
            brokers: world.settings.slots.length,
            brokerRequest: brokerRequests({ network, clock, random }, slotIn(world.settings.slots)).send,
          })
        : this.#control(role, store, network, log);
    this.#routing = createRouting({
      catalogue: this.catalogue,
      network,
      clock,
      random,
      settings: routingSettings(world.settings.limits, world.settings.holdMsMax),
      // A gateway reads nothing from behind a network itself (bin/serve/assemble-engine.ts).
      ...(world.bucket ? {} : { near: this.#nearSegments() }),
      ensureCoordinatorTopic: (cluster) =>
        ensureCoordinatorTopic(
          {
            createTopic: (spec, guard) => this.controller.createTopic(spec, guard),
            catalogue: this.catalogue,
            partitions: coordinatorPartitions,
            // Clusters here are for good.
            guard: () => Promise.resolve([]),
          },
          cluster,
        ),
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

  #nearSegments(): NearSegments {
    const { clock } = this.process;
    return new NearSegments({ segments: this.#world.segments(this.process), clock }, this.#world.settings.log);
  }

  #label(role: Role): string {
    return role === 'all' ? '' : `${this.process.name}: `;
  }

  #control(role: Role, store: MetadataStore, network: Network, log: (line: string) => void): Controller {
    const world = this.#world;
    const { clock, random, name } = this.process;
    const { plant, slots, fewerSlots = 0 } = world.settings;
    const isFirst = name === firstController;
    return createController({
      store,
      clock,
      random,
      slots: isFirst ? slots : slots.slice(0, slots.length - fewerSlots),
      ...(world.settings.fewerSlots === undefined ? {} : { slotOf: slotIn(slots) }),
      name: name.replace(' ', '-'),
      isGone: plant.isGone ?? ((pid) => world.isGone(pid)),
      fleet: this.fleet,
      brokerRequest: brokerRequests({ network, clock, random }, slotIn(slots)).send,
      ...(role === 'controller' ? { others: this.catalogue } : {}),
      settings: {
        ...world.settings.releases,
        lease: world.settings.lease,
        stopGraceMs: 3000,
        releaseWaitMsMax: 3000,
        balanceIntervalMs: 5000,
        // A world gives a few dozen.
        producerIdsPerBlock: 7,
      },
      beginRecovery: (session) => beginRecovery(this.#planted(this.#recovery(store, session))),
      recover: (session, version, known) => this.#recover(store, session, version, known),
      log,
    });
  }

  #recovery(store: MetadataStore, session: BrokerSession): Omit<RecoverOptions, 'guard'> {
    const { clock, random } = this.process;
    const disk = this.#world.disks.handle(this.process);
    return {
      disk,
      store,
      clock,
      random,
      settings: this.#world.settings.log,
      volume: session.volume,
      segments: this.#world.segments(this.process),
      brokerId: session.brokerId,
      sessionEpoch: session.epoch,
    };
  }

  #planted<T extends Omit<RecoverOptions, 'guard'>>(options: T): T {
    return { ...options, ...this.#world.settings.plant.recovery?.(options) };
  }

  async #recover(
    store: MetadataStore,
    session: BrokerSession,
    fencedVersion: number,
    known: KnownOfDead,
  ): Promise<Recovered> {
    const world = this.#world;
    const { clock, random } = this.process;
    let version = fencedVersion;
    const topicIds = await placedTopics({ store, clock, random });
    const options = {
      ...this.#recovery(store, session),
      ...known,
      isPublished: session.state === 'recovered',
      guard: () => [{ op: 'check' as const, key: brokerSessionKey(session.brokerId), if: { version } }],
      keeps: (topicId: string) => topicIds.has(topicId),
    };
    try {
      const { cleanUp, isSealed } = await publishWal(this.#planted(options));
      return {
        isSealed,
        cleanUp(current) {
          version = current;
          return cleanUp();
        },
      };
    } catch (error) {
      world.noteEnd(`recovery of ${session.brokerId}@${session.epoch}`, error);
      throw error;
    }
  }

  /** SIGTERM: the controller hands over, or stops the brokers when it is the last. */
  stop(): void {
    this.process.post(0, () => {
      this.controller.stop().then(
        () => this.process.end('stopped'),
        (error: unknown) => {
          this.#world.noteEnd(this.process.name, error);
          this.process.end('stop failed');
        },
      );
    });
  }

  async #start(): Promise<void> {
    await this.catalogue.start();
    await this.controller.start();
    this.isServing = true;
  }

  /** The sender frees its memory when it is answered: a client could not ignore a second answer. */
  #once(append: Append): Append {
    let isAnswered = false;
    return {
      ...append,
      done: (result, recordsAreFree) => {
        if (isAnswered) this.#world.bug(this.process.name, new Error('an append is answered twice'));
        isAnswered = true;
        append.done(result, recordsAreFree);
      },
    };
  }

  #facade(): Engine {
    const { settings, history } = this.#world;
    const { plant } = settings;
    const engine = wholeEngine(this.catalogue, this.#routing, this.controller);
    return {
      ...engine,
      append: (append) => engine.append(this.#once(plant.append?.(append) ?? append)),
      allocateProducerId: async () => {
        const id = await engine.allocateProducerId();
        history.add({ kind: 'producer-id', id });
        return id;
      },
    };
  }
}

function slotIn(slots: readonly BrokerSlot[]): (brokerId: number) => BrokerSlot {
  return (brokerId) => slots.find((slot) => slot.brokerId === brokerId)!;
}
