/**
 * In a world that is healed and whole, the coordinators' partitions move as planned once more, while nobody dies, leaves or
 * joins. Members must not notice: what a coordinator knows of them goes with its log (docs/groups.md).
 */
import { coordinatorPartition, coordinatorTopic } from '../../engine/routing/coordinator-seat.ts';
import type { MemberGroup } from './member-group.ts';
import type { Supervisor } from './supervisor.ts';
import type { World } from './world.ts';

/** For members that ended without a word to be dropped. */
const settleMsMax = 8000;
const moveMsMax = 4000;
/** Members hear of a rebalance by their heartbeats. */
const watchMs = 2500;

export async function moveSeats(world: World, supervisor: Supervisor, groups: readonly MemberGroup[]): Promise<void> {
  const { loop, history } = world;
  const live = groups.filter(({ isOver }) => !isOver);
  await loop.run(loop.nowMs + settleMsMax, () => live.every((group) => group.isSettled));
  const settled = live.filter((group) => group.isSettled && group.isWhole);
  const before = new Map(settled.map((group) => [group, group.latest]));
  const seats = new Map(settled.map((group) => [group, seatOf(supervisor, group)]));
  const [brokerId] = new Set(seats.values());
  if (brokerId === undefined) return;
  world.fault(`quiet move: drain broker ${brokerId}`);
  const { process, controller } = supervisor.deciders[0]!;
  process.post(0, () => void controller.drainBroker(brokerId).catch(() => undefined));
  await loop.run(loop.nowMs + moveMsMax, () => settled.every((group) => seatOf(supervisor, group) !== brokerId));
  await loop.run(loop.nowMs + watchMs);
  process.post(0, () => void controller.undrainBroker(brokerId).catch(() => undefined));
  for (const group of settled) {
    if (group.isWhole && group.latest === before.get(group)) continue;
    const what = `${group.groupId} was of generation ${before.get(group)}, and is of ${group.latest} after a planned move`;
    history.add({ kind: 'unsettled', what });
  }
}

/** The broker of its coordinator, as the gateway knows it. */
function seatOf(supervisor: Supervisor, group: MemberGroup): number | undefined {
  const { clusterId, groupId } = group.target;
  const topic = supervisor.parent.catalogue.byName(coordinatorTopic(clusterId));
  return topic?.partitions[coordinatorPartition(groupId, topic.partitions.length)]?.brokerId;
}
