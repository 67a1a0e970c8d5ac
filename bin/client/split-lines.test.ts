import { expect, it } from 'vitest';
import { splitLines } from './split-lines.ts';

it('lines are the same, wherever the chunks of a stream end', async () => {
  const text = 'one\r\ntwo é €\n\n\r\nlast';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const lines: string[] = [];
    for await (const some of splitLines(chunksOf(chunks))) lines.push(...some);
    expect(lines).toEqual(['one', 'two é €', '', '', 'last']);
  }
});

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
