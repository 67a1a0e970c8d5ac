import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards } from './assign-shards.ts';

const count = 64;
const member = fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f', 'g');
const members = fc.uniqueArray(member, { minLength: 1 });
const owners = fc.array(fc.option(member, { nil: undefined }), { minLength: count, maxLength: count });

function sharesOf(assigned: readonly (string | undefined)[]): Map<string, number> {
  const shares = new Map<string, number>();
  for (const owner of assigned) if (owner !== undefined) shares.set(owner, (shares.get(owner) ?? 0) + 1);
  return shares;
}

describe('shards are assigned', () => {
  it('to members only, evenly, whatever the order of the members', () => {
    fc.assert(
      fc.property(owners, members, (before, alive) => {
        const assigned = assignShards(before, alive);
        const shares = alive.map((each) => sharesOf(assigned).get(each) ?? 0);
        expect(shares.reduce((a, b) => a + b)).toBe(count);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        expect(assignShards(before, [...alive].reverse())).toEqual(assigned);
      }),
    );
  });

  it('with as few moves as evenness allows, and then stay', () => {
    fc.assert(
      fc.property(owners, members, (before, alive) => {
        const assigned = assignShards(before, alive);
        const after = sharesOf(assigned);
        for (const [each, owned] of sharesOf(before)) {
          if (!alive.includes(each)) continue;
          const kept = before.filter((owner, i) => owner === each && assigned[i] === each).length;
          expect(kept).toBe(Math.min(owned, after.get(each) ?? 0));
        }
        expect(assignShards(assigned, alive)).toEqual(assigned);
      }),
    );
  });

  it('so that shard 0 stays while its owner is alive', () => {
    fc.assert(
      fc.property(owners, members, (before, alive) => {
        const first = before[0];
        fc.pre(first !== undefined && alive.includes(first));
        expect(assignShards(before, alive)[0]).toBe(first);
      }),
    );
  });
});
