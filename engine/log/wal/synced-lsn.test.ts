/** What a session's lease tells of its log holds whatever comes: a loss of power at any moment leaves at least that. */
import { expect, it } from 'vitest';
import { seededRandom } from '../../kernel/random.ts';
import { batchOf, World } from '../log-fixture.suite.ts';

class PowerLost extends Error {}

/** Waits for `promise` a millisecond at a time, `left` of them. */
class Life {
  readonly #world: World;
  #left: number;

  constructor(world: World, left: number) {
    this.#world = world;
    this.#left = left;
  }

  /**
   * Chunks that are filled, rolled up, written over, abandoned for want of space and removed: the log is without any chunk
   * twice, in the middle of its life and at its end.
   */
  async live(): Promise<void> {
    const world = this.#world;
    const store = await world.startSession();
    const log = await world.open(store);
    const append = async (value: string): Promise<void> => {
      const outcomes = world.send(log, batchOf([value.padEnd(60)]));
      await this.#until(() => outcomes.length > 0);
      // What the next renewal of the lease may tell.
      world.noteSynced();
    };
    for (const value of ['a', 'b', 'c', 'd', 'e', 'f']) {
      await append(value);
      if (value === 'd') {
        world.disk.plan({ on: 'write', error: 'full', afterBytes: 100 });
        await append('refused');
      }
      // At once, so that the next chunk begins when nothing of the older ones is needed any more.
      if (value > 'b') await this.#wait(store.rollUp());
    }
    await this.#wait(store.close());
    // Until the session's row says so.
    for (let ms = 0; ms < 3; ms++) await this.#tick();
  }

  async #wait(promise: Promise<void>): Promise<void> {
    let isDone = false;
    promise.finally(() => (isDone = true)).catch(() => undefined);
    await this.#until(() => isDone);
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) await this.#tick();
  }

  async #tick(): Promise<void> {
    if (this.#left-- === 0) throw new PowerLost();
    await this.#world.clock.advance(1);
  }
}

const millisecondsMax = 500;

it.each(['none', 'all', 'draw 1', 'draw 2', 'draw 3', 'draw 4'] as const)(
  'a power loss that keeps %s of the unsynced data never counts as a lost disk, whenever it comes',
  async (kept) => {
    const seen = { something: 0, nothing: 0 };
    for (let ms = 0; ms < millisecondsMax; ms++) {
      const world = new World({ walChunkBytesMax: 400 }, { slow: seededRandom(ms % 11) });
      const end = await new Life(world, ms).live().catch((error: unknown) => error);
      if (end === undefined) break;
      expect(end).toBeInstanceOf(PowerLost);
      world.crash(kept === 'none' || kept === 'all' ? kept : seededRandom(ms * Number(kept.at(-1))));
      world.disk.forgetPlans();
      seen[world.syncedLsn > 0 ? 'something' : 'nothing']++;
      await world.recover();
    }
    expect(seen.something).toBeGreaterThan(30);
    expect(seen.nothing).toBeGreaterThan(0);
  },
);
