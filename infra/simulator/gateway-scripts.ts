/** Faults that are short scripts (fault-scripts.ts) about several gateways: what one of them still has when its clients have gone to another. */
import type { BrokerProcess } from './broker-process.ts';
import type { FaultActs } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';

/** For what producers send to gather at a gateway that cannot send it on. */
const gatherMs = 60;
const slowMs = 700;
/** The gateway resumes while its clients use another one, and a while before they return. */
const backMs = 400;

/**
 * A gateway stops with batches that it could not send yet (a broker has died, gives its logs away, or is far), and its
 * clients go over to another gateway with everything that got no answer. Then the first gateway resumes and sends what
 * it has: each batch for the second time, at an epoch, over a link and in an order that no longer hold.
 */
export function goOver(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { gateways, doors } = acts.supervisor;
  const { network, loop } = acts.world;
  if (!broker || gateways.length === 1) return;
  const { address, brokerId } = broker.slot;
  if (value % 4 === 0) acts.kill(broker, 'SIGKILL');
  else if (value % 4 === 1) acts.planned('drain', brokerId - 1, slowMs);
  else if (value % 4 === 2) {
    network.slow(address, slowMs);
    acts.lasting(`network: slow ${address}`, slowMs, () => network.slow(address, 0));
  }
  const index = target % gateways.length;
  loop.schedule(value % gatherMs, () => {
    const { process } = gateways[index]!;
    const forMs = 100 + value;
    acts.hang(process, forMs);
    acts.world.fault(`clients of ${process.name} go over`);
    doors.all[index]!.abandon(forMs + backMs);
  });
}
