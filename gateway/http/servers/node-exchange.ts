/** An exchange over node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../engine/kernel/clock.ts';
import type { TurnTime } from '../../turn-time.ts';
import type { Failure } from '../../../engine/kernel/failure.ts';
import { BodyCollector, ownBytes } from './body-collector.ts';
import { HeldBody } from '../body-memory.ts';
import { assertHeaders, byteLength, guarded, guardedRefusal, isBodiless } from './dispatch.ts';
import { RequestSnapshot, pathParameter } from './request-snapshot.ts';
import type { RouteMatch } from './route-table.ts';
import {
  type BodyFlow,
  type HeaderList,
  type HttpExchange,
  lingerMs,
  type ReplyStream,
  type ServerDoors,
  type ServerSettings,
} from './server.ts';

export interface NodeServing {
  readonly doors: ServerDoors;
  readonly settings: ServerSettings;
  /** True once the server stops: connections close after their reply. */
  closing: boolean;
  readonly clock: Clock;
  readonly turn: TurnTime;
  /** Sockets where the end of a request is unknown: whatever node:http goes on to read there belongs to no request. */
  readonly doubtful: WeakSet<Duplex>;
}

export function nodeHeaders(request: IncomingMessage): string[] {
  return request.rawHeaders.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text));
}

/** Path and query of the request target. A proxy's absolute form is cut down to its path. */
export function splitTarget(target: string): { path: string; queryString: string } {
  const relative = /^https?:\/\//i.test(target) ? target.replace(/^https?:\/\/[^/?]*/i, '') || '/' : target;
  const mark = relative.indexOf('?');
  if (mark < 0) return { path: relative, queryString: '' };
  return { path: relative.slice(0, mark), queryString: relative.slice(mark + 1) };
}

