import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  LongNumber,
  longNumbersMax,
  parseKeepingFewNumbers,
  parseKeepingNumbers,
  stringifyKeepingNumbers,
  TooManyLongNumbers,
} from './long-numbers.ts';

/** Also keeps numbers that JSON cannot express, such as Infinity. */
const shape = (json: unknown): string =>
  JSON.stringify(json, (_name, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
const again = (text: string): string => stringifyKeepingNumbers(parseKeepingNumbers(text));

it.each([
  '{"id":12345678901234567890}',
  '[-9223372036854775808,18446744073709551615]',
  '{"a":[0.1234567890123456789,1e999999,-1E-400]}',
  '{"text":"12345678901234567890, 1e5","n":12345678901234567890}',
  '{"12345678901234567890":"a\\"12345678901234567890"}',
  '[1700000000000000,9007199254740991]',
])('keeps %s', (text) => expect(again(text)).toBe(text));

it('gives a double where it holds the number exactly, and the nearest double on request', () => {
  expect(parseKeepingNumbers('[1700000000000000,0.1,12]')).toEqual([1_700_000_000_000_000, 0.1, 12]);
  const [long] = parseKeepingNumbers('[1e3]') as [LongNumber];
  expect(long).toBeInstanceOf(LongNumber);
  expect(Number(long)).toBe(1000);
});

it('accepts exactly what JSON.parse accepts, with the same meaning', () => {
  const alphabet = fc.constantFrom(...Array.from('{}[]:,"\\ -+.eE0'), '12345678901234567', '1', 'u0031', 'true');
  const odd = fc.array(alphabet, { maxLength: 12 }).map((parts) => parts.join(''));
  const edited = fc.tuple(fc.jsonValue(), odd, fc.nat()).map(([value, inserted, at]) => {
    const text = JSON.stringify(value);
    return text.slice(0, at % text.length) + inserted + text.slice(at % text.length);
  });
  fc.assert(
    fc.property(
      fc.oneof(
        odd,
        edited,
        odd.map((text) => `[${text}]`),
      ),
      (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parseKeepingNumbers(text)).toThrow(SyntaxError);
          return;
        }
        expect(shape(JSON.parse(again(text)))).toBe(shape(expected));
      },
    ),
    { numRuns: 3_000 },
  );
});

it('bounds how many of them a client may send in one text, and counts no others', () => {
  const kept = (count: number): string => `[${Array.from({ length: count }, () => '1e3').join(',')}]`;
  expect(parseKeepingFewNumbers(kept(longNumbersMax))).toHaveLength(longNumbersMax);
  expect(() => parseKeepingFewNumbers(kept(longNumbersMax + 1))).toThrow(TooManyLongNumbers);
  expect(parseKeepingNumbers(kept(longNumbersMax + 1))).toHaveLength(longNumbersMax + 1);
  const others = `["1e3",1,0.5,1700000000000000${',"12345678901234567890",7'.repeat(longNumbersMax)},1e3]`;
  expect(parseKeepingFewNumbers(others)).toHaveLength(2 * longNumbersMax + 5);
});

it('keeps a member that is called __proto__ a member', () => {
  const text = '{"__proto__":{"id":12345678901234567890},"a":1}';
  expect(again(text)).toBe(text);
  expect(Object.getPrototypeOf(parseKeepingNumbers(text))).toBe(Object.prototype);
});

it.each(['" 1e\\12345678901234567', '["a 12345678901234567', '"12345678901234567\\', '{12345678901234567:1}'])(
  'refuses %s, where a text would do',
  (text) => expect(() => parseKeepingNumbers(text)).toThrow(SyntaxError),
);

it('refuses JSON that is nested too deep instead of losing digits', () => {
  expect(() => parseKeepingNumbers(`${'['.repeat(200_000)}12345678901234567890${']'.repeat(200_000)}`)).toThrow('deep');
});
