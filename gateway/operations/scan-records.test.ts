import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProduceRecord } from './produce.ts';
import { recordOfJson } from './record-json.ts';
import { scanLine, scanRecords } from './scan-records.ts';

/** The body as the parser reads it; undefined when the parser refuses it. */
function parsed(body: Uint8Array): ProduceRecord[] | undefined {
  try {
    const { records } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as { records: unknown[] };
    return records.map((record, i) => recordOfJson(record, 'json', `records[${i}]`));
  } catch {
    return undefined;
  }
}

/** What a value means: texts may differ in white space, member order, and digits that a double cannot hold. */
function meaning(record: ProduceRecord): unknown {
  const asDoubles = (text: string): unknown => JSON.parse(JSON.stringify(JSON.parse(text)));
  const value = record.value === null ? null : { json: asDoubles(Buffer.from(record.value).toString()) };
  return { key: record.key && Buffer.from(record.key).toString(), value };
}

const scanned = (text: string): ProduceRecord[] | undefined => scanRecords(Buffer.from(text), 1_000);

const record = fc.record(
  { key: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(null)), value: fc.jsonValue() },
  { requiredKeys: [] },
);

describe('scanRecords', () => {
  it('agrees with the parser on every body that it accepts', () => {
    const bodies = fc.tuple(fc.array(record, { minLength: 1, maxLength: 5 }), fc.constantFrom(0, 1, '\t'));
    fc.assert(
      fc.property(bodies, ([records, blanks]) => {
        const body = Buffer.from(JSON.stringify({ records }, undefined, blanks));
        const found = scanRecords(body, 5);
        if (found) expect(found.map(meaning)).toEqual(parsed(body)!.map(meaning));
      }),
    );
  });

  it('accepts nothing that the parser would refuse', () => {
    const alphabet = fc.constantFrom(...Array.from('{}[]:,"\\ \n$0123456789-+.eEntrulfasxkvy'), 'é', '\u0001');
    const edit = fc.record({ at: fc.nat(), text: fc.array(alphabet, { maxLength: 2 }), cut: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 3 }),
        fc.array(edit, { maxLength: 3 }),
        (records, edits) => {
          let text = JSON.stringify({ records });
          for (const { at, text: inserted, cut } of edits) {
            const place = at % text.length;
            text = text.slice(0, place) + inserted.join('') + text.slice(place + cut);
          }
          const found = scanned(text);
          if (!found) return;
          const reference = parsed(Buffer.from(text));
          expect(reference).toBeDefined();
          expect(found.map(meaning)).toEqual(reference!.map(meaning));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('finds forbidden bytes in a long text at every position and every alignment of the body', () => {
    const faults = ['"', '\\', '\n', '\u0000', '\u001f'];
    const harmless = [' ', '!', '#', '[', ']', '\u007f', 'é', '€', '\u0080'];
    for (const [i, planted] of [...faults, ...harmless].entries()) {
      for (let place = 0; place < 40; place++) {
        const [short, long] = ['x'.repeat(place), 'x'.repeat(300)];
        for (const value of [short + planted + long, long + planted + short]) {
          const text = `{"records":[{"value":"${value}"}]}`;
          const length = Buffer.byteLength(text);
          const memory = new ArrayBuffer(length + 4);
          const body = Buffer.from(memory, place % 5, length);
          body.write(text);
          expect(scanRecords(body, 1) === undefined, `${JSON.stringify(planted)} at ${place}`).toBe(i < faults.length);
        }
      }
    }
  });

  it('reads a line anywhere in what was received as it reads a body with this record', () => {
    const values = fc.oneof(fc.jsonValue(), fc.string({ minLength: 200, maxLength: 400 }));
    fc.assert(
      fc.property(record, values, fc.nat(9), fc.constantFrom('', ' ', ' x', '}'), (plain, value, before, after) => {
        const line = JSON.stringify({ ...plain, value });
        const text = Buffer.from(`${'"'.repeat(before)}${line}${after}`);
        const found = scanLine(text.subarray(before));
        const inBody = scanned(`{"records":[${line}${after}]}`);
        expect(found && meaning(found)).toEqual(inBody && meaning(inBody[0]!));
      }),
      { numRuns: 500 },
    );
  });

  it('accepts long texts with escapes before, between and after those without', () => {
    const texts = ['x'.repeat(400), '\n"\\'.repeat(60), 'y'.repeat(40), `${'z'.repeat(90)}\t`, 'x'.repeat(401)];
    const records = texts.map((value) => ({ value }));
    expect(scanned(JSON.stringify({ records }))?.map(meaning)).toEqual(
      texts.map((json) => ({ key: null, value: { json } })),
    );
  });

  it('accepts what clients usually send', () => {
    const found = scanned(
      '{"records": [{"key": "k", "value": {"n": 12345678901234567890, "s": "\\u00e9"}}, {"value":null}]}',
    );
    expect(found?.map(({ key, value }) => [key && String(key), value && String(value)])).toEqual([
      ['k', '{"n": 12345678901234567890, "s": "\\u00e9"}'],
      [null, null],
    ]);
    expect(scanned('{"records":[{"value":"text"}]}')?.length).toBe(1);
  });

  it.each([
    ['a wrapper', '{"records":[{"value":{"$b64":"AP8="}}]}'],
    ['a wrapper behind an escape', '{"records":[{"value":{"\\u0024b64":"AP8="}}]}'],
    ['another member of a record', '{"records":[{"value":1,"partition":0}]}'],
    ['another member of the body', '{"records":[{"value":1}],"more":1}'],
    ['a member named twice', '{"records":[{"value":1,"value":2}]}'],
    ['a key that is no text', '{"records":[{"key":1}]}'],
    ['a key with an escape', '{"records":[{"key":"\\ud800"}]}'],
    ['no record', '{"records":[]}'],
    ['a deep value', `{"records":[{"value":${'['.repeat(100)}${']'.repeat(100)}}]}`],
    ['half a body', '{"records":[{"value":"te'],
    ['more behind the body', '{"records":[{"value":1}]} x'],
  ])('leaves %s to the parser', (_, text) => {
    expect(scanned(text)).toBeUndefined();
  });

  it('leaves bodies with too many records or invalid UTF-8 to the parser', () => {
    expect(scanRecords(Buffer.from('{"records":[{"value":1},{"value":2}]}'), 1)).toBeUndefined();
    expect(scanRecords(Buffer.from('{"records":[{"value":"\xff"}]}', 'latin1'), 1)).toBeUndefined();
  });
});
