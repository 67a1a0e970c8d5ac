/** Lines of a byte stream, in groups as they arrive. A chunk may end within a UTF-8 character or a line end. */
import { StringDecoder } from 'node:string_decoder';
import { CommandFailure } from '../command-failure.ts';

/** An endless line would fill the memory; no record may be larger than this anyway. */
const lineCharactersMax = 64 * 1024 * 1024;

/**
 * Without line ends. The last line counts without one, unless it is empty. Throws CommandFailure for an endless line.
 * With `latin1` each character of a line is one byte, so that bytes which are not UTF-8 are kept.
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array | string>,
  encoding: 'utf8' | 'latin1' = 'utf8',
): AsyncGenerator<string[]> {
  const decoder = new StringDecoder(encoding);
  let rest = '';
  for await (const chunk of chunks) {
    const text = typeof chunk === 'string' && encoding === 'utf8' ? chunk : decoder.write(Buffer.from(chunk));
    // Only what is new is searched: a long line comes in thousands of chunks.
    const lines = text.split('\n');
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    if (rest.length > lineCharactersMax)
      throw new CommandFailure('usage', `a line has more than ${lineCharactersMax} characters, the most allowed`);
    if (lines.length > 0) yield lines.map(withoutReturn);
  }
  rest += decoder.end();
  if (rest !== '') yield [withoutReturn(rest)];
}

/** The chunks of a response's body; a connection failure is thrown as fetch throws it. */
export function linesOf({ body }: Response): AsyncGenerator<string[]> {
  return splitLines(body ?? nothing());
}

async function* nothing(): AsyncGenerator<string> {}

/** The chunks until `signal` aborts, even while none arrives. */
export async function* untilAborted<T>(chunks: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const aborted = new Promise<'aborted'>((resolve) => {
    if (signal.aborted) resolve('aborted');
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true });
  });
  const iterator = chunks[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([iterator.next(), aborted]);
    if (next === 'aborted' || next.done) return;
    yield next.value;
  }
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
