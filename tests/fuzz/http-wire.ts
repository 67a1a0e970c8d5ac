/** Just enough of HTTP/1.1 to see where an answer ends, over bytes of our own making. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
  /** Where the answer ends in the received bytes. */
  readonly end: number;
  readonly closes: boolean;
}

/** The first answer in `received`; undefined while it is not whole. Throws when it is no HTTP. */
export function answerIn(received: Buffer, isHead: boolean): Answer | undefined {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = received.toString('latin1', 0, headEnd);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  if (Number.isNaN(status)) throw new Error(`no HTTP: ${head.slice(0, 100)}`);
  const at = headEnd + 4;
  if (status === 100) {
    const rest = answerIn(received.subarray(at), isHead);
    return rest && { ...rest, end: rest.end + at };
  }
  const closes = /^connection: close/im.test(head);
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  if (isHead || status === 204 || status === 304) return { status, head, body: Buffer.alloc(0), end: at, closes };
  if (/^transfer-encoding: chunked/im.test(head)) {
    const chunks = chunksIn(received, at);
    return chunks && { status, head, body: chunks.body, end: chunks.end, closes };
  }
  if (length === undefined) return { status, head, body: received.subarray(at), end: received.length, closes: true };
  const end = at + Number(length);
  return end > received.length ? undefined : { status, head, body: received.subarray(at, end), end, closes };
}

function chunksIn(received: Buffer, from: number): { body: Buffer; end: number } | undefined {
  const parts: Buffer[] = [];
  let at = from;
  for (;;) {
    const lineEnd = received.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(received.toString('latin1', at, lineEnd), 16);
    const begin = lineEnd + 2;
    if (Number.isNaN(size)) throw new Error('no chunk where one belongs');
    if (received.length < begin + size + 2) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), end: begin + 2 };
    parts.push(received.subarray(begin, begin + size));
    at = begin + size + 2;
  }
}

export interface Asked {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly chunked: boolean;
}

export function encodeAsked({ method, target, headers, body, chunked }: Asked): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, 'host: fuzz', ...headers.map(([name, value]) => `${name}: ${value}`)];
  if (chunked) lines.push('transfer-encoding: chunked');
  else if (body.length > 0 || method === 'POST' || method === 'PATCH') lines.push(`content-length: ${body.length}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (!chunked) return Buffer.concat([head, body]);
  const parts: Buffer[] = [head];
  for (let at = 0; at < body.length; at += 1000) {
    const piece = body.subarray(at, at + 1000);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from('0\r\n\r\n'));
  return Buffer.concat(parts);
}
