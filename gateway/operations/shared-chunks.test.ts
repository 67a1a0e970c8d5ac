import { describe, expect, it } from 'vitest';
import { restamp } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type NamedStyle, SharedChunks } from './shared-chunks.ts';
import type { Delivery } from './subscribe.ts';

function delivery(offset: number, value: string): Delivery {
  const batch = encodeBatch([{ key: null, value: Buffer.from(value), timestampMs: 5 }]);
  restamp(batch, 0, offset, 0);
  return { partition: 3, fromOffset: offset, nextOffset: offset + 1, batch, records: 1, highWatermark: offset + 1 };
}

const between = (name: string): NamedStyle => ({
  name,
  before: (output) => output.ascii(`${name}: `),
  after: '\n',
});

describe('SharedChunks', () => {
  const shared = (): SharedChunks<string> =>
    new SharedChunks({ keep: (_, { json }) => json.toString(), weight: 1, chunkBytesMax: 1_000 });

  it('writes the records of a style once, and those of another name apart', async () => {
    const chunks = shared();
    const one = await chunks.of('topic', delivery(0, 'a'), 'string', between('one'));
    expect(one[0]).toMatch(/^one: \{"partition":3.*"value":"a".*\}\n$/);
    expect(chunks.of('topic', delivery(0, 'a'), 'string', between('one'))).toBe(one);
    const other = await chunks.of('topic', delivery(0, 'a'), 'string', between('other'));
    expect(other[0]).toMatch(/^other: /);
  });

  it('finds those of many batches that readers take in turn, and more than are recent', async () => {
    const chunks = shared();
    const taken = Array.from({ length: 100 }, (_, i) => delivery(i, String(i)));
    const first = taken.map((each) => chunks.of('topic', each, 'string', between('x')));
    for (const [i, each] of taken.entries()) expect(chunks.of('topic', each, 'string', between('x'))).toBe(first[i]);
  });
});
