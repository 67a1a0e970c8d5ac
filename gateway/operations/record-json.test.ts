import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBatch } from '../../engine/records/encode.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { batchField } from '../../engine/records/batch.ts';
import { JsonOutput } from './json-output.ts';
import type { ProduceRecord } from './produce.ts';
import { type RecordFormat, recordOfJson } from './record-json.ts';
import { recordChunks, UnreadableRecords, writeRecords } from './records-to-json.ts';

async function rendered(records: readonly ProduceRecord[], format: RecordFormat): Promise<string[]> {
  const batch = encodeBatch(records.map((record) => ({ ...record, timestampMs: record.timestampMs ?? 0 })));
  const outputs: JsonOutput[] = [];
  await writeRecords(batch, 0, 0, Infinity, format, () => outputs[outputs.push(new JsonOutput(1)) - 1]);
  return outputs.map((output) => {
    expect(isUtf8(output.written())).toBe(true);
    return output.written().toString();
  });
}

/** Sends the record back exactly as a reader received it. */
function again(json: string, format: RecordFormat): ProduceRecord {
  return recordOfJson(JSON.parse(json), format, 'record');
}

const bytes = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: 'grapheme' }).map((s) => Buffer.from(s)),
    fc.json().map((s) => Buffer.from(s)),
  ),
);

describe('record JSON', () => {
  it('every key, and every value that is not JSON, is read back byte for byte; JSON is read back as the same JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes,
        bytes,
        fc.constantFrom<RecordFormat>('json', 'string', 'base64'),
        async (key, value, format) => {
          const [json] = await rendered([{ key, value }], format);
          const back = again(json!, format);
          expect(back.key && Buffer.from(back.key)).toEqual(key && Buffer.from(key));
          const [second] = await rendered([back], format);
          expect(JSON.parse(second!)).toEqual(JSON.parse(json!));
          if (format !== 'json') expect(back.value && Buffer.from(back.value)).toEqual(value && Buffer.from(value));
        },
      ),
    );
  });

  it('every JSON value is read back as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        fc.pre(value !== null);
        const [json] = await rendered([recordOfJson({ value: { $json: value } }, 'json', 'record')], 'json');
        const read = (JSON.parse(json!) as { value: unknown }).value;
        const isWrapped =
          typeof read === 'object' && read !== null && '$json' in read && Object.keys(read).length === 1;
        expect(isWrapped ? (read as { $json: unknown }).$json : read).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('never breaks a line', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (key, value) => {
        for (const format of ['json', 'string', 'base64'] as const) {
          const [json] = await rendered([{ key, value }], format);
          expect(json).not.toMatch(/[\r\n]/);
        }
      }),
    );
  });

  it('cuts a chunk after the record that fills it, and leaves out records that were not asked for', async () => {
    const batch = encodeBatch(
      Array.from({ length: 10 }, (_, i) => ({ key: null, value: Buffer.from(String(i)), timestampMs: 0 })),
    );
    const chunks = await recordChunks(batch, 0, 2, 9, 'json', 150);
    const ranges = chunks.map(({ baseOffset, endOffset }) => [baseOffset, endOffset]);
    expect(ranges).toEqual([
      [2, 5],
      [5, 8],
      [8, 9],
    ]);
    const records = chunks.flatMap(({ json }) => JSON.parse(`[${json}]`) as { offset: number; value: number }[]);
    expect(records.map(({ offset, value }) => [offset, value])).toEqual([2, 3, 4, 5, 6, 7, 8].map((i) => [i, i]));
    expect(await recordChunks(batch, 0, 10, 20, 'json', 150)).toEqual([]);
  });

  it('returns a very large batch in several pieces', async () => {
    const value = Buffer.alloc(1024 * 1024, 'x');
    const batch = encodeBatch(Array.from({ length: 10 }, () => ({ key: null, value, timestampMs: 0 })));
    const goes: number[][] = [];
    for (let from = 0; from < 10; from = goes.at(-1)!.at(-1)! + 1) {
      const chunks = await recordChunks(batch, 0, from, 10, 'json', 65_536);
      goes.push(chunks.map(({ baseOffset }) => baseOffset));
    }
    expect(goes).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
  });
});

describe('hostile records', () => {
  it('a timestamp too far from another in its batch is refused before anything is stored', () => {
    expect(() => recordOfJson({ timestamp: 9e15 }, 'json', 'record')).toThrow(InvalidRequest);
    expect(recordOfJson({ timestamp: 4e15 }, 'json', 'record').timestampMs).toBe(4e15);
  });

  it('a timestamp as text must name its zone, or it would mean that of the gateway', () => {
    const timeIn = (timestamp: string): unknown => recordOfJson({ timestamp }, 'json', 'record').timestampMs;
    expect(timeIn('2026-11-28T13:00:00.5+01:00')).toBe(Date.UTC(2026, 10, 28, 12, 0, 0, 500));
    for (const text of ['2026-11-28T12:00:00', '2026-11-28T12:00', '2026-11-28', '1969-12-31T23:59:59Z', '2026']) {
      expect(() => timeIn(text), text).toThrow(InvalidRequest);
    }
  });

  const deep = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);

  it('a value that is nested too deep to be written as text is refused as the sender’s fault', () => {
    for (const fields of [{ key: deep(50_000) }, { value: deep(50_000) }, { value: { $json: deep(50_000) } }]) {
      expect(() => recordOfJson(fields, 'json', 'record')).toThrow(InvalidRequest);
    }
  });

  it('an unreadable batch with a correct checksum says at which offset to continue', async () => {
    const batch = encodeBatch([{ key: null, value: Buffer.from('x'), timestampMs: 0 }]);
    batch.fill(0xff, batchField.records);
    const reading = (async () => writeRecords(batch, 3, 0, Infinity, 'json', () => new JsonOutput(1)))();
    await expect(reading).rejects.toMatchObject({ name: 'Error', partition: 3, offset: 0, nextOffset: 1 });
    await expect(reading).rejects.toThrow(UnreadableRecords);
  });

  it('a record whose JSON exceeds the longest string is reported as unreadable, and those before it are returned', () => {
    // Each zero becomes six characters, and a V8 string holds at most 512 million.
    const large = encodeBatch([
      { key: null, value: Buffer.from('x'), timestampMs: 0 },
      { key: null, value: Buffer.alloc(100 * 1024 * 1024), timestampMs: 0 },
    ]);
    const given: number[] = [];
    const read = (): unknown =>
      writeRecords(large, 0, 0, Infinity, 'json', (offset) => {
        given.push(offset);
        return new JsonOutput(1);
      });
    expect(read).toThrow(UnreadableRecords);
    expect(given).toEqual([0]);
  });

  it('offsets that point outside their batch are not followed', async () => {
    const batch = encodeBatch([
      { key: null, value: Buffer.from('x'), timestampMs: 0 },
      { key: null, value: Buffer.from('y'), timestampMs: 0 },
    ]);
    // The second record's offset delta, behind its length, attributes and timestamp delta: 1 becomes 63.
    batch[batch.length - 5] = 126;
    expect(() => writeRecords(batch, 0, 0, Infinity, 'json', () => new JsonOutput(1))).toThrow(UnreadableRecords);
  });
});
