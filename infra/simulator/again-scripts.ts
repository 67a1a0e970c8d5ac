/**
 * Faults that are short scripts (fault-scripts.ts), for the mix in which what is gone comes back: topics that are deleted
 * while an owner's log is recovered, and a controller that sleeps between its question about leases and the answer.
 */
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import type { BrokerProcess } from './broker-process.ts';
import type { FaultActs } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';
import { goodMood } from './process-store.ts';

const slowForMs = 700;
const sleepMs = 1500;

/**
 * A broker dies, and over a slow store a topic of its is deleted while its log is recovered: the recovery may have asked
 * before which topics there are. Every second time another topic takes the name.
 */
export function deleteWhileDying(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  if (!broker) return;
  const { topics, world } = acts;
  acts.mood({ ...goodMood, slowMs: 30 + (value % 120) }, slowForMs);
  acts.kill(broker, 'SIGKILL');
  world.loop.schedule((value * 7) % slowForMs, () => {
    if (world.isHealed) return;
    if (value % 2 === 0) topics.again(target);
    else topics.delete(target);
  });
}

/**
 * A controller is stopped when its question about leases has been answered and it has not seen the answer: what it reads
 * when it continues is as old as its sleep. Nobody may die of that.
 */
export function lookAsleep(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { store, loop, settings } = acts.world;
  const { process } = acts.decider(target);
  if (!process.isRunning || store.heldReads.has(process)) return;
  const stoppedMs = settings.lease.durationMs + (value % sleepMs);
  let answer: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (answer = resolve));
  const act = (): void => {
    acts.hang(process, stoppedMs);
    loop.schedule(1, answer);
  };
  store.heldReads.set(process, { pk: leasesPk, until, act });
}
