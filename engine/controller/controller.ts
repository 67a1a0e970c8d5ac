/**
 * The controller: owner of shards, keeper of slots. A thin shell over the parts; each of them states its own rules.
 *
 *   start   take the shards, settle what an earlier run left open, start the fleet, wait until it serves
 *   runs    a keeper per slot, the watch over leases, and a sweep of what was left for later
 *   stop    every broker rolls up and closes its session, then the controller's lease goes
 */
import type { BrokerEntry, Engine } from '../engine.ts';
import { type Clock, sleep, type Timer } from '../kernel/clock.ts';
import { Failure, InvalidRequest, ShuttingDown } from '../kernel/failure.ts';
import type { Random } from '../kernel/random.ts';
import { uuidOf, uuidText } from '../kernel/uuid.ts';
import type { BrokerSlot, Fleet, MetadataStore } from '../ports.ts';
import { getSurely } from '../store-surely.ts';
import { Balance } from './balance.ts';
import { BrokerTable, type BrokerView } from './brokers.ts';
import { BrokerWatch } from './broker-watch.ts';
import { type BrokerRequest, causeText, type ControllerContext, type Recover } from './context.ts';
import { DeletedTopics } from './deleted-topics.ts';
import { eventLine, eventRing } from './events.ts';
import { holdLease, type Lease, observe, type ObservedLease } from './lease.ts';
import { LoadWatch } from './load-watch.ts';
import { PartitionLoads } from './partition-loads.ts';
import { partitionCounts } from './plan-input.ts';
import { type ProducerIds, producerIds } from './producer-ids.ts';
import { Repair } from './repair.ts';
import { SlotKeeper } from './replace.ts';
import { brokerSessionKey, decodeBrokerSession } from './rows/broker-session.ts';
import { brokerLeaseKey, controllerLeaseKey } from './rows/lease.ts';
import { shardCount } from './rows/shard.ts';
import { type ControllerSettings, controllerDefaults } from './settings.ts';
import { ShardTable } from './shards.ts';
import { type Topics, topics } from './topics.ts';

export interface ControllerOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly fleet: Fleet;
  readonly brokerRequest: BrokerRequest;
  readonly recover: Recover;
  readonly slots: readonly BrokerSlot[];
  /** Whether the process of an earlier run is gone, so that its session may be settled without a wait. */
  isGone(pid: number): boolean;
  readonly settings?: Partial<ControllerSettings>;
  /** Every event, as text for operators. */
  log?(line: string): void;
}

/** The administrative side of the engine, and the fleet's operations. */
export interface Controller
  extends Pick<
    Engine,
    | 'createTopic'
    | 'deleteTopic'
    | 'createPartitions'
    | 'alterConfigs'
    | 'allocateProducerId'
    | 'brokers'
    | 'events'
    | 'onEvent'
  > {
  readonly controllerId: string;
  /** Resolves when the shards are ours and the fleet serves, or the wait for it is over. */
  start(): Promise<void>;
  /** Ends the brokers gracefully. */
  stop(): Promise<void>;
  /** All shards are ours and at least one broker serves. */
  ready(): boolean;
  /** Moves everything off and keeps it off. Resolves with how many partitions nobody else could take. */
  drainBroker(brokerId: number): Promise<number>;
  /** Drain, end, start again, fill again: for upgrades. Resolves when the broker serves. */
  restartBroker(brokerId: number): Promise<void>;
  /** Ends a drain: the broker may own partitions again. */
  undrainBroker(brokerId: number): void;
}

export function createController(options: ControllerOptions): Controller {
  return new RunningController(options);
}

const settlePollMs = 50;

class RunningController implements Controller {
  readonly controllerId: string;
  readonly #options: ControllerOptions;
  readonly #context: ControllerContext;
  readonly #topics: Topics;
  readonly #producerIds: ProducerIds;
  readonly #repair: Repair;
  readonly #balance: Balance;
  readonly #deleted: DeletedTopics;
  readonly #keepers = new Map<number, SlotKeeper>();
  #lease: Lease | undefined;
  #watch: BrokerWatch | undefined;
  readonly #loadWatch: LoadWatch;
  readonly #timers = new Set<Timer>();
  #started = false;
  #stopping = false;

