import { expect, it } from 'vitest';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { parseStart } from './positions.ts';

it('takes offsets that a number can hold, and no others', () => {
  expect(parseStart('9007199254740991')).toEqual({ at: 'offset', offset: Number.MAX_SAFE_INTEGER });
  for (const text of ['9007199254740992', '9007199254740993', '99999999999999999', '-', '1e3', '0x10']) {
    expect(() => parseStart(text)).toThrow(InvalidRequest);
  }
});
