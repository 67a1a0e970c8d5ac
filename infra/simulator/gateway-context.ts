/** A gateway without quotas: the record producer under simulation is charged nothing. */
import type { Engine } from '../../engine/engine.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Random } from '../../engine/kernel/random.ts';
import type { GatewayContext } from '../../gateway/context.ts';
import { ConnectionRoom } from '../../gateway/connection-room.ts';
import { FairTurns } from '../../gateway/fair-turns.ts';
import { Traffic } from '../../gateway/traffic.ts';
import { gatewayDefaults } from '../../gateway/settings.ts';
import type { Tenancy, Verdict } from '../../tenancy/tenancy.ts';

const free: Verdict = { delayMs: 0, quota: undefined };

type Charged = Pick<Tenancy, 'limiter' | 'meter' | 'cluster'>;

const tenancy: Charged = {
  cluster: () => undefined,
  limiter: {
    produce: () => free,
    fetch: () => free,
    request: () => free,
    debt: () => free,
    topicMutation: () => free,
    connect: () => ({ delayMs: 0 }),
    disconnect: () => undefined,
  },
  meter: { produced: () => undefined, fetched: () => undefined, throttled: () => undefined },
};

export function gatewayContext(engine: Engine, clock: Clock, random: Random): GatewayContext {
  return {
    engine,
    // Access, tenants and keys are no part of the paths that the simulator runs.
    tenancy: tenancy as Tenancy,
    clock,
    random,
    settings: { ...gatewayDefaults, produceTimeoutMs: 10_000 },
    connections: new ConnectionRoom(20_000),
    turns: new FairTurns(clock, gatewayDefaults.clusterTurnMsMax),
    traffic: new Traffic(),
    log: () => undefined,
  };
}
