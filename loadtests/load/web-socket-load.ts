/**
 * The WebSocket load generator, a separate process: sockets over node:net, `depth` unanswered messages on each, the same bytes
 * every time. load.ts drives it over IPC.
 */
import { connect, type Socket } from 'node:net';
import { LatencyHistogram } from '../compare/statistics.ts';
import { fail, given, onRun } from './generator.ts';
import type { WebSocketLoadSpec } from './load.ts';

const spec = await given<WebSocketLoadSpec>();
const message = masked(Buffer.from(spec.messageBase64, 'base64'));
const headEnd = '\r\n\r\n';

let isRunning = false;
let completed = 0;
let refused = 0;
let firstRefusal = '';
let histogram = new LatencyHistogram();

/** A masked frame (RFC 6455 5.2) whose mask of zeros leaves the payload as it is. */
function masked(payload: Buffer): Buffer {
  const isShort = payload.length < 126;
  const head = Buffer.alloc(isShort ? 6 : 8);
  head[0] = spec.isBinary ? 0x82 : 0x81;
  head[1] = 0x80 | (isShort ? payload.length : 126);
  if (!isShort) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

class Client {
  readonly socket: Socket;
  /** When the unanswered messages were sent. Answers come in the order of the messages. */
  readonly #sentAt: number[] = [];
  #begun = Buffer.alloc(0);
  #onOpen: (() => void) | undefined;
  #onDone: () => void = () => {};

  constructor(opened: () => void) {
    this.#onOpen = opened;
    this.socket = connect({ host: spec.host, port: spec.port, noDelay: true }, () => this.socket.write(spec.head));
    this.socket.on('data', (bytes) => this.#received(bytes));
    this.socket.on('error', (error) => fail(`connection: ${error.message}`));
    this.socket.on('close', () => fail('the server closed a connection'));
  }

  run(): Promise<void> {
    const at = performance.now();
    for (let i = 0; i < spec.depth; i++) this.#sentAt.push(at);
    this.socket.write(Buffer.concat(Array.from({ length: spec.depth }, () => message)));
    return new Promise((resolve) => {
      this.#onDone = resolve;
    });
  }

  end(): void {
    this.socket.removeAllListeners('close').destroy();
  }

  #received(piece: Buffer): void {
    let bytes = this.#begun.length > 0 ? Buffer.concat([this.#begun, piece]) : piece;
    if (this.#onOpen) {
      const end = bytes.indexOf(headEnd);
      if (end >= 0) {
        if (!bytes.toString('latin1', 0, 12).endsWith(' 101')) fail(`refused: ${bytes.toString('latin1')}`);
        bytes = bytes.subarray(end + headEnd.length);
        this.#onOpen();
        this.#onOpen = undefined;
      }
    }
    if (!this.#onOpen) bytes = this.#frames(bytes);
    this.#begun = Buffer.from(bytes);
  }

  /** Returns what is left: the beginning of a frame. */
  #frames(bytes: Buffer): Buffer {
    let at = 0;
    let answers = 0;
    const now = performance.now();
    while (bytes.length - at >= 4) {
      const short = bytes[at + 1]!;
      const start = at + (short < 126 ? 2 : 4);
      const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2));
      if (end > bytes.length) break;
      this.#answered(bytes, start, end, now);
      answers++;
      at = end;
    }
    if (answers > 0 && isRunning) {
      for (let i = 0; i < answers; i++) this.#sentAt.push(now);
      this.socket.write(answers === 1 ? message : Buffer.concat(Array.from({ length: answers }, () => message)));
    }
    if (this.#sentAt.length === 0) this.#onDone();
    return bytes.subarray(at);
  }

  #answered(bytes: Buffer, start: number, end: number, now: number): void {
    const sentAt = this.#sentAt.shift();
    if (sentAt === undefined) return fail('an answer to nothing');
    if (bytes.latin1Slice(start, start + spec.answer.length) === spec.answer) {
      completed++;
      histogram.record((now - sentAt) * 1e3);
    } else {
      refused++;
      firstRefusal ||= bytes.toString('latin1', start, Math.min(end, start + 600));
    }
  }
}

onRun(async (seconds) => {
  const clients = await Promise.all(
    Array.from({ length: spec.connections }, () => {
      return new Promise<Client>((resolve) => {
        const client: Client = new Client(() => resolve(client));
      });
    }),
  );
  isRunning = true;
  completed = refused = 0;
  histogram = new LatencyHistogram();
  const beginMs = performance.now();
  setTimeout(() => {
    isRunning = false;
  }, seconds * 1e3);
  await Promise.all(clients.map((client) => client.run()));
  const tookSeconds = (performance.now() - beginMs) / 1e3;
  for (const client of clients) client.end();
  const bytes = completed * message.length;
  return { completed, refused, firstRefusal, bytes, seconds: tookSeconds, latency: histogram.summary() };
});
