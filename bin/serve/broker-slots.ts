/** The broker slots, as the settings name them, and the settings shared by the processes in them. */
import { join } from 'node:path';
import { brokerSessionsPk, decodeBrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { BrokerSlot, Row } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import { type Persistence, rangeSurely } from '../../engine/store-surely.ts';
import type { BrokerHome } from '../../infra/fleet/leftovers.ts';
import { brokerArguments } from '../broker/broker-arguments.ts';
import type { DataFolder } from '../data-folder.ts';
import type { ServeSettings } from './settings.ts';

function brokerSlots(settings: ServeSettings, folder: DataFolder, count: number): BrokerSlot[] {
  return Array.from({ length: count }, (_, i) => brokerSlot(settings, folder, i + 1));
}

/** For any broker, including one that these settings have no slot for. */
export function brokerSlot({ zones }: ServeSettings, folder: DataFolder, brokerId: number): BrokerSlot {
  const names = zoneNames(zones);
  return {
    brokerId,
    zone: names[(brokerId - 1) % names.length]!,
    volume: folder.volume(brokerId),
    address: join(folder.run, `broker-${brokerId}.sock`),
  };
}

/** Throws InvalidRequest for names that would make fewer zones than they say. */
function zoneNames(zones: string): string[] {
  const names = zones.split(',').map((zone) => zone.trim());
  if (names.includes('') || new Set(names).size < names.length) {
    throw new InvalidRequest('zones', `--zones=${zones}: name each zone once, as in a,b,c`);
  }
  return names;
}

/** As many slots as the fleet may have. */
export function slotsMax({ brokers, brokersMax }: ServeSettings): number {
  return Math.max(brokers, brokersMax);
}

/**
 * The same, plus slots of an earlier run that was allowed more and did not stop cleanly: their brokers' acknowledged
 * records are only in their logs, and nothing else recovers them.
 */
export async function brokerSlotsLeft(
  settings: ServeSettings,
  folder: DataFolder,
  persistence: Persistence,
): Promise<BrokerSlot[]> {
  const rows = await rangeSurely(persistence, brokerSessionsPk);
  // A session whose row is damaged may not have ended in order either.
  const isLeft = (row: Row): boolean => unlessDamaged(row, decodeBrokerSession)?.state !== 'closed';
  const left = rows.filter(isLeft).map(({ sk }) => Number(sk));
  return brokerSlots(settings, folder, Math.max(slotsMax(settings), ...left));
}

/** Settings that are the same for every broker; a process learns its slot when it gets one. */
export function brokerFlags(settings: ServeSettings, folder: DataFolder): string[] {
  const durability = settings.durability as 'fsync' | 'page-cache';
  return brokerArguments({ ...settings, data: folder.path, durability });
}

/** Identifies the processes of this run to a later one. */
export function brokerHome(folder: DataFolder): BrokerHome {
  return { data: folder.path, notes: folder.run };
}
