import fc from 'fast-check';
import { expect, it } from 'vitest';
import { below, seededRandom } from '../engine/kernel/random.ts';
import { Strangers } from './strangers.ts';

/** How many of `honestCount` clients get through if their round trips last `arrivalsNeeded` arrivals of the flood. */
function comeThrough(
  room: number,
  arrivalsNeeded: number,
  honestCount: number,
  addressOf: (i: number) => string,
): number {
  const strangers = new Strangers<number>(seededRandom(7));
  const come = (who: number, address: string): number | undefined => {
    const leaves = strangers.size >= room ? strangers.choose() : undefined;
    if (leaves !== undefined) strangers.delete(leaves);
    strangers.add(who, address);
    return leaves;
  };
  for (let i = 0; i < room * 4; i++) come(i, addressOf(i));
  let through = 0;
  for (let honest = 1; honest <= honestCount; honest++) {
    come(-honest, 'honest');
    let isGone = false;
    for (let i = 0; i < arrivalsNeeded; i++) isGone ||= come(i, addressOf(i)) === -honest;
    if (!isGone) through++;
    strangers.delete(-honest);
  }
  return through;
}

it('lets a client of its own address come through any flood of few addresses, however slow it is', () => {
  expect(comeThrough(500, 5_000, 100, () => 'flood')).toBe(100);
});

it('lets it through a flood from its own address or from very many, unless the flood fills the room first', () => {
  expect(comeThrough(500, 250, 200, () => 'honest')).toBeGreaterThan(190);
  expect(comeThrough(500, 250, 200, (i) => String(i % 100_000))).toBeGreaterThan(190);
  // Even of slower clients, some get through.
  expect(comeThrough(500, 550, 200, () => 'honest')).toBeGreaterThan(20);
});

it('evicts the oldest connection without a finished handshake first', () => {
  const strangers = new Strangers<number>(seededRandom(1));
  for (let i = 0; i < 5; i++) strangers.add(i, 'a');
  strangers.shookHands(0);
  strangers.delete(1);
  expect(strangers.choose()).toBe(2);
  for (const gone of [2, 3, 4]) strangers.delete(gone);
  expect(strangers.choose()).toBe(0);
  strangers.delete(0);
  expect(strangers.choose()).toBe(undefined);
});

it('chooses only from those who are there', () => {
  const step = fc.record({ act: fc.constantFrom('add', 'shake', 'delete'), who: fc.integer({ min: 0, max: 30 }) });
  fc.assert(
    fc.property(fc.array(step), fc.integer(), (steps, seed) => {
      const random = seededRandom(seed);
      const strangers = new Strangers<number>(random);
      const here = new Set<number>();
      for (const { act, who } of steps) {
        if (act === 'shake') strangers.shookHands(who);
        else if (act === 'delete') strangers.delete(who);
        else if (!here.has(who)) strangers.add(who, String(below(random, 3)));
        if (act === 'add') here.add(who);
        if (act === 'delete') here.delete(who);
        expect(strangers.size).toBe(here.size);
        const chosen = strangers.choose();
        if (here.size === 0) expect(chosen).toBe(undefined);
        else expect(here.has(chosen!)).toBe(true);
      }
    }),
  );
});
