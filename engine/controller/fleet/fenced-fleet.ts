/**
 * The fleet, as its keeper may touch it. Row writes are conditional, so when two controllers both believe they keep the
 * fleet, only one takes effect. A signal to a process has no condition: a controller that was stopped, and resumes
 * after another took over the fleet, would end what the other has just started in the slot. So each such act first
 * checks that the fleet is still ours, rather than relying on the next look at the members. An act that slips through
 * between the check and the signal ends a process that is replaced like any other.
 */
import type { Fleet } from '../../ports.ts';
import { ShardLost } from '../shards/shards.ts';

/** Once another controller keeps the fleet, start, kill and stop reject with ShardLost and touch nothing. */
export function fencedFleet(fleet: Fleet, stillOurs: () => Promise<boolean>): Fleet {
  const fenced = async (act: () => Promise<void>): Promise<void> => {
    if (!(await stillOurs())) throw new ShardLost(0);
    return act();
  };
  // Lists each member by name: a new member of Fleet does not compile until somebody decides whether it is such an act.
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
