import { describe, expect, it } from 'vitest';
import { isTooHeavyJson } from './json-weight.ts';

const heavy = (text: string): boolean => isTooHeavyJson(Buffer.from(text));

describe('JSON that is too heavy to parse in one turn', () => {
  it.each([
    ['values', `[${'0,'.repeat(1_000_001)}0]`],
    ['objects', `[${'{},'.repeat(200_001)}{}]`],
    ['depth', '['.repeat(250_001)],
    ['values behind a text', `["\\"",${'"\\\\",'.repeat(1_000_000)}0]`],
  ])('has a million of %s', (_name, text) => {
    expect(heavy(text)).toBe(true);
  });

  it.each([
    ['a text of signs', JSON.stringify(',[{'.repeat(700_000))],
    ['a text of quotes', JSON.stringify('",\\'.repeat(700_000))],
    ['a text without an end', `["${','.repeat(2_000_000)}`],
    ['numbers', `[${'0.12345678,'.repeat(700_000)}0]`],
    ['records', `{"records":[${'{"key":"k","value":{"a":[1,2],"b":"c"}},'.repeat(40_000)}]}`],
    ['a small one', '['.repeat(1_000)],
  ])('is not %s', (_name, text) => {
    expect(heavy(text)).toBe(false);
  });
});
