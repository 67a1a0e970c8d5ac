/**
 * Whether a broker or zone that was reported empty stays empty: from the moment the rows say so until the request is
 * withdrawn, nothing may be placed there. An operator who reads that may take the volume away.
 */
import { decodeBrokerWish, wishedBroker } from '../../engine/controller/rows/broker-wish.ts';
import { decodeFleet, fleetKey } from '../../engine/controller/rows/fleet.ts';
import { decodeFleetReport, fleetReportKey } from '../../engine/controller/rows/fleet-report.ts';
import { decodePlacement, placementSkPrefix } from '../../engine/controller/rows/placement.ts';
import { shardCount, shardPk } from '../../engine/controller/rows/shard.ts';
import type { Row } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import { shardOf } from '../../engine/placement/shard.ts';
import { partitionName } from './partition-name.ts';
import { clusterIds, type World } from './world.ts';

export function watchEmptied(world: World): void {
  const { rows } = world.store;
  const pks = clusterIds.map((clusterId) => shardPk(shardOf(clusterId, shardCount)));
  const told = new Set<string>();
  const look = async (): Promise<void> => {
    // In one turn, and so from one moment.
    const [fleet, ...shards] = await Promise.all([fleetKey.pk, ...pks].map((pk) => rows.range(pk)));
    const empty = saidEmpty(world, fleet!.rows);
    if (empty.size === 0) return;
    for (const row of shards.flatMap((shard) => shard.rows)) {
      if (!row.sk.startsWith(placementSkPrefix)) continue;
      const { topicId, partitions } = decodePlacement(row);
      for (const [index, { brokerId, leaderEpoch }] of partitions.entries()) {
        if (!empty.has(brokerId)) continue;
        const what = `broker ${brokerId} is said to be empty, and has ${partitionName(topicId, index)} at epoch ${leaderEpoch}`;
        if (!told.has(what)) world.history.add({ kind: 'undrained', what });
        told.add(what);
      }
    }
  };
  for (const pk of [fleetKey.pk, ...pks]) rows.watch(pk, () => void look());
}

function saidEmpty(world: World, rows: readonly Row[]): Set<number> {
  const brokers = new Set<number>();
  for (const row of rows) {
    const brokerId = wishedBroker(row);
    if (brokerId === undefined) continue;
    const wish = unlessDamaged(row, decodeBrokerWish);
    if (wish?.act === 'drain' && wish.isDone && wish.left === 0) brokers.add(brokerId);
  }
  const wanted = rows.find(({ sk }) => sk === fleetKey.sk);
  const report = rows.find(({ sk }) => sk === fleetReportKey.sk);
  const fleet = wanted && unlessDamaged(wanted, decodeFleet);
  const told = report && unlessDamaged(report, decodeFleetReport);
  if (!fleet || !told || told.acted < wanted.version) return brokers;
  const zones = fleet.evacuated.filter((zone) => (told.left[zone] ?? 0) === 0);
  for (const { brokerId, zone } of world.settings.slots) if (zones.includes(zone)) brokers.add(brokerId);
  return brokers;
}
