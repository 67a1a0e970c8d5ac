/**
 * The brokers as operators see them, assembled from the controller's view, placements, loads and wishes. For display
 * only: no decision uses it, and it lacks changes that the change feed has not delivered yet.
 */
import type { BrokerEntry } from '../../engine.ts';
import { type BrokerView, isPart } from './brokers.ts';
import type { ControllerContext } from '../context.ts';
import { type FleetWish, wishShown } from '../fleet/fleet-wish.ts';
import { partitionCounts } from '../moves/plan-input.ts';

export function brokersShown(context: ControllerContext, wish: FleetWish): BrokerEntry[] {
  const counts = partitionCounts(context);
  const loads = context.loads.shown();
  // Shows a slot without a broker for as long as placements name it.
  const parts = [...context.brokers.all()].filter((view) => isPart(view) || counts.has(view.slot.brokerId));
  return parts.map((view) => {
    const { brokerId, zone } = view.slot;
    const load = loads.get(brokerId);
    return {
      brokerId,
      zone,
      state: stateOf(view),
      sessionEpoch: view.session?.epoch ?? 0,
      partitions: counts.get(brokerId) ?? 0,
      pid: view.session?.pid ?? 0,
      moving: view.moving,
      ...wishShown(wish, brokerId),
      ...(load ? { load } : {}),
    };
  });
}

function stateOf(view: BrokerView): BrokerEntry['state'] {
  if (view.phase === 'starting') return 'starting';
  if (view.phase === 'dead') return 'fenced';
  if (view.phase === 'idle') return 'closed';
  return view.draining || view.session?.state === 'draining' ? 'draining' : 'serving';
}
