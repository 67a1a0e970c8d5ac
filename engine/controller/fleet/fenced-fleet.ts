/**
 * The fleet as who keeps it may touch it. Rows are written on conditions, so that of two who believe that they keep the fleet one
 * has the effect; a signal to a process has no condition. A controller that was stopped, and goes on when another keeps the
 * fleet, would end what that one has just started in the slot. So whether it still is ours is asked before each such act, not
 * only at the next look at the members. What slips through, between the answer and the signal, ends a process that is
 * replaced as any other.
 */
import type { Fleet } from '../../ports.ts';
import { ShardLost } from '../shards/shards.ts';

/** Its start, kill and stop reject with ShardLost, and touch nothing, once the fleet is another's. */
export function fencedFleet(fleet: Fleet, stillOurs: () => Promise<boolean>): Fleet {
  const fenced = async (act: () => Promise<void>): Promise<void> => {
    if (!(await stillOurs())) throw new ShardLost(0);
    return act();
  };
  // Each by its name: what a fleet comes to have beside these does not compile before somebody has said whether it is such an act.
  const all: { readonly [K in keyof Required<Fleet>]: Fleet[K] | undefined } = {
    standby: fleet.standby?.bind(fleet),
    prepare: fleet.prepare?.bind(fleet),
    adopt: fleet.adopt?.bind(fleet),
    runs: fleet.runs?.bind(fleet),
    start: (slot) => fenced(() => fleet.start(slot)),
    kill: (brokerId) => fenced(() => fleet.kill(brokerId)),
    stop: (brokerId, graceMs) => fenced(() => fleet.stop(brokerId, graceMs)),
    onExit: (listener) => fleet.onExit(listener),
    onHung: fleet.onHung?.bind(fleet),
    close: fleet.close?.bind(fleet),
  };
  return all as Fleet;
}
