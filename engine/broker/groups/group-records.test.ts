import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeGroup,
  decodeOffset,
  decodeRecord,
  encodeGroup,
  encodeOffset,
  groupKey,
  GroupRecordCorrupt,
  offsetKey,
} from './group-records.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('group records', () => {
  it('encodes the same bytes as Kafka', () => {
    expect(hex(groupKey('g1'))).toBe(hex(bytes('0002 0002 6731')));
    expect(hex(offsetKey('g1', 't', 3))).toBe(hex(bytes('0001 0002 6731 0001 74 00000003')));
    const offset = { offset: 258, leaderEpoch: 7, metadata: 'm', commitMs: 0x1_0000_0001, expireMs: -1 };
    expect(hex(encodeOffset(offset))).toBe(hex(bytes('0003 0000000000000102 00000007 0001 6d 0000000100000001')));
    expect(hex(encodeOffset({ ...offset, expireMs: 9 }))).toBe(
      hex(bytes('0001 0000000000000102 0001 6d 0000000100000001 0000000000000009')),
    );
    const member = {
      memberId: 'm',
      instanceId: null,
      clientId: 'c',
      clientHost: 'h',
      rebalanceTimeoutMs: 2,
      sessionTimeoutMs: 1,
      subscription: bytes('aa'),
      assignment: bytes('bbcc'),
    };
    const group = {
      protocolType: 'p',
      generation: 4,
      protocol: 'r',
      leader: 'm',
      stateChangedMs: -1,
      members: [member],
    };
    expect(hex(encodeGroup(group))).toBe(
      hex(
        bytes(
          '0003 0001 70 00000004 0001 72 0001 6d ffffffffffffffff 00000001' +
            '0001 6d ffff 0001 63 0001 68 00000002 00000001 00000001 aa 00000002 bbcc',
        ),
      ),
    );
  });

  it('keeps any int64 as an offset', () => {
    for (const offset of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n), 2 ** 53 - 1, 1 - 2 ** 53, -1]) {
      for (const expireMs of [-1, 9]) {
        const stored = { offset, leaderEpoch: -1, metadata: 'm', commitMs: 1, expireMs };
        expect(decodeOffset(encodeOffset(stored))).toEqual(stored);
      }
    }
  });

  it('reads the older versions', () => {
    expect(decodeOffset(bytes('0000 0000000000000005 0000 0000000000000006'))).toMatchObject({
      offset: 5,
      leaderEpoch: -1,
      commitMs: 6,
      expireMs: -1,
    });
    const old = decodeGroup(
      bytes('0000 0001 70 00000001 ffff ffff 00000001 0001 6d 0001 63 0001 68 00000009 00000000 00000000'),
    );
    expect(old).toMatchObject({ stateChangedMs: -1, protocol: null, leader: null });
    // Without a rebalance timeout the session timeout takes its place.
    expect(old.members[0]).toMatchObject({ instanceId: null, rebalanceTimeoutMs: 9, sessionTimeoutMs: 9 });
  });

  it('skips keys of other kinds and reports damage', () => {
    expect(decodeRecord({ key: bytes('0003 0001 67'), value: null })).toBeUndefined();
    expect(() => decodeRecord({ key: bytes('0002 0009 67'), value: null })).toThrow(GroupRecordCorrupt);
    expect(() => decodeGroup(bytes('0009'))).toThrow(GroupRecordCorrupt);
    expect(() => decodeGroup(bytes('0003 00'))).toThrow(GroupRecordCorrupt);
  });

  it('reads what it wrote', () => {
    const blob = fc.uint8Array({ maxLength: 400 });
    const ms = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER });
    const offset = fc.record({
      offset: fc.oneof(ms, fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n })),
      leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      metadata: fc.string({ unit: 'grapheme' }),
      commitMs: ms,
      expireMs: fc.constant(-1),
    });
    const member = fc.record({
      memberId: fc.string(),
      instanceId: fc.option(fc.string()),
      clientId: fc.string({ unit: 'grapheme', maxLength: 300 }),
      clientHost: fc.string(),
      rebalanceTimeoutMs: fc.nat(),
      sessionTimeoutMs: fc.nat(),
      subscription: blob,
      assignment: blob,
    });
    const group = fc.record({
      protocolType: fc.string(),
      generation: fc.nat(),
      protocol: fc.option(fc.string()),
      leader: fc.option(fc.string()),
      stateChangedMs: ms,
      members: fc.array(member),
    });
    const offsets = fc.property(offset, (value) => {
      expect(decodeOffset(encodeOffset(value))).toEqual(value);
    });
    const groups = fc.property(group, (value) => {
      expect(decodeGroup(encodeGroup(value))).toEqual(value);
    });
    fc.assert(offsets);
    fc.assert(groups);
  });
});
