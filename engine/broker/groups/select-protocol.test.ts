import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectProtocol } from './select-protocol.ts';

const member = (...names: string[]): { protocols: { name: string; metadata: Uint8Array }[] } => ({
  protocols: names.map((name) => ({ name, metadata: new Uint8Array(0) })),
});

describe('selectProtocol', () => {
  it('selects what most members prefer among what all support', () => {
    expect(selectProtocol([member('range', 'sticky')])).toBe('range');
    expect(selectProtocol([member('range', 'sticky'), member('sticky')])).toBe('sticky');
    expect(selectProtocol([member('a', 'b'), member('b', 'a'), member('b', 'a')])).toBe('b');
    // 'a' is wanted most and not supported by all.
    expect(selectProtocol([member('a', 'c'), member('a', 'c'), member('b', 'c')])).toBe('c');
  });

  it('breaks ties in the order of a Java HashMap, whoever came first', () => {
    // By String.hashCode 'sticky' is in bucket 8 of 16, 'range' in 9, 'roundrobin' in 10.
    expect(selectProtocol([member('range', 'sticky'), member('sticky', 'range')])).toBe('sticky');
    expect(selectProtocol([member('roundrobin', 'range'), member('range', 'roundrobin')])).toBe('range');
  });

  it('always selects something that all support', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'));
    fc.assert(
      fc.property(fc.array(names, { minLength: 1, maxLength: 9 }), (lists) => {
        const members = lists.map((list, i) => (i % 2 === 0 ? member(...list, 'z') : member('z', ...list)));
        const chosen = selectProtocol(members);
        expect(members.every((each) => each.protocols.some(({ name }) => name === chosen))).toBe(true);
      }),
    );
  });
});
