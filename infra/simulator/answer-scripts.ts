/**
 * Faults that are short scripts (fault-scripts.ts) about answers: answers that are lost although the work was done, and
 * answers that are given before it is done.
 */
import type { BrokerProcess } from './broker-process.ts';
import type { FaultActs } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';
import { clusterIds } from './world.ts';

/** Time for a producer in focus to send as many batches as it may have in flight. */
const fillMs = 180;
/** For a rebalance, when a member has left. */
const toldMsMax = 1500;

/**
 * A broker stores all batches that producers have in flight to it, five of each, and no answer arrives. Then the links are
 * cut, or the broker dies or releases its logs, or the gateway dies. All five are sent again, in order: to the same owner,
 * to one that has reopened their log, or by the client. Each of them must be recognised.
 */
export function loseAnswers(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { network, loop } = acts.world;
  const { address, brokerId } = broker.slot;
  const untilMs = fillMs + (value % 100);
  acts.world.focus = { partitions: new Set(acts.partitionsOf(brokerId)), untilMs: loop.nowMs + untilMs };
  acts.world.fault(`network: no answers to batches from ${address}`);
  network.muteAppends(address);
  loop.schedule(untilMs, () => {
    if (value % 4 === 0) acts.planned('drain', brokerId - 1, 500);
    else if (value % 4 === 1) acts.kill(broker, 'SIGKILL');
    else if (value % 4 === 2) acts.killProcess(acts.supervisor.parent.process);
    // The router hears of a drain, and cuts the link itself when the former owner stays silent.
    if (value % 4 === 0) return;
    acts.world.fault(`network: reset ${address}`);
    network.reset(address);
  });
}

/**
 * A member of every group of a cluster leaves while the disks of its coordinators are slow. As soon as another member
 * is given its part of the next generation, the power of the coordinators fails. Whatever a client was told must be
 * there afterwards.
 */
export function losePowerWhenTold(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { loop, disks } = acts.world;
  const clusterId = clusterIds[target % clusterIds.length]!;
  const seats = acts.seatsOf(clusterId);
  const groups = acts.topics.groups.filter(({ topic }) => topic.clusterId === clusterId);
  acts.world.fault(`members of ${clusterId} leave`);
  const end = (): void => {
    for (const { slot } of seats) disks.slowMs.delete(slot.volume);
    for (const group of groups) group.onTold = () => undefined;
  };
  for (const { slot } of seats) disks.slowMs.set(slot.volume, 40 + (value % 100));
  for (const group of groups) {
    group.shake();
    group.onTold = () => {
      end();
      loop.schedule((value % 5) / 2, () => {
        for (const seat of seats) acts.slotPower(seat);
      });
    };
  }
  loop.schedule(toldMsMax, end);
}
