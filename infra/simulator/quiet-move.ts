/**
 * In a world that is healed and whole, the coordinators' partitions move as planned once more, while nobody dies,
 * leaves or joins. Members must not notice: what a coordinator knows about them moves with its log. The logs of one
 * broker move too while producers continue: what they send meanwhile is held and replayed, and nobody gets an error.
 * Then a member of each group leaves for good, with or without a LeaveGroup, and the others have to take over its part,
 * wherever the coordinator is by then.
 */
import { coordinatorPartition, coordinatorTopic } from '../../engine/routing/coordinator-seat.ts';
import type { MemberGroup } from './member-group.ts';
import type { Entry } from './history.ts';
import type { Supervisor } from './supervisor.ts';
import type { TopicRoom } from './topic-room.ts';
import type { World } from './world.ts';

/** For members that ended without a word to be dropped. */
const settleMsMax = 8000;
const moveMsMax = 4000;
/**
 * A session, which starts over when the coordinator moves to balance the fleet, and the session of a member that joined
 * then and got no answer, with the rebalances after them.
 */
const loseMsMax = 25_000;
/** Members hear of a rebalance by their heartbeats. */
const watchMs = 2500;
/** For what was sent before to have its answer, and for what is sent meanwhile. */
const answersMs = 600;
/** Gateways that hold for less may have to refuse. */
export const seamlessHoldMs = 480;

/** The logs of one broker go to others. */
export async function moveLogs(world: World, supervisor: Supervisor, { topics }: TopicRoom): Promise<void> {
  const { loop, history, settings } = world;
  if (settings.holdMsMax < seamlessHoldMs) return;
  const live = topics.filter(({ isDeleted }) => !isDeleted);
  const placesOf = (brokerId: number): number =>
    live
      .flatMap(({ topicId }) => supervisor.parent.catalogue.byId(topicId)?.partitions ?? [])
      .filter((place) => place.brokerId === brokerId).length;
  // A controller whose write is still held back has to wait for it, with logs that have been released.
  await loop.run(Math.max(loop.nowMs, world.store.lateUntilMs) + answersMs);
  const slot = settings.slots.find(({ brokerId }) => placesOf(brokerId) > 0);
  if (!slot) return;
  const { brokerId } = slot;
  const from = history.entries.length;
  world.fault(`quiet move of logs: drain broker ${brokerId}`);
  const { process, controller } = supervisor.deciders[0]!;
  process.post(0, () => void controller.drainBroker(brokerId).catch(() => undefined));
  await loop.run(loop.nowMs + moveMsMax, () => placesOf(brokerId) === 0);
  await loop.run(loop.nowMs + answersMs);
  process.post(0, () => void controller.undrainBroker(brokerId).catch(() => undefined));
  const told = firstError(history.entries.slice(from));
  if (told)
    history.add({ kind: 'unsettled', what: `${told.producer} was told ${told.code} while logs moved as planned` });
}

/** Of what was sent since; but for senders that number their batches, which overtake each other and are refused by design. */
function firstError(entries: readonly Entry[]): (Entry & { kind: 'sent' }) | undefined {
  const values = new Set<string>();
  for (const entry of entries) {
    if (entry.kind === 'send' && entry.as !== 'idempotent') values.add(entry.values[0]!);
    else if (entry.kind === 'sent' && entry.code !== 0 && values.has(entry.values[0]!)) return entry;
  }
  return undefined;
}

export async function moveSeats(world: World, supervisor: Supervisor, groups: readonly MemberGroup[]): Promise<void> {
  const { loop, history } = world;
  const live = groups.filter(({ isOver }) => !isOver);
  await loop.run(loop.nowMs + settleMsMax, () => live.every((group) => group.isSettled));
  const settled = live.filter((group) => group.isSettled && group.isWhole);
  for (const { groupId } of settled.filter(({ isTaken }) => !isTaken))
    history.add({ kind: 'stuck', what: `no commit of a member of ${groupId} is taken` });
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

/** Some of those that die without a LeaveGroup do so while their coordinator moves. */
export async function loseMembers(world: World, supervisor: Supervisor, groups: readonly MemberGroup[]): Promise<void> {
  const { loop, history, settings } = world;
  const left = groups.filter((group) => !group.isOver && group.isSettled);
  const [first] = left;
  if (!first) return;
  const isPolite = settings.seed % 2 === 0;
  const brokerId = settings.seed % 4 === 1 ? seatOf(supervisor, first) : undefined;
  const { process, controller } = supervisor.deciders[0]!;
  world.fault(`quiet end of members, ${isPolite ? 'who say so' : 'without a word'}`);
  for (const group of left) group.lose(isPolite);
  if (brokerId !== undefined) process.post(0, () => void controller.drainBroker(brokerId).catch(() => undefined));
  await loop.run(loop.nowMs + loseMsMax, () => left.every((group) => group.isWhole));
  if (brokerId !== undefined) process.post(0, () => void controller.undrainBroker(brokerId).catch(() => undefined));
  for (const { groupId } of left.filter((group) => !group.isWhole)) {
    history.add({ kind: 'stuck', what: `nobody takes over what the member had that ${groupId} has lost` });
  }
}

/** The broker of its coordinator, as the gateway knows it. */
function seatOf(supervisor: Supervisor, group: MemberGroup): number | undefined {
  const { clusterId, groupId } = group.target;
  const topic = supervisor.parent.catalogue.byName(coordinatorTopic(clusterId));
  return topic?.partitions[coordinatorPartition(groupId, topic.partitions.length)]?.brokerId;
}