export function nodeAddress(request: IncomingMessage): string {
  const address = request.socket.remoteAddress ?? '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

type State = 'open' | 'streaming' | 'done' | 'aborted';

export class NodeExchange extends RequestSnapshot implements HttpExchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #serving: NodeServing;
  readonly #match: RouteMatch;
  readonly #receivedMs: number;
  #state: State = 'open';
  #onAborted: (() => void) | undefined;
  #inHandler = true;
  #afterHandler: (() => void) | undefined;
  #receivedBytes = 0;
  #discardedBytes = 0;
  #isLingering = false;
  #reader: ((piece: Uint8Array, isLast: boolean) => void) | undefined;
  #isAttached = false;
  #kept: HeldBody | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: string,
    match: RouteMatch,
    serving: NodeServing,
  ) {
    super(request.method ?? '', path, query, nodeHeaders(request));
    this.#request = request;
    this.#response = response;
    this.#serving = serving;
    this.#match = match;
    this.#receivedMs = serving.turn.nowMs();
    response.sendDate = false;
    // A reset shows as an error on either side; what matters is 'close' without a finished reply.
    request.on('error', () => {});
    response.on('error', () => {});
    response.on('close', () => {
      if (!response.writableFinished) this.#abort();
    });
    this.#watchStall(this.declaredBytes !== 0);
  }

  /**
   * Runs instead of the handler: reports what is wrong with the head and ends the connection. Nothing behind it is served.
   */
  refuseHead(failure: Failure): void {
    this.#response.shouldKeepAlive = false;
    this.#serving.doubtful.add(this.#request.socket);
    guardedRefusal(failure, this, this.#serving.doors);
  }

  get allowedMethods(): readonly string[] {
    return this.#match.allowedMethods;
  }

  get aborted(): boolean {
    return this.#state === 'aborted';
  }

  param(name: string): string {
    return pathParameter(this.#match, name);
  }

  override remoteAddress(): string {
    return nodeAddress(this.#request);
  }

  override knownAs(clusterId: string): void {
    super.knownAs(clusterId);
    this.#serving.doors.entrance?.known(this.#request.socket);
  }

  onAborted(run: () => void): void {
    if (this.#state === 'aborted') guarded(run, this, this.#serving.doors);
    else this.#onAborted = run;
  }

  #abort(): void {
    const isComplete = this.#state === 'done';
    this.#state = 'aborted';
    this.#reader = undefined;
    this.#kept?.giveAll();
    const run = this.#onAborted;
    // A fully handed over reply is out of our hands: the handler's part was over.
    if (run && !isComplete) guarded(run, this, this.#serving.doors);
  }

  handlerReturned(): void {
    this.#inHandler = false;
    const run = this.#afterHandler;
    if (run) guarded(run, this, this.#serving.doors);
    // The handler will ask for the body later; a client that we hold back is not stalling.
    if (!this.#isAttached && this.#state === 'open') this.#watchStall(false);
  }

  /** Cuts the socket when it transfers nothing for the idle time while we wait for it. */
  #watchStall(isWaiting: boolean): void {
    this.#request.socket.setTimeout(isWaiting ? this.#serving.settings.idleTimeoutMs : 0);
  }

  // --- Body ---

  get bodyBytes(): number {
    return this.bodyBytesOf(this.#receivedBytes);
  }

  readBody(limitBytes: number, onBody: (body: Buffer) => void, onTooLarge: () => void): void {
    if (this.declaredBytes !== undefined && this.declaredBytes > limitBytes) {
      if (this.#inHandler) this.#afterHandler = onTooLarge;
      else guarded(onTooLarge, this, this.#serving.doors);
      return;
    }
    const collector = new BodyCollector(limitBytes, this.declaredBytes);
    this.#read((piece, isLast) => {
      if (!this.#mayKeep(piece.length)) return;
      if (!collector.push(piece, isLast)) {
        this.#reader = undefined;
        onTooLarge();
      } else if (isLast) {
        this.#reader = undefined;
        onBody(collector.body());
      }
    });
  }

  /** Whether the memory of all bodies has room for these bytes. If not, the request is refused. */
  #mayKeep(bytes: number): boolean {
    const { doors } = this.#serving;
    if (!doors.bodyMemory) return true;
    const kept = (this.#kept ??= new HeldBody(doors.bodyMemory, this.clusterId));
    const refusal = kept.take(bytes);
    if (!refusal) return true;
    this.#reader = undefined;
    guardedRefusal(refusal, this, doors);
    // A reply that has begun can no longer report this.
    if (this.#state === 'streaming') this.#response.destroy();
    return false;
  }

  lendBody(limitBytes: number, onBody: (body: Uint8Array) => void, onTooLarge: () => void): void {
    this.readBody(limitBytes, onBody, onTooLarge);
  }

  streamBody(onChunk: (chunk: Buffer) => void, onEnd: () => void): BodyFlow {
    this.#read((piece, isLast) => {
      if (piece.length > 0) onChunk(ownBytes(piece));
      if (isLast) onEnd();
    });
    return {
      pause: () => {
        if (this.#request.complete || this.#state === 'done' || this.#state === 'aborted') return;
        this.#watchStall(false);
        this.#request.pause();
      },
      resume: () => {
        if (this.#state === 'aborted') return;
        this.#watchStall(!this.#request.complete);
        this.#request.resume();
      },
    };
  }

  #read(reader: (piece: Uint8Array, isLast: boolean) => void): void {
    if (this.#state === 'aborted' || this.#state === 'done') return;
    this.#reader = reader;
    this.#attach();
  }

  #attach(): void {
    if (this.#isAttached) return;
    this.#isAttached = true;
    const request = this.#request;
    if (!request.complete) this.#watchStall(true);
    request.on('data', (piece: Buffer) => {
      this.#receivedBytes += piece.length;
      if (this.#reader) this.#deliver(piece, this.#receivedBytes === this.declaredBytes);
      else if (this.#state !== 'open') this.#discard(piece.length);
    });
    request.on('end', () => {
      this.#watchStall(false);
      // With an announced length the last piece has already reported the end.
      if (this.declaredBytes === undefined || this.declaredBytes === 0) this.#deliver(noBytes, true);
    });
  }

  #deliver(piece: Uint8Array, isLast: boolean): void {
    const reader = this.#reader;
    if (reader) guarded(() => reader(piece, isLast), this, this.#serving.doors);
  }

  #discard(bytes: number): void {
    this.#discardedBytes += bytes;
    const { discardBytesMax } = this.#serving.settings;
    if (this.#discardedBytes > discardBytesMax * (this.#isLingering ? 2 : 1)) this.#request.socket.destroy();
  }

  // --- Reply ---

  reply(status: number, headers: HeaderList, body?: string | Uint8Array): void {
    if (this.#state !== 'open') return;
    assertHeaders(headers);
    this.#replied(status);
    this.#state = 'done';
    this.#reader = undefined;
    this.#kept?.giveAll();
    const response = this.#response;
    this.#prepare();
    const flat: string[] = [];
    for (const [name, value] of headers) flat.push(name, value);
    if (!isBodiless(status)) flat.push('content-length', String(byteLength(body ?? '')));
    response.writeHead(status, flat);
    if (isBodiless(status) || this.method === 'HEAD') response.end();
    else if (this.#leftIsTooMuch()) this.#linger(body ?? '');
    else response.end(body ?? '');
  }

  #leftIsTooMuch(): boolean {
    return (this.declaredBytes ?? 0) - this.#receivedBytes > this.#serving.settings.discardBytesMax;
  }

  /**
   * If its connection closes while it still sends, a client sees a reset, often before it has read the reply. So the reply
   * leaves at once, and the connection stays open for twice as much of the body as is otherwise discarded.
   */
  #linger(body: string | Uint8Array): void {
    this.#isLingering = true;
    this.#response.write(body);
    const timer = this.#serving.clock.after(lingerMs, () => this.#request.socket.destroy(), 'background');
    this.#response.on('close', () => timer.cancel());
    this.#request.on('end', () => this.#response.end());
  }

  /** Decides what happens to the connection and to the rest of the body. */
  #prepare(): void {
    if (this.#serving.closing || this.#leftIsTooMuch()) this.#response.shouldKeepAlive = false;
    if (this.#request.complete && this.#isAttached) return;
    this.#attach();
    this.#request.resume();
  }

  #replied(status: number): void {
    const { doors, turn } = this.#serving;
    doors.replied?.(status, this.#match.route, turn.nowMs() - this.#receivedMs);
  }

  startStream(status: number, headers: HeaderList): ReplyStream {
    if (this.#state !== 'open') return deadStream;
    assertHeaders(headers);
    this.#replied(status);
    const response = this.#response;
    if (this.#serving.closing) response.shouldKeepAlive = false;
    const flat: string[] = [];
    for (const [name, value] of headers) flat.push(name, value);
    if (this.method === 'HEAD' || isBodiless(status)) {
      this.#state = 'done';
      this.#kept?.giveAll();
      this.#prepare();
      response.writeHead(status, flat);
      response.end();
      return deadStream;
    }
    this.#state = 'streaming';
    response.writeHead(status, flat);
    response.flushHeaders();
    return this.#stream();
  }

  #stream(): ReplyStream {
    const response = this.#response;
    let onDrain: (() => void) | undefined;
    let isFull = false;
    response.on('drain', () => {
      isFull = false;
      this.#watchStall(!this.#request.complete && this.#reader !== undefined);
      const run = onDrain;
      if (run && this.#state === 'streaming') guarded(run, this, this.#serving.doors);
    });
    return {
      write: (chunk) => {
        if (this.#state !== 'streaming') return false;
        if (byteLength(chunk) === 0) return !isFull;
        const isFree = response.write(chunk);
        if (!isFree && !isFull) this.#watchStall(true);
        if (isFull && response.writableLength > this.#serving.settings.streamBufferedBytesMax) response.destroy();
        isFull = !isFree;
        return isFree;
      },
      onDrain: (run) => {
        onDrain = run;
      },
      end: () => {
        if (this.#state !== 'streaming') return;
        this.#state = 'done';
        this.#reader = undefined;
        this.#kept?.giveAll();
        if (!this.#request.complete) this.#prepare();
        response.end();
      },
    };
  }
}

const noBytes = new Uint8Array(0);

/** For clients that are gone or that asked only for the head. */
const deadStream: ReplyStream = { write: () => false, onDrain: () => {}, end: () => {} };
