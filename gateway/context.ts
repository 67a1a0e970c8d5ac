import type { Engine } from '../engine/engine.ts';
import type { Clock } from '../engine/kernel/clock.ts';
import type { Random } from '../engine/kernel/random.ts';
import type { Tenancy } from '../tenancy/tenancy.ts';
import type { ConnectionRoom } from './connection-room.ts';
import type { FairTurns } from './fair-turns.ts';
import type { GatewaySettings } from './settings.ts';
import type { Traffic } from './traffic.ts';

/** What every operation and door receives. Built once by bin/. */
export interface GatewayContext {
  readonly engine: Engine;
  readonly tenancy: Tenancy;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: GatewaySettings;
  readonly connections: ConnectionRoom;
  /** One for all doors: whoever waits at one of them waits for the work of all. */
  readonly turns: FairTurns;
  readonly traffic: Traffic;
  /** Text for operators: an event name, then named fields. Never record contents, never secrets. */
  readonly log: (event: string, fields?: Readonly<Record<string, string | number | boolean>>) => void;
}
