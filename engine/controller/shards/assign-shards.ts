/**
 * Which controller should own which shard. Pure, and the same for everybody who sees the same rows and members: each
 * owner gives away its excess, each member takes what no live controller owns, and nobody has to ask.
 *
 * Sticky: a member keeps its shards up to its share, the lowest first. Even: shares differ by one at most, and the
 * larger ones go to members that own more already. The owner of shard 0 (who keeps the fleet and balances,
 * fleet-duty.ts) therefore changes only when it is gone.
 */
import { assert } from '../../kernel/assert.ts';

/** `owners`: by shard, undefined for a shard without an owner. `members`: the live controllers, at least one. */
export function assignShards(owners: readonly (string | undefined)[], members: readonly string[]): string[] {
  assert(members.length > 0, 'who asks is alive');
  const owned = new Map(members.map((member) => [member, 0]));
  for (const owner of owners) {
    const count = owner === undefined ? undefined : owned.get(owner);
    if (count !== undefined) owned.set(owner!, count + 1);
  }
  const byWealth = [...owned].sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1)).map(([member]) => member);
  const share = Math.floor(owners.length / members.length);
  const larger = owners.length % members.length;
  const room = new Map(byWealth.map((member, rank) => [member, share + (rank < larger ? 1 : 0)]));

  const assigned = owners.map((owner) => {
    const left = owner === undefined ? 0 : (room.get(owner) ?? 0);
    if (left === 0) return undefined;
    room.set(owner!, left - 1);
    return owner;
  });
  return assigned.map((owner) => {
    if (owner !== undefined) return owner;
    const taker = byWealth.reduce((best, member) => (room.get(member)! > room.get(best)! ? member : best));
    room.set(taker, room.get(taker)! - 1);
    return taker;
  });
}
