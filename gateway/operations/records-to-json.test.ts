/** Compares the written bytes with JSON.stringify, at lengths on both sides of every shortcut. */
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeBatch } from '../../engine/records/encode.ts';
import { JsonOutput } from './json-output.ts';
import { type RecordFormat, wrapperOf } from './record-json.ts';
import { writeRecords } from './records-to-json.ts';

function bytesJson(bytes: Buffer): string {
  return `{"$b64":"${bytes.toString('base64')}"}`;
}

/** The rules of record-json.ts, written with strings. */
function expectedValue(bytes: Buffer, format: RecordFormat): string {
  if (format === 'base64') return `"${bytes.toString('base64')}"`;
  if (!isUtf8(bytes)) return bytesJson(bytes);
  const text = bytes.toString();
  if (format === 'string') return JSON.stringify(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return `{"$text":${JSON.stringify(text)}}`;
  }
  const line = text.replace(/[\r\n]+/g, ' ');
  return parsed === null || wrapperOf(parsed) ? `{"$json":${line}}` : line;
}

function expectedKey(bytes: Buffer, format: RecordFormat): string {
  if (format === 'base64') return `"${bytes.toString('base64')}"`;
  return isUtf8(bytes) ? JSON.stringify(bytes.toString()) : bytesJson(bytes);
}

/** Places the value after `shift` bytes of another record, so that it starts at any byte of a word. */
function written(key: Buffer, value: Buffer, format: RecordFormat, shift: number, timestampMs: number): string {
  const records = [
    { key: null, value: Buffer.alloc(shift, 1), timestampMs },
    { key, value, timestampMs },
  ];
  const output = new JsonOutput(1);
  void writeRecords(encodeBatch(records), 7, 1, Infinity, format, () => output);
  return output.written().toString();
}

const blanks = fc.constantFrom('', ' ', '\n', '\r\n\t', '\n\n  \r');
const names = fc.constantFrom('a', '$text', '$b64', '$json', '\u0024text', '', 'é');
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(
      'null',
      'true',
      '-0',
      '1e400',
      '9007199254740993',
      '01',
      'nul',
      '""',
      '"\\ud800"',
      '"\\x"',
      '[',
      '{}',
    ),
    fc.string({ unit: 'binary', maxLength: 300 }).map((text) => JSON.stringify(text)),
    fc
      .tuple(names, tie('value'), blanks)
      .map(([name, value, blank]) => `{${blank}${JSON.stringify(name)}${blank}:${String(value)}${blank}}`),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), blanks)
      .map(([values, blank]) => `[${blank}${values.map(String).join(`${blank},`)}]`),
  ),
})).value;

const values = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary', maxLength: 400 }).map((text) => Buffer.from(text)),
  fc.tuple(fc.nat(40_000), fc.string({ unit: 'binary', maxLength: 3 }), fc.nat(300)).map(([before, text, after]) => {
    return Buffer.from('x'.repeat(before) + text + 'y'.repeat(after));
  }),
  fc.tuple(blanks, json, blanks).map(([before, text, after]) => Buffer.from(`${before}${String(text)}${after}`)),
  fc.nat(40_000).map((length) => Buffer.from(JSON.stringify({ long: 'z'.repeat(length) }))),
  fc.constantFrom(63, 64, 65, 70_000).map((depth) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
);

it('every key and value is written as JSON.stringify would write it', () => {
  fc.assert(
    fc.property(
      values,
      values,
      fc.constantFrom<RecordFormat>('json', 'string', 'base64'),
      fc.nat(9),
      fc.oneof(fc.integer({ min: -1, max: 9 }), fc.integer({ min: 0, max: 2 ** 42 })),
      (key, value, format, shift, timestampMs) => {
        expect(written(key, value, format, shift, timestampMs)).toBe(
          `{"partition":7,"offset":1,"timestamp":${timestampMs},"key":${expectedKey(key, format)},"value":${expectedValue(value, format)},"headers":[]}`,
        );
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);

it('every control character, quote and backslash is escaped in a short text and in a long one', () => {
  const all = Buffer.from(Array.from({ length: 0x80 }, (_, byte) => byte));
  for (const length of [0, 95, 300, 20_000]) {
    for (const byte of all) {
      const text = Buffer.concat([Buffer.alloc(length, 'a'), Buffer.from([byte])]);
      expect(written(text, text, 'string', 0, 0)).toContain(`"value":${JSON.stringify(text.toString())},`);
    }
  }
});

it('numbers keep every digit', () => {
  const all = [0, 9, 10, 99_999_999, 1e8, 123_456_789, 1e15, Number.MAX_SAFE_INTEGER, -1, -1e8, 2 ** 63, -(2 ** 63)];
  for (const number of all) {
    const output = new JsonOutput(1);
    output.number(number);
    expect(output.written().toString()).toBe(String(number));
  }
});
