/** A gateway's context over an engine in memory, for the doors' and operations' tests. */
import type { Clock } from '../engine/kernel/clock.ts';
import type { Random } from '../engine/kernel/random.ts';
import { memoryStore } from '../engine/store-memory.ts';
import { openTenancy } from '../tenancy/open-tenancy.ts';
import type { Tenancy } from '../tenancy/tenancy.ts';
import { ConnectionRoom } from './connection-room.ts';
import { FairTurns } from './fair-turns.ts';
import { Traffic } from './traffic.ts';
import type { GatewayContext } from './context.ts';
import { MemoryEngine } from './kafka/testing/memory-engine.ts';
import { gatewayDefaults, type GatewaySettings } from './settings.ts';

export interface GatewayInTest {
  readonly engine: MemoryEngine;
  readonly tenancy: Tenancy;
  readonly context: GatewayContext;
  /** What the context's log was told, in order. */
  readonly logged: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
}

export async function gatewayInTest(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  settings: Partial<GatewaySettings> = {},
  openFilesMax = 20_000,
): Promise<GatewayInTest> {
  const store = memoryStore({ clock });
  const tenancy = await openTenancy({ store, clock, random });
  const engine = new MemoryEngine(clock, store);
  const logged: GatewayInTest['logged'] = [];
  const whole = { ...gatewayDefaults, ...settings };
  const context: GatewayContext = {
    engine,
    tenancy,
    clock,
    random,
    settings: whole,
    connections: new ConnectionRoom(openFilesMax),
    turns: new FairTurns(clock, whole.clusterTurnMsMax),
    traffic: new Traffic(),
    log: (event, fields = {}) => void logged.push({ event, fields }),
  };
  return { engine, tenancy, context, logged };
}
