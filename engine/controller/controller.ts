/**
 * The controller owns shards; the one that owns shard 0 also keeps the fleet. It is a thin shell over its parts, and
 * each part states its own rules. It either runs alone (no other process may serve the data folder) or shares the
 * shards:
 *
 *   start   takes the shards, all or its share; with shard 0: settles what an earlier run left open, starts or adopts
 *           the brokers; waits until the fleet serves
 *   runs    looks at the other controllers and follows the assignment of shards (assign-shards.ts), repairs what is in
 *           its shards, and keeps the fleet (fleet-duty.ts) or follows it (broker-follow.ts)
 *   stop    the last controller stops the brokers, and each rolls up and closes its session; others hand over their
 *           shards
 */
import type { Engine, EngineDecisions } from '../engine.ts';
import { type Clock, sleep } from '../kernel/clock.ts';
import { Failure, ShuttingDown } from '../kernel/failure.ts';
import type { Random } from '../kernel/random.ts';
import type { ScrubAct, ScrubStatus } from '../log/log.ts';
import type { DamageRow } from '../log/rows/damage.ts';
import type { BrokerSlot, Fleet, MetadataStore } from '../ports.ts';
import { askScrub } from './ask-scrub.ts';
import { BrokerFollow } from './brokers/broker-follow.ts';
import { Background } from './background.ts';
import { BrokerTable } from './brokers/brokers.ts';
import { brokersShown } from './brokers/brokers-shown.ts';
import { type BeginRecovery, type BrokerRequest, causeText, type ControllerContext, type Recover } from './context.ts';
import { DamageWatch } from './damage-watch.ts';
import { DeletedTopics } from './topics/deleted-topics.ts';
import { eventLine, eventRing } from './events.ts';
import { type FleetCalls, fleetCalls } from './fleet/fleet-calls.ts';
import { FleetWish } from './fleet/fleet-wish.ts';
import { KeptFleet } from './fleet/kept-fleet.ts';
import { holdLease, type Lease } from './lease.ts';
import { LoadWatch } from './moves/load-watch.ts';
import { controllerIdOf, type KnownNames, processesById } from './shards/controller-id.ts';
import { Members } from './shards/members.ts';
import { PartitionLoads } from './moves/partition-loads.ts';
import { partitionCounts } from './moves/plan-input.ts';
import { type ProducerIds, producerIds } from './producer-ids.ts';
import { Repair } from './moves/repair.ts';
import { noticedStore } from './row-notices.ts';
import { brokerSessionsPk, unknownPid } from './rows/broker-session.ts';
import { controllerLeaseKey } from './rows/lease.ts';
import { shardCount, shardKey, shardOwner } from './rows/shard.ts';
import { type ControllerSettings, controllerDefaults, scaleDefaults } from './settings.ts';
import { type OtherShards, ShardTable } from './shards/shards.ts';
import { type Topics, topics } from './topics/topics.ts';

export interface ControllerOptions extends KnownNames {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly fleet: Fleet;
  readonly brokerRequest: BrokerRequest;
  readonly beginRecovery?: BeginRecovery;
  readonly recover: Recover;
  readonly slots: readonly BrokerSlot[];
  /** See ControllerContext. Given together with `others`. */
  slotOf?(brokerId: number): BrokerSlot;
  /** Whether the process of an earlier run is gone. If so, its session may be settled without a wait. */
  isGone(pid: number): boolean;
  /**
   * The contents of the other controllers' shards. Given when other processes share the installation. Absent: this
   * controller is alone, and takes all shards at once, whoever had them.
   */
  readonly others?: OtherShards;
  /** Names this controller for operators; a random suffix makes it unique. */
  readonly name?: string;
  readonly settings?: Partial<ControllerSettings>;
  /** Every event, as text for operators. */
  log?(line: string): void;
}

