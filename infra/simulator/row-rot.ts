/**
 * Bytes that decay in the rows of the metadata store. No process may notice one changed bit, apart from an event. Rows that
 * can be made again from elsewhere decay completely: a session from its lease or a controller's memory, a lease by its next
 * renewal, a wish for the fleet from what is known of it. Each row decays once before somebody writes it again: two bits in
 * one row cannot be mended, and a session cannot be restored whose lease is damaged as well.
 */
import { brokerSessionsPk } from '../../engine/controller/rows/broker-session.ts';
import { fleetKey } from '../../engine/controller/rows/fleet.ts';
import { brokerLeaseKey, leasesPk } from '../../engine/controller/rows/lease.ts';
import { producerIdsKey } from '../../engine/controller/rows/producer-ids.ts';
import { shardsPk } from '../../engine/controller/rows/shard.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import type { Row, RowKey } from '../../engine/ports.ts';
import { soundText } from '../../engine/store-row-checksum.ts';
import type { World } from './world.ts';

/** A quarter of the decayed rows lose half of their text, if there are such that can be made again. */
const cutEvery = 4;

export function rotRow(world: World, random: Random): void {
  const { rows } = world.store;
  const sound = [...rows.all()].filter(({ value }) => soundText(value) === value);
  const isCut = below(random, cutEvery) === 0;
  const candidates = ofOneKind(isCut ? sound.filter((one) => canBeMadeAgain(one, sound)) : sound, random);
  const row = candidates[below(random, Math.max(1, candidates.length))];
  if (!row) return;
  const value = isCut
    ? row.value.slice(0, row.value.length >> 1)
    : flipped(row.value, below(random, 8 * row.value.length));
  rows.rot(row, value);
  world.fault(`the row ${row.pk} ${row.sk} ${isCut ? 'is cut' : 'has a changed bit'}`);
}

/** There are a hundred rows of logs for each other row. */
function ofOneKind(rows: readonly Row[], random: Random): readonly Row[] {
  const kindOf = ({ pk, sk }: Row): string => `${pk.split('#')[0]} ${sk.split(/[#\d]/)[0]}`;
  const kinds = [...new Set(rows.map(kindOf))].sort();
  const kind = kinds[below(random, Math.max(1, kinds.length))];
  return rows.filter((row) => kindOf(row) === kind);
}

function canBeMadeAgain({ pk, sk }: Row, sound: readonly Row[]): boolean {
  const isSound = (other: RowKey): boolean => sound.some((row) => row.pk === other.pk && row.sk === other.sk);
  if (pk === brokerSessionsPk) return isSound(brokerLeaseKey(Number(sk)));
  if (pk === leasesPk) {
    const [, brokerId] = /^broker-(\d+)$/.exec(sk) ?? [];
    return brokerId === undefined || isSound({ pk: brokerSessionsPk, sk: brokerId });
  }
  return pk === shardsPk || pk === fleetKey.pk || sk === producerIdsKey.sk;
}

function flipped(value: string, bit: number): string {
  const bytes = Buffer.from(value);
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return bytes.toString();
}
