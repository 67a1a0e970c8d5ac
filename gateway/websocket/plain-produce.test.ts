import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProduceRecord } from '../operations/produce.ts';
import { recordOfJson } from '../operations/record-json.ts';
import { type PlainProduce, scanProduce } from '../operations/scan-records.ts';
import { commandId, commandOf } from './commands.ts';

/** The command as the parser reads it; undefined when it refuses it, or when it is another one. */
function parsed(message: Buffer): PlainProduce | undefined {
  try {
    const fields = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(message)) as Record<string, unknown>;
    const command = commandOf(fields);
    if (command.op !== 'produce' || command.format !== 'json') return undefined;
    const records = command.records.map((record, i) => recordOfJson(record, 'json', `records[${i}]`));
    return { id: commandId(fields), topic: command.topic, records };
  } catch {
    return undefined;
  }
}

/** Texts may differ in white space, member order, and digits that a double cannot hold. */
function meaning({ id, topic, records }: PlainProduce): unknown {
  const asDoubles = (text: string): unknown => JSON.parse(JSON.stringify(JSON.parse(text)));
  const value = (bytes: ProduceRecord['value']): unknown => bytes && { json: asDoubles(Buffer.from(bytes).toString()) };
  return { id, topic, records: records.map((record) => [record.key && String(record.key), value(record.value)]) };
}

const record = fc.record(
  { key: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(null)), value: fc.jsonValue() },
  { requiredKeys: [] },
);
const members = fc
  .record(
    {
      op: fc.constantFrom('produce', 'produce', 'produce', 'subscribe'),
      id: fc.oneof(fc.maxSafeInteger(), fc.nat(), fc.string({ unit: 'grapheme', maxLength: 70 }), fc.constant(null)),
      topic: fc.string({ unit: 'grapheme' }),
      records: fc.array(record, { maxLength: 3 }),
      format: fc.constantFrom('json', 'string'),
    },
    { requiredKeys: ['op', 'topic', 'records'] },
  )
  .chain((fields) => fc.shuffledSubarray(Object.entries(fields), { minLength: Object.keys(fields).length - 1 }));

describe('scanProduce', () => {
  it('agrees with the parser on every command that it accepts', () => {
    let accepted = 0;
    fc.assert(
      fc.property(members, fc.constantFrom(0, 1, '\t'), (fields, blanks) => {
        const message = Buffer.from(JSON.stringify(Object.fromEntries(fields), undefined, blanks));
        const found = scanProduce(message, 3);
        if (!found) return;
        accepted++;
        expect(meaning(found)).toEqual(meaning(parsed(message)!));
      }),
      { numRuns: 1_000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it('accepts nothing that the parser would refuse', () => {
    const alphabet = fc.constantFrom(...Array.from('{}[]:,"\\ \n$0123456789-+.eEntrulfasxkvyopid'), 'é', '\u0001');
    const edit = fc.record({ at: fc.nat(), text: fc.array(alphabet, { maxLength: 2 }), cut: fc.nat(3) });
    fc.assert(
      fc.property(members, fc.array(edit, { maxLength: 3 }), (fields, edits) => {
        let text = JSON.stringify(Object.fromEntries(fields));
        for (const { at, text: inserted, cut } of edits) {
          const place = at % text.length;
          text = text.slice(0, place) + inserted.join('') + text.slice(place + cut);
        }
        const message = Buffer.from(text);
        const found = scanProduce(message, 3);
        if (!found) return;
        const reference = parsed(message);
        expect(reference, text).toBeDefined();
        expect(meaning(found)).toEqual(meaning(reference!));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    '{"op":"produce","id":1,"topic":"t","records":[{"value":1}]}',
    '{ "records": [ {"key": "k"} ], "topic": "t", "id": "a", "op": "produce" } ',
    '{"op":"produce","topic":"","records":[{"value":null}]}',
  ])('accepts what clients usually send: %s', (text) => {
    const message = Buffer.from(text);
    expect(meaning(scanProduce(message, 3)!)).toEqual(meaning(parsed(message)!));
  });

  it.each([
    ['a name without its colon', '{"op""op":"produce","topic":"t","records":[{"value":1}]}'],
    ['a value without its colon', '{"op":"produce","topic":"t","records":[{"value""key":"k"}]}'],
    ['a number that is more than a double holds', '{"op":"produce","id":9007199254740993,"topic":"t","records":[{}]}'],
    ['a number with a zero before it', '{"op":"produce","id":01,"topic":"t","records":[{"value":1}]}'],
    ['an id that is too long', `{"op":"produce","id":"${'x'.repeat(65)}","topic":"t","records":[{"value":1}]}`],
    ['a format', '{"op":"produce","topic":"t","format":"string","records":[{"value":1}]}'],
    ['a member named twice', '{"op":"produce","topic":"t","topic":"u","records":[{"value":1}]}'],
    ['too many records', '{"op":"produce","topic":"t","records":[{"value":1},{"value":1},{"value":1},{"value":1}]}'],
    ['another command', '{"op":"subscribe","topic":"t","records":[{"value":1}]}'],
  ])('leaves %s to the parser', (_, text) => {
    expect(scanProduce(Buffer.from(text), 3)).toBeUndefined();
  });
});
