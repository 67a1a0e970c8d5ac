/**
 * Several controllers over one store and one fleet, and gateways without a controller. A test may cut off or delay
 * each of them.
 */
import { StoreCatalogue } from '../catalogue.ts';
import { manualClock } from '../kernel/manual-clock.ts';
import { seededRandom } from '../kernel/random.ts';
import { type BrokerSlot, StoreUnavailable } from '../ports.ts';
import { memoryStore } from '../store-memory.ts';
import { type Controller, createController } from './controller.ts';
import { movingTime } from './controller-in-test.suite.ts';
import { testFleet } from './fleet-in-test.suite.ts';
import { decodePlacement, type PlacementRow } from './rows/placement.ts';
import { decodeShard, shardPk, shardsPk } from './rows/shard.ts';
import { createVisitor } from './visitor.ts';

const slotOf = (brokerId: number): BrokerSlot => ({
  brokerId,
  zone: 'abc'[(brokerId - 1) % 3]!,
  volume: `/v/${brokerId}`,
  address: `/s/${brokerId}`,
});
const slotsTo = (count: number): BrokerSlot[] => Array.from({ length: count }, (_, i) => slotOf(i + 1));
const slots = slotsTo(3);

export interface Member {
  readonly controller: Controller;
  /** While true, no request reaches the store and no answer comes back: the member is killed or stopped. */
  isAway: boolean;
  /** How long its next placement write stays in flight. */
  placementDelayMs: number;
  /** How long reading a shard's rows takes. */
  shardReadMs: number;
  /** Partition keys whose changes are not delivered to it until they are removed from this set. */
  readonly unheard: Set<string>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export async function sharedWorld() {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const fleet = testFleet(store, clock);
  let seed = 1;
  const during = movingTime(clock);
  const join = async (brokers = slots.length): Promise<Member> => {
    const member = { isAway: false, placementDelayMs: 0, shardReadMs: 0, unheard: new Set() } as Writable<Member>;
    const view = store.connect((operation) => {
      if (member.isAway) throw new StoreUnavailable('this process does nothing');
      if (operation.op === 'deliver' && member.unheard.has(operation.key.pk)) throw new StoreUnavailable('unheard');
      if (operation.op === 'range' && operation.pk.startsWith('SHARD#')) return { delayMs: member.shardReadMs };
      if (operation.op !== 'transact' || !operation.ops.some(({ key }) => key.sk.startsWith('PLACE#')))
        return undefined;
      const delayMs = member.placementDelayMs;
      member.placementDelayMs = 0;
      return { delayMs };
    });
    const catalogue = new StoreCatalogue(view, clock);
    await during(catalogue.start());
    member.controller = createController({
      store: view,
      clock,
      random: seededRandom(seed++),
      fleet: {
        ...fleet,
        adopt: fleet.adopts,
        onExit: (listener) => fleet.onExit((id) => !member.isAway && listener(id)),
      },
      brokerRequest: fleet.request,
      recover: (session, version) => fleet.recover(session, version),
      slots: slotsTo(brokers),
      slotOf,
      isGone: (pid) => fleet.isGone(pid),
      others: catalogue,
      name: `c${seed}`,
    });
    void member.controller.start().catch(() => undefined);
    return member;
  };
  /** `ranges`: the partition keys that it has read completely, in order. */
  const visit = async (unheard: ReadonlySet<string> = new Set(), ranges: string[] = []) => {
    const view = store.connect((operation) => {
      if (operation.op === 'range') ranges.push(operation.pk);
      if (operation.op === 'deliver' && unheard.has(operation.key.pk)) throw new StoreUnavailable('unheard');
      return undefined;
    });
    const catalogue = new StoreCatalogue(view, clock);
    await during(catalogue.start());
    return createVisitor({
      store: view,
      clock,
      random: seededRandom(seed++),
      catalogue,
      brokers: 3,
      brokerRequest: fleet.request,
    });
  };
  const owners = async (): Promise<Map<string, number>> => {
    const counts = new Map<string, number>();
    for (const row of (await store.range(shardsPk)).rows) {
      const { controllerId } = decodeShard(row);
      counts.set(controllerId, (counts.get(controllerId) ?? 0) + 1);
    }
    return counts;
  };
  const sharesOf = async (...members: Member[]): Promise<number[]> => {
    const counts = await owners();
    return members.map(({ controller }) => counts.get(controller.controllerId) ?? 0);
  };
  const places = async (): Promise<PlacementRow['partitions'][number][]> => {
    const all = [];
    for (let shard = 0; shard < 64; shard++) {
      const { rows } = await store.range(shardPk(shard), { from: 'PLACE#', to: 'PLACE$' });
      for (const row of rows) all.push(...decodePlacement(row).partitions);
    }
    return all;
  };
  return { clock, store, fleet, slots, during, join, visit, owners, sharesOf, places };
}

export const spec = (cluster: string, name: string) => ({
  name: `${cluster}.${name}`,
  clusterId: cluster,
  partitions: 6,
  configs: {},
});