  constructor(options: ControllerOptions) {
    const { store, clock, random, fleet, brokerRequest, recover } = options;
    const settings = { ...controllerDefaults, ...options.settings };
    const isStopping = (): boolean => this.#stopping;
    const persistence = { store, clock, random, stopped: isStopping };
    const brokers = new BrokerTable(options.slots);
    const events = eventRing(clock, settings.eventsMax, (brokerId) => brokers.get(brokerId)?.slot.zone);
    this.controllerId = uuidText(uuidOf(random));
    this.#options = options;
    this.#context = {
      persistence,
      clock,
      settings,
      events,
      fleet,
      brokerRequest,
      recover,
      isStopping,
      brokers,
      shards: new ShardTable(persistence, this.controllerId, events),
      loads: new PartitionLoads(settings.brokerCapacity),
    };
    this.#topics = topics(this.#context);
    this.#producerIds = producerIds(persistence, settings.requestWaitMsMax);
    this.#repair = new Repair(this.#context);
    this.#balance = new Balance(this.#context);
    this.#deleted = new DeletedTopics(this.#context);
    this.#loadWatch = new LoadWatch(this.#context);
    for (const view of this.#context.brokers.all()) {
      const keeper = new SlotKeeper(this.#context, view, this.#repair, { onServing: () => this.#onServing() });
      this.#keepers.set(view.slot.brokerId, keeper);
    }
    fleet.onExit((brokerId) => this.#keepers.get(brokerId)?.exited());
    events.on((event) => options.log?.(eventLine(event)));
  }

  async start(): Promise<void> {
    const { clock, settings, persistence, brokers, shards } = this.#context;
    this.#lease = holdLease({
      ...persistence,
      key: controllerLeaseKey(this.controllerId),
      epoch: 1,
      settings: settings.lease,
      guard: () => [],
      onLost: (cause) => this.#context.events.emit('lease-lost', causeText(cause)),
    });
    const views = [...brokers.all()];
    await Promise.all([shards.takeAll(), ...views.map((view) => this.#settleEarlier(view))]);
    for (const keeper of this.#keepers.values()) this.#run(() => keeper.keep());
    this.#watch = new BrokerWatch({
      context: this.#context,
      selfValid: (nowMs) => this.#lease?.isValid(nowMs) ?? false,
      kill: async (brokerId, reason) => this.#keepers.get(brokerId)?.kill(reason),
    });
    const deadlineMs = clock.monotonicMs() + settings.fleetWaitMsMax;
    while (views.some((view) => view.phase !== 'serving') && clock.monotonicMs() < deadlineMs) {
      if (this.#stopping) return;
      await sleep(clock, settlePollMs);
    }
    this.#started = true;
    await this.#repair.assignOrphans();
    this.#every(settings.sweepIntervalMs, () => this.#sweep());
    this.#every(settings.loadIntervalMs, () => this.#loadWatch.askAll());
    this.#every(settings.balanceIntervalMs, () => this.#balance.even());
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#watch?.stop();
    for (const timer of this.#timers) timer.cancel();
    const { fleet, settings } = this.#context;
    await Promise.all([...this.#keepers.keys()].map((brokerId) => fleet.stop(brokerId, settings.stopGraceMs)));
    this.#lease?.stop();
    // One attempt: a lease that stays behind lapses by itself.
    await this.#options.store
      .transact([{ op: 'delete', key: controllerLeaseKey(this.controllerId) }])
      .catch(ignoreFailure);
  }

  ready(): boolean {
    return this.#started && !this.#stopping && this.#allShards() && this.#context.brokers.anyServing() !== undefined;
  }

  createTopic: Engine['createTopic'] = async (spec, guard) => {
    this.#assertRuns();
    return this.#topics.create(spec, guard);
  };

  deleteTopic: Engine['deleteTopic'] = async (name, guard) => {
    this.#assertRuns();
    await this.#topics.delete(name, guard);
    this.#run(() => this.#deleted.sweep());
  };

  createPartitions: Engine['createPartitions'] = async (name, total, guard) => {
    this.#assertRuns();
    return this.#topics.createPartitions(name, total, guard);
  };

  alterConfigs: Engine['alterConfigs'] = async (name, changes) => {
    this.#assertRuns();
    return this.#topics.alterConfigs(name, changes);
  };

  async allocateProducerId(): Promise<number> {
    this.#assertRuns();
    return this.#producerIds.allocate();
  }

  brokers(): readonly BrokerEntry[] {
    const counts = partitionCounts(this.#context);
    return [...this.#context.brokers.all()].map((view) => ({
      brokerId: view.slot.brokerId,
      zone: view.slot.zone,
      state: stateOf(view),
      sessionEpoch: view.session?.epoch ?? 0,
      partitions: counts.get(view.slot.brokerId) ?? 0,
      pid: view.session?.pid ?? 0,
      moving: view.moving,
    }));
  }

  events: Engine['events'] = () => this.#context.events.list();
  onEvent: Engine['onEvent'] = (listener) => this.#context.events.on(listener);

  async drainBroker(brokerId: number): Promise<number> {
    const view = this.#viewOf(brokerId);
    view.draining = true;
    this.#context.events.emit('broker-draining', 'asked by an operator', { brokerId });
    return this.#balance.drain(brokerId);
  }

  undrainBroker(brokerId: number): void {
    this.#viewOf(brokerId).draining = false;
    this.#run(() => this.#balance.even());
  }

  async restartBroker(brokerId: number): Promise<void> {
    const view = this.#viewOf(brokerId);
    const { clock } = this.#context;
    const epoch = view.session?.epoch ?? 0;
    try {
      await this.drainBroker(brokerId);
      await this.#keepers.get(brokerId)!.stop('restart');
      while (view.phase !== 'serving' || (view.session?.epoch ?? 0) <= epoch) {
        if (this.#stopping) throw new ShuttingDown('the controller stops');
        await sleep(clock, settlePollMs);
      }
    } finally {
      this.undrainBroker(brokerId);
    }
  }

  /** A session of an earlier run: settled at once when its process is gone, else when its lease has lapsed. */
  async #settleEarlier(view: BrokerView): Promise<void> {
    const { clock, persistence } = this.#context;
    const { brokerId } = view.slot;
    const keeper = this.#keepers.get(brokerId)!;
    let seen: ObservedLease | undefined;
    while (!this.#stopping) {
      const row = await getSurely(persistence, brokerSessionKey(brokerId));
      view.session = row && decodeBrokerSession(row);
      if (!view.session || view.session.state === 'closed') return;
      if (this.#options.isGone(view.session.pid)) {
        await keeper.settle('restart-in-place');
        return;
      }
      const lease = await getSurely(persistence, brokerLeaseKey(brokerId));
      seen = observe(seen, lease, clock.monotonicMs());
      if ((!lease || seen?.dead) && (await keeper.settle('restart-in-place', lease))) return;
      await sleep(clock, settlePollMs);
    }
  }

  #onServing(): void {
    this.#run(async () => {
      await this.#repair.assignOrphans();
      // Brokers that come back together are filled together, by the last of them: a partition moved to the first could not
      // be moved on to the second before it has cooled down.
      const views = [...this.#context.brokers.all()];
      if (this.#started && views.every((view) => view.phase === 'serving')) await this.#balance.even();
      await this.#deleted.sweep();
    });
  }

  async #sweep(): Promise<void> {
    await this.#context.shards.retakeDead();
    await this.#deleted.sweep();
  }

  #every(intervalMs: number, act: () => Promise<void>): void {
    const timer = this.#context.clock.after(
      intervalMs,
      () => {
        this.#timers.delete(timer);
        this.#run(
          async () => {
            await act();
            if (!this.#stopping) this.#every(intervalMs, act);
          },
          () => this.#every(intervalMs, act),
        );
      },
      'background',
    );
    this.#timers.add(timer);
  }

  /** Work of the background: a failure of the world is told and left to the next occasion, a bug ends the process. */
  #run(act: () => Promise<void>, onFailure?: () => void): void {
    act().catch((cause: unknown) => {
      if (this.#stopping) return;
      if (!(cause instanceof Failure)) throw cause;
      this.#context.events.emit('background-failed', causeText(cause), { code: cause.code });
      onFailure?.();
    });
  }

  #allShards(): boolean {
    return this.#context.shards.heldCount() === shardCount;
  }

  #viewOf(brokerId: number): BrokerView {
    const view = this.#context.brokers.get(brokerId);
    if (!view) throw new InvalidRequest('brokerId', `there is no broker ${brokerId}`);
    return view;
  }

  #assertRuns(): void {
    if (this.#stopping) throw new ShuttingDown('the controller stops');
  }
}

function stateOf(view: BrokerView): BrokerEntry['state'] {
  if (view.phase === 'starting') return 'starting';
  if (view.phase === 'dead') return 'fenced';
  if (view.phase === 'idle') return 'closed';
  return view.draining || view.session?.state === 'draining' ? 'draining' : 'serving';
}

function ignoreFailure(cause: unknown): void {
  if (!(cause instanceof Failure)) throw cause;
}
