/**
 * Whether partitions change hands as they may, at the moment a placement's row changes: they are taken only from a
 * session that is over, or that was asked to release them at that epoch and has done so, and given only to one that
 * serves. The consequence of a breach (two owners, or none) shows to clients only if they write to that partition at
 * that moment.
 */
import {
  brokerSessionKey,
  type BrokerSession,
  decodeBrokerSession,
} from '../../engine/controller/rows/broker-session.ts';
import {
  decodePlacement,
  type PartitionPlacement,
  placementSkPrefix,
  type PlacementRow,
} from '../../engine/controller/rows/placement.ts';
import { shardCount, shardPk } from '../../engine/controller/rows/shard.ts';
import { shardOf } from '../../engine/placement/shard.ts';
import type { Row } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import { partitionName } from './partition-name.ts';
import { clusterIds, type World } from './world.ts';

const takenBack = 'taken-back';
const damaged = 'damaged';

export function watchPlaces(world: World): void {
  const { rows } = world.store;
  const known = new Map<string, PlacementRow>();
  const changed = async (sk: string, row: Row | undefined): Promise<void> => {
    const before = known.get(sk);
    if (!row) return void known.delete(sk);
    const placement = decodePlacement(row);
    known.set(sk, placement);
    for (const [index, place] of placement.partitions.entries())
      await look(placement, index, place, before?.partitions[index]);
  };
  const look = async (
    { topicId }: PlacementRow,
    index: number,
    place: PartitionPlacement,
    old: PartitionPlacement | undefined,
  ): Promise<void> => {
    const stays = place.brokerId === old?.brokerId;
    // What a broker has released it may take back itself.
    if (place.brokerId < 0 || (stays && (place.leaderEpoch === old.leaderEpoch || place.reason === takenBack))) return;
    const name = partitionName(topicId, index);
    const found = (what: string): void => world.history.add({ kind: 'misplaced', what: `${name} ${what}` });
    // What goes to more brokers than a transaction can name goes to some that are not looked at.
    const next = await sessionOf(world, place.brokerId);
    const last = old && (await sessionOf(world, old.brokerId));
    // Nobody can tell what a damaged row says.
    if (next === damaged || last === damaged) return;
    if (!stays && !world.settings.releases.namesFew && next?.state !== 'serving')
      found(`is given to broker ${place.brokerId}, whose session is ${next?.state ?? 'none'}`);
    if (!old || !last || (last.state !== 'serving' && last.state !== 'draining')) return;
    const owner = `session ${last.epoch} of broker ${old.brokerId} at epoch ${old.leaderEpoch}`;
    if (world.releaseAsked(last.pid, name) < old.leaderEpoch) found(`is taken from ${owner}, which nobody has asked`);
    else if (world.brokers.get(last.pid)?.serves(topicId, index, old.leaderEpoch))
      found(`is taken from ${owner}, which has not released it`);
  };
  for (const clusterId of clusterIds) {
    rows.watch(shardPk(shardOf(clusterId, shardCount)), (change) => {
      if (change !== 'gap' && change.key.sk.startsWith(placementSkPrefix)) void changed(change.key.sk, change.row);
    });
  }
}

async function sessionOf(world: World, brokerId: number): Promise<BrokerSession | typeof damaged | undefined> {
  const row = await world.store.rows.get(brokerSessionKey(brokerId));
  return row && (unlessDamaged(row, decodeBrokerSession) ?? damaged);
}
