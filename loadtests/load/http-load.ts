/**
 * The HTTP load generator, a separate process: keep-alive connections over node:net, one request in flight on each, the
 * same bytes every time. Cheaper than any HTTP client library, which would measure itself. load.ts drives it over IPC.
 */
import { connect, type Socket } from 'node:net';
import { LatencyHistogram } from '../compare/statistics.ts';
import { fail, given, onRun } from './generator.ts';
import type { HttpLoadSpec, LoadResult } from './load.ts';

const spec = await given<HttpLoadSpec>();
const request = Buffer.concat([Buffer.from(spec.head, 'latin1'), Buffer.from(spec.bodyBase64, 'base64')]);
const headEnd = Buffer.from('\r\n\r\n');
const lengthName = Buffer.from('ontent-Length: ');
const lengthNameLower = Buffer.from('ontent-length: ');
const chunked = Buffer.from('hunked');
const lastChunk = Buffer.from('\r\n0\r\n\r\n');

let isRunning = false;
let completed = 0;
let refused = 0;
let firstRefusal = '';
let bytes = 0;
let histogram = new LatencyHistogram();
let ended = 0;
let onAllEnded: (() => void) | undefined;

/** One connection. The beginning of a reply is collected until its head is complete; of the rest only the length counts. */
class Client {
  readonly socket: Socket;
  #sentAt = 0;
  #begun: Buffer | undefined;
  /** Of a reply with a complete head, including the head. */
  #total = 0;
  #left = 0;
  #isDone = false;

  constructor(ready: () => void) {
    const buffer = Buffer.allocUnsafeSlow(64 * 1024);
    const onread = {
      buffer,
      callback: (count: number) => {
        this.#received(buffer.subarray(0, count));
        return true;
      },
    };
    this.socket = connect({ host: spec.host, port: spec.port, noDelay: true, onread }, ready);
    this.socket.on('error', (error) => fail(`connection: ${error.message}`));
    this.socket.on('close', () => {
      if (!this.#isDone) fail('the server closed a connection');
    });
  }

  end(): void {
    this.#isDone = true;
    this.socket.destroy();
  }

  send(at: number): void {
    this.#sentAt = at;
    this.socket.write(request);
  }

  #received(piece: Buffer): void {
    if (this.#left > 0) {
      this.#left -= piece.length;
      if (this.#left === 0) this.#completed(this.#begun!, this.#total);
      return;
    }
    const reply = this.#begun ? Buffer.concat([this.#begun, piece]) : piece;
    const total = replyBytes(reply);
    if (total >= 0 && reply.length >= total) {
      this.#completed(reply, total);
      return;
    }
    // The next piece will overwrite the first one's buffer.
    this.#begun = this.#begun ? reply : Buffer.from(reply);
    if (total < 0) return;
    this.#total = total;
    this.#left = total - reply.length;
  }

  #completed(reply: Buffer, total: number): void {
    this.#begun = undefined;
    const now = performance.now();
    if (reply[9] === 0x32) {
      completed++;
      bytes += spec.countReplies ? total : request.length;
      histogram.record((now - this.#sentAt) * 1e3);
    } else {
      refused++;
      firstRefusal ||= reply.toString('latin1', 0, 600);
    }
    if (isRunning) this.send(now);
    else rest(this);
  }
}

/** Length of head and body, or -1 while the head, or a body in chunks, is incomplete. */
function replyBytes(reply: Buffer): number {
  const end = reply.indexOf(headEnd);
  if (end < 0) return -1;
  const chunkedAt = reply.indexOf(chunked);
  if (chunkedAt >= 0 && chunkedAt < end) {
    const last = reply.indexOf(lastChunk, end);
    return last < 0 ? -1 : last + lastChunk.length;
  }
  let at = reply.indexOf(lengthName);
  if (at < 0 || at > end) at = reply.indexOf(lengthNameLower);
  let length = 0;
  if (at >= 0 && at < end) {
    for (let i = at + lengthName.length; reply[i]! >= 0x30 && reply[i]! <= 0x39; i++)
      length = length * 10 + reply[i]! - 0x30;
  }
  return end + 4 + length;
}

function rest(client: Client): void {
  client.end();
  if (++ended === spec.connections) onAllEnded?.();
}

/** New connections each time: servers close connections that idle while other targets have their turn. */
async function run(seconds: number): Promise<LoadResult> {
  const clients = await Promise.all(
    Array.from({ length: spec.connections }, () => {
      return new Promise<Client>((resolve) => {
        const client: Client = new Client(() => resolve(client));
      });
    }),
  );
  isRunning = true;
  completed = refused = bytes = ended = 0;
  histogram = new LatencyHistogram();
  const allEnded = new Promise<void>((resolve) => {
    onAllEnded = resolve;
  });
  const beginMs = performance.now();
  for (const client of clients) client.send(performance.now());
  setTimeout(() => {
    isRunning = false;
  }, seconds * 1e3);
  await allEnded;
  return {
    completed,
    refused,
    firstRefusal,
    bytes,
    seconds: (performance.now() - beginMs) / 1e3,
    latency: histogram.summary(),
  };
}

onRun(run);