/** The administrative side of the engine, and what operators may ask of the fleet. */
export interface Controller extends FleetCalls, EngineDecisions {
  readonly controllerId: string;
  /**
   * Resolves when enough of an earlier run is settled for brokers to start. True: no broker of that run serves, and at
   * least one of its sessions had to be recovered, so clients are waiting. Never resolves beside other controllers,
   * which may have settled it.
   */
  readonly settled: Promise<boolean>;
  /** Resolves when every shard has an owner and the fleet serves, or when the wait for that is over. */
  start(): Promise<void>;
  /** Hands over to the other controllers. When there are none, stops the brokers gracefully. */
  stop(): Promise<void>;
  /** Whether every shard has a live owner and at least one broker serves. */
  ready(): boolean;
  /** Controls the scrub of the segments that the broker looks after. Rejects when the broker does not answer. */
  scrub(brokerId: number, act: ScrubAct): Promise<ScrubStatus>;
  /** Damage that scrubs have found and that is not yet mended. */
  damage(): readonly DamageRow[];
}

export function createController(options: ControllerOptions): Controller {
  return new RunningController(options);
}

const settlePollMs = 20;
const leasePollMs = 5;
/** Owner of a partition that has none. */
const noOwner = -1;

class RunningController implements Controller {
  readonly controllerId: string;
  readonly settled: Promise<boolean>;
  #tellSettled: (isAfterCrash: boolean) => void = () => undefined;
  readonly #options: ControllerOptions;
  readonly #context: ControllerContext;
  readonly #topics: Topics;
  readonly #producerIds: ProducerIds;
  readonly #repair: Repair;
  readonly #deleted: DeletedTopics;
  readonly #damage: DamageWatch;
  readonly #members: Members;
  readonly #wish: FleetWish;
  readonly #follow: BrokerFollow;
  readonly #kept: KeptFleet;
  readonly #calls: FleetCalls;
  #lease: Lease | undefined;
  readonly #loadWatch: LoadWatch;
  readonly #stopWatching: (() => void)[] = [];
  readonly #background: Background;
  #started = false;
  #stopping = false;

