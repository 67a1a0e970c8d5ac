import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LazyOrder } from './lazy-order.ts';

it('yields the same order as a full sort, whatever was read before', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 60 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (keys, asked) => {
        const members = keys.map((_, i) => i).filter((i) => i % 5 !== 4);
        const sorted = members.toSorted((a, b) => keys[b]! - keys[a]! || b - a);
        const order = new LazyOrder(Int32Array.from(members), Float64Array.from(keys), (a, b) => a > b);
        expect(order.length).toBe(members.length);
        for (const n of asked.filter(() => members.length > 0)) {
          const place = n % members.length;
          expect(order.at(place)).toBe(sorted[place]);
        }
        expect(sorted.map((_, place) => order.at(place))).toEqual(sorted);
      },
    ),
  );
});
