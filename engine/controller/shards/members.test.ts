import { describe, expect, it } from 'vitest';
import { manualClock } from '../../kernel/manual-clock.ts';
import { memoryStore } from '../../store-memory.ts';
import { Members } from './members.ts';
import { controllerLeasePrefix, encodeLease, leasesPk } from '../rows/lease.ts';

const durationMs = 1_500;
const gapMsMax = 700;

function world() {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const gone = new Set<string>();
  const stopped = new Set<string>();
  const members = new Members(store, clock, gapMsMax, {
    isGone: (id) => gone.has(id),
    isStopped: (id) => stopped.has(id),
  });
  let renewals = 0;
  const renew = (id: string, leaseMs = durationMs): Promise<unknown> => {
    const value = encodeLease({ epoch: 1, durationMs: leaseMs, renewals: renewals++ });
    return store.transact([{ op: 'put', key: { pk: leasesPk, sk: `${controllerLeasePrefix}${id}` }, value }]);
  };
  /** Looks once after each pause, and returns the members seen alive. `renews`: members that renewed in the pause. */
  const look = async (pausesMs: readonly number[], renews: readonly string[] = []): Promise<string[]> => {
    const seen: string[] = [];
    for (const pauseMs of pausesMs) {
      for (const id of renews) await renew(id);
      await clock.advance(pauseMs);
      seen.push((await members.look()).alive.join());
    }
    return seen;
  };
  return { renew, look, gone, stopped };
}

describe('who looks at the controllers', () => {
  it('sees a controller die whose row does not change for its lease', async () => {
    const { renew, look } = world();
    await renew('a');
    await renew('b');
    expect(await look([100, 500, 500, 500, 100], ['a'])).toEqual(['a,b', 'a,b', 'a,b', 'a,b', 'a']);
  });

  it('does not wait for the lease of a controller whose process is known to be gone', async () => {
    const { renew, look, gone } = world();
    await renew('a');
    await renew('b');
    gone.add('b');
    expect(await look([100])).toEqual(['a']);
    gone.clear();
    expect(await look([100])).toEqual(['a,b']);
  });

  it('does not wait for the lease of a controller that stays stopped, and counts it as alive once it resumes', async () => {
    const { renew, look, stopped } = world();
    await renew('a');
    await renew('b');
    stopped.add('b');
    expect(await look([200, 200, 200, 200])).toEqual(['a,b', 'a,b', 'a', 'a']);
    stopped.clear();
    expect(await look([200])).toEqual(['a,b']);
    stopped.add('b');
    // The observer and the member stop and continue together: one or two looks see the member unchanged.
    expect(await look([200, 600_000], ['a', 'b'])).toEqual(['a,b', 'a,b']);
    stopped.clear();
    expect(await look([200, 200], ['a', 'b'])).toEqual(['a,b', 'a,b']);
  });

  it('ignores its own sleep, however long, and a few of them', async () => {
    const { renew, look } = world();
    await renew('a');
    expect(await look([100, 500, 900, 600_000, 3_000, 500, 500])).toEqual(['a', 'a', 'a', 'a', 'a', 'a', 'a']);
    await renew('a');
    expect(await look([5_000, 5_000, 5_000, 5_000])).toEqual(['a', 'a', 'a', 'a']);
  });

  it('sees a controller die, and return, even if its looks are always too far apart', async () => {
    const { renew, look } = world();
    await renew('a');
    await renew('b');
    expect(await look([800, 800, 800, 800, 800, 800], ['a'])).toEqual(['a,b', 'a,b', 'a,b', 'a,b', 'a', 'a']);
    // Once proven, it stays proven.
    expect(await look([100, 2_000, 100], ['a'])).toEqual(['a', 'a', 'a']);
    await renew('b');
    expect(await look([800, 800], ['a'])).toEqual(['a,b', 'a,b']);
  });

  it('never counts a renewing controller as dead, however rarely it looks', async () => {
    const { look } = world();
    expect(
      new Set(
        await look(
          Array.from({ length: 50 }, () => 5_000),
          ['a'],
        ),
      ),
    ).toEqual(new Set(['a']));
  });

  it('waits for the whole lease if it is long', async () => {
    const { renew, look } = world();
    await renew('a', 10_000);
    const seen = await look(Array.from({ length: 14 }, () => 800));
    // Counted from the first look: 12 x 800 ms, which is less than the lease, and 13 x 800 ms.
    expect(seen.indexOf('')).toBe(13);
  });
});