  constructor(options: ControllerOptions) {
    const { clock, random, fleet, brokerRequest, recover, others, name = 'controller' } = options;
    const scale = { ...scaleDefaults, brokersMin: options.slots.length, brokersMax: options.slots.length };
    const settings = { ...controllerDefaults, scale, ...options.settings };
    const isStopping = (): boolean => this.#stopping;
    const brokers = new BrokerTable(options.slots);
    const events = eventRing(clock, settings.eventsMax, (brokerId) => brokers.get(brokerId)?.slot.zone);
    const store = noticedStore(options.store, events);
    const persistence = { store, clock, random, stopped: isStopping };
    this.controllerId = controllerIdOf(name, random);
    this.#options = options;
    this.#wish = new FleetWish(persistence, { brokers: settings.scale.brokersMin, override: 0, evacuated: [] });
    this.#context = {
      persistence,
      clock,
      settings,
      events,
      fleet,
      brokerRequest,
      beginRecovery: options.beginRecovery,
      recover,
      isStopping,
      isGone: (pid) => pid !== unknownPid && options.isGone(pid),
      ...(options.slotOf ? { slotOf: (brokerId) => options.slotOf!(brokerId) } : {}),
      brokers,
      shards: new ShardTable(persistence, this.controllerId, events, { others }),
      wish: this.#wish,
      loads: new PartitionLoads(settings.brokerCapacity, settings.loadIntervalMs),
    };
    this.#background = new Background(clock, events, isStopping);
    this.#topics = topics(this.#context);
    this.#producerIds = producerIds(persistence, settings.requestWaitMsMax, settings.producerIdsPerBlock);
    this.#repair = new Repair(this.#context);
    this.#deleted = new DeletedTopics(this.#context);
    this.#damage = new DamageWatch(persistence, events);
    this.#loadWatch = new LoadWatch(this.#context);
    const gapMsMax = Math.max(settings.lookGapMsMax, 3 * this.#lookIntervalMs());
    this.#members = new Members(store, clock, gapMsMax, processesById(options, this.controllerId));
    brokers.wish(this.#wish);
    this.#wish.onChange(() => brokers.wish(this.#wish));
    this.#follow = new BrokerFollow(this.#context, this.#repair);
    this.#kept = new KeptFleet(this.#context, this.#repair, this.#wish, {
      onServing: () => this.#onServing(),
      selfValid: (nowMs) => this.#lease?.isValid(nowMs) ?? false,
      run: (act) => this.#background.run(act),
      ...(others ? { stillOurs: () => this.#keepsByRow() } : {}),
    });
    this.#calls = fleetCalls({
      persistence,
      wish: this.#wish,
      isKept: () => this.#isFleetKept(),
      zones: () => new Set([...brokers.all()].map(({ slot }) => slot.zone)),
      unkeptMsMax: settings.requestWaitMsMax,
    });
    this.settled = new Promise((resolve) => (this.#tellSettled = resolve));
    events.on((event) => options.log?.(eventLine(event)));
  }

  async start(): Promise<void> {
    const { clock, settings, persistence, brokers } = this.#context;
    this.#lease = holdLease({
      ...persistence,
      key: controllerLeaseKey(this.controllerId),
      epoch: 1,
      settings: settings.lease,
      guard: () => [],
      onLost: (cause) => this.#context.events.emit('lease-lost', causeText(cause)),
    });
    this.#stopWatching.push(await this.#wish.follow());
    this.#damage.start();
    if (this.#options.others) await this.#shareShards();
    else await this.#takeEverything();
    const deadlineMs = clock.monotonicMs() + settings.fleetWaitMsMax;
    const isWhole = (): boolean => this.#shardsServed() && brokers.allServe();
    while (!isWhole() && clock.monotonicMs() < deadlineMs) {
      if (this.#stopping) return;
      if (this.#kept.duty?.isAfterCrash && this.#allHaveOwners()) break;
      await sleep(clock, settlePollMs);
    }
    this.#started = true;
    await this.#repair.assignOrphans();
    this.#background.every(settings.sweepIntervalMs, () => this.#sweep());
    // Only one controller asks: an answer covers the time since the last question, whoever asked it.
    this.#background.every(settings.loadIntervalMs, async () => this.#kept.duty && this.#loadWatch.askAll());
    this.#background.every(settings.loadIntervalMs, async () => this.#kept.duty?.size.look());
    this.#background.every(settings.balanceIntervalMs, async () => this.#kept.duty?.balance.even());
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const stop of this.#stopWatching) stop();
    this.#damage.stop();
    this.#background.stop();
    const heirs = await this.#heirs();
    if (heirs.length > 0) await this.#handOver(heirs);
    else await this.#endBrokers();
    this.#lease?.stop();
    // One attempt: a lease that stays behind expires by itself.
    await this.#options.store
      .transact([{ op: 'delete', key: controllerLeaseKey(this.controllerId) }])
      .catch(ignoreFailure);
    // Controllers that leave together may each take the other for the heir. With its lease gone, the last one sees
    // nobody.
    if (heirs.length > 0 && (await this.#heirs()).length === 0) await this.#endBrokers();
  }

  ready(): boolean {
    const isServed = this.#shardsServed() && this.#context.brokers.anyServing() !== undefined;
    return this.#started && !this.#stopping && isServed;
  }

  createTopic: Engine['createTopic'] = async (spec, guard) => {
    this.#assertRuns();
    return this.#topics.create(spec, guard);
  };

  deleteTopic: Engine['deleteTopic'] = async (...asked) => {
    this.#assertRuns();
    await this.#topics.delete(...asked);
    this.#background.run(() => this.#deleted.sweep());
  };

  createPartitions: Engine['createPartitions'] = async (name, total, guard, replicas) => {
    this.#assertRuns();
    return this.#topics.createPartitions(name, total, guard, replicas);
  };

  alterReplicas: Engine['alterReplicas'] = async (name, alter) => {
    this.#assertRuns();
    return this.#topics.alterReplicas(name, alter);
  };

  alterConfigs: Engine['alterConfigs'] = async (name, alter) => {
    this.#assertRuns();
    return this.#topics.alterConfigs(name, alter);
  };

  async allocateProducerId(): Promise<number> {
    this.#assertRuns();
    return this.#producerIds.allocate();
  }

  brokers: Engine['brokers'] = () => brokersShown(this.#context, this.#wish);
  controllers: Engine['controllers'] = () => this.#members.controllers();
  shards: Engine['shards'] = () => this.#members.shards();
  events: Engine['events'] = () => this.#context.events.list();
  onEvent: Engine['onEvent'] = (listener) => this.#context.events.on(listener);

  scrub: Controller['scrub'] = (brokerId, act) => askScrub(this.#context.brokerRequest, brokerId, act);
  drainBroker: FleetCalls['drainBroker'] = (brokerId) => this.#calls.drainBroker(brokerId);
  undrainBroker: FleetCalls['undrainBroker'] = (brokerId) => this.#calls.undrainBroker(brokerId);
  restartBroker: FleetCalls['restartBroker'] = (brokerId) => this.#calls.restartBroker(brokerId);
  restartBrokers: FleetCalls['restartBrokers'] = () => this.#calls.restartBrokers();
  replaceBroker: FleetCalls['replaceBroker'] = (brokerId) => this.#calls.replaceBroker(brokerId);
  scaling: FleetCalls['scaling'] = () => this.#kept.duty?.size.shown() ?? this.#calls.scaling();
  scaleFleet: FleetCalls['scaleFleet'] = (brokers) => this.#calls.scaleFleet(brokers);
  evacuateZone: FleetCalls['evacuateZone'] = (zone) => this.#calls.evacuateZone(zone);
  restoreZone: FleetCalls['restoreZone'] = (zone) => this.#calls.restoreZone(zone);

  damage(): readonly DamageRow[] {
    return this.#damage.list();
  }

  async #takeEverything(): Promise<void> {
    const keeping = this.#kept.keep();
    void this.#kept.duty?.begun.then(this.#tellSettled);
    await Promise.all([this.#context.shards.takeAll(), keeping]);
  }

  /**
   * Used beside other controllers. Looks at them and at the brokers at a fixed pace, and whenever a session changes.
   */
  async #shareShards(): Promise<void> {
    const { settings, persistence, clock } = this.#context;
    // Others ignore an owner that has no lease.
    while (!this.#lease?.isValid(clock.monotonicMs()) && !this.#stopping) await sleep(clock, leasePollMs);
    this.#background.run(() => this.#lookAtMembers());
    this.#background.every(settings.membersIntervalMs, () => this.#lookAtMembers());
    this.#background.every(settings.lookIntervalMs, () => this.#lookAtBrokers());
    const stop = persistence.store.watch(brokerSessionsPk, () => this.#background.run(() => this.#lookAtBrokers()));
    this.#stopWatching.push(stop);
  }

  async #lookAtMembers(): Promise<void> {
    const { shards, persistence } = this.#context;
    const look = await this.#members.look();
    if (this.#stopping) return;
    const { others } = this.#options;
    const alive = others ? look.alive.filter((id) => id !== this.controllerId) : [];
    await shards.follow(look, [this.controllerId, ...alive]);
    if (!others) return;
    if (shards.holds(0) && !this.#kept.duty) {
      this.#context.events.emit('fleet-kept', 'shard 0 is ours', { controllerId: this.controllerId });
      this.#background.run(() => this.#kept.keep());
    } else if (!shards.holds(0) && this.#kept.duty) {
      this.#kept.letGo();
    }
    // Deletes the leases of dead controllers that own no shard any longer.
    for (const row of look.lapsed) {
      if (!this.#kept.duty || look.owners.some((owner) => owner && row.sk.endsWith(owner))) continue;
      const op = { op: 'delete' as const, key: { pk: row.pk, sk: row.sk }, if: { version: row.version } };
      await persistence.store.transact([op]).catch(ignoreFailure);
    }
  }

  #looking = false;

  async #lookAtBrokers(): Promise<void> {
    if (this.#kept.duty || this.#stopping || this.#looking) return;
    this.#looking = true;
    await this.#follow.look().finally(() => (this.#looking = false));
  }

  /**
   * The other live controllers, as of now; none when this one is alone. When all of them are stopped, returns the
   * stopped ones: the brokers keep serving until the controllers are resumed or count as dead.
   */
  async #heirs(): Promise<readonly string[]> {
    if (!this.#options.others) return [];
    const { alive, stopped } = await this.#members.look().catch((cause: unknown) => {
      ignoreFailure(cause);
      return this.#members.last;
    });
    const awake = alive.filter((id) => id !== this.controllerId);
    return awake.length > 0 ? awake : stopped;
  }

  async #handOver(heirs: readonly string[]): Promise<void> {
    const { clock, settings, shards } = this.#context;
    this.#kept.duty?.end();
    const idle = this.#kept.duty?.idle() ?? Promise.resolve();
    await Promise.race([idle, sleep(clock, settings.stopGraceMs)]);
    await shards.leave(this.#members.last.owners, heirs).catch(ignoreFailure);
  }

  /**
   * Decides by the row of shard 0, whatever the last look at the members said. An unavailable store proves nothing, nor
   * does a damaged row.
   */
  async #keepsByRow(): Promise<boolean> {
    const { persistence, shards } = this.#context;
    const row = await persistence.store.get(shardKey(0)).catch(ignoreFailure);
    const owner = row ? shardOwner(row) : undefined;
    const isOurs = owner === undefined ? shards.holds(0) : owner === this.controllerId;
    if (!isOurs) this.#background.run(() => this.#lookAtMembers());
    return isOurs;
  }

  /** Whether every partition's owner is a broker that serves. */
  #allHaveOwners(): boolean {
    const { brokers } = this.#context;
    if (brokers.anyServing() === undefined) return false;
    return [...partitionCounts(this.#context).keys()].every((brokerId) => brokers.isServing(brokerId));
  }

  async #endBrokers(): Promise<void> {
    const { fleet, settings, brokers } = this.#context;
    // Ends the duty before any broker answers, so that their exits count as requested.
    this.#kept.duty?.end();
    await Promise.all(
      [...brokers.all()].map(async ({ slot, session }) => {
        if (session) await fleet.adopt?.(slot, session.pid);
        await fleet.stop(slot.brokerId, settings.stopGraceMs);
      }),
    );
  }

  #onServing(): void {
    this.#background.run(async () => {
      await this.#repair.assignOrphans();
      // Planned moves close logs that clients may be waiting for, so the logs must be open first.
      const openingMs = this.#repair.openingMs();
      if (openingMs > 0) await sleep(this.#context.clock, openingMs);
      if (this.#stopping) return;
      // Brokers that join together are filled together, when the last of them joins, so no partition moves twice.
      if (this.#started && this.#context.brokers.allServe()) await this.#kept.duty?.balance.even('broker-joined');
      await this.#deleted.sweep();
    });
  }

  async #sweep(): Promise<void> {
    if (!this.#options.others) await this.#lookAtMembers();
    this.#kept.duty?.look();
    await this.#deleted.sweep();
    // Orphans are created by a visitor that saw no serving broker when one had already come.
    const hasOrphans = partitionCounts(this.#context, 'held').has(noOwner);
    if (hasOrphans && this.#context.brokers.anyServing() !== undefined) await this.#repair.assignOrphans();
  }

  #isFleetKept(): boolean {
    const { alive, owners } = this.#members.last;
    return this.#kept.duty !== undefined || alive.includes(owners[0] ?? '');
  }

  #lookIntervalMs(): number {
    const { membersIntervalMs, sweepIntervalMs } = this.#context.settings;
    return this.#options.others ? membersIntervalMs : sweepIntervalMs;
  }

  #shardsServed(): boolean {
    if (!this.#options.others) return this.#context.shards.heldCount() === shardCount;
    const { alive, owners } = this.#members.last;
    return owners.every((owner) => owner === this.controllerId || alive.includes(owner ?? ''));
  }

  #assertRuns(): void {
    if (this.#stopping) throw new ShuttingDown('the controller stops');
  }
}

function ignoreFailure(cause: unknown): void {
  if (!(cause instanceof Failure)) throw cause;
}
