/** The brokers' places, as the settings name them, and what is the same for the processes in them. */
import { join } from 'node:path';
import type { BrokerSlot } from '../engine/ports.ts';
import type { BrokerHome } from '../infra/fleet/leftovers.ts';
import { brokerArguments } from './broker-arguments.ts';
import type { DataFolder } from './data-folder.ts';
import type { ServeSettings } from './settings.ts';

export function brokerSlots(settings: ServeSettings, folder: DataFolder): BrokerSlot[] {
  const zones = settings.zones.split(',').map((zone) => zone.trim());
  return Array.from({ length: Math.max(settings.brokers, settings.brokersMax) }, (_, i) => ({
    brokerId: i + 1,
    zone: zones[i % zones.length]!,
    volume: folder.volume(i + 1),
    address: join(folder.run, `broker-${i + 1}.sock`),
  }));
}

/** What is the same for every broker; the slot is told to the process when it has one. */
export function brokerFlags(settings: ServeSettings, folder: DataFolder): string[] {
  const durability = settings.durability as 'fsync' | 'page-cache';
  return brokerArguments({ ...settings, data: folder.path, durability });
}

/** By which a later run knows the processes of this one. */
export function brokerHome(folder: DataFolder): BrokerHome {
  return { data: folder.path, notes: folder.run };
}
