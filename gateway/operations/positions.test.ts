import { expect, it } from 'vitest';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { parseStart } from './positions.ts';

it('takes offsets that a number can hold, and no others', () => {
  expect(parseStart('9007199254740991')).toEqual({ at: 'offset', offset: Number.MAX_SAFE_INTEGER });
  for (const text of ['9007199254740992', '9007199254740993', '99999999999999999', '-', '1e3', '0x10']) {
    expect(() => parseStart(text)).toThrow(InvalidRequest);
  }
});

it('takes times that name their zone, even with a plus that a query made a space', () => {
  const timestampMs = Date.UTC(2026, 10, 28, 12);
  for (const text of [
    '2026-11-28T12:00:00Z',
    '2026-11-28T13:00:00.000+01:00',
    '2026-11-28T13:00:00 01:00',
    '2026-11-28T12:00Z',
  ]) {
    expect(parseStart(text)).toEqual({ at: 'time', timestampMs });
  }
  for (const text of ['2026-11-28', '2026-11-28T12:00:00', '2026-11-28T25:00:00Z', '2026-11-28T12:00:00Zzz']) {
    expect(() => parseStart(text), text).toThrow('2026-11-28T12:00:00Z');
  }
});
