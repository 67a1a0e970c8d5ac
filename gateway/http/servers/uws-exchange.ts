/**
 * An exchange over a uWebSockets.js response. This file alone meets the library's rules: register onAborted first, attach
 * data handlers before the handler's turn ends, copy bytes inside the callback, cork replies, and touch nothing after the
 * end.
 */
import type { Clock } from '../../../engine/kernel/clock.ts';
import type { Failure } from '../../../engine/kernel/failure.ts';
import type { TurnTime } from '../../turn-time.ts';
import { BodyCollector, ownBytes } from './body-collector.ts';
import { HeldBody } from '../body-memory.ts';
import { assertHeaders, guarded, guardedBody, guardedRefusal, isBodiless, statusLine } from './dispatch.ts';
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
import { assertHeadersOnce, endHead, headText, sendReply } from './uws-reply.ts';
import { uwsAddress, uwsHeaders } from './uws-request.ts';
import { UwsStream } from './uws-stream.ts';
import type { UwsRequest, UwsResponse } from './uws-types.ts';

export interface UwsServing {
  readonly doors: ServerDoors;
  readonly settings: ServerSettings;
  /** True once the server stops: connections close after their reply. */
  closing: boolean;
  readonly clock: Clock;
  readonly turn: TurnTime;
}

type PieceReader = (piece: Uint8Array, isLast: boolean) => void;

interface BodyTaker {
  readonly limitBytes: number;
  readonly onBody: (body: Uint8Array) => void;
  readonly onTooLarge: () => void;
  /** The bytes may be the receive buffer's, valid during the call only. */
  readonly lends: boolean;
}

interface HeldReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string | Uint8Array | undefined;
}

/**
 * 'open': no reply yet. 'held': the reply is decided and waits for the end of a chunked body. 'ending': the reply is
 * streamed, and its end waits likewise. 'lingering': the reply has left, and the connection closes after some more of the
 * body.
 */
type State = 'open' | 'held' | 'streaming' | 'ending' | 'lingering' | 'done' | 'aborted';

export class UwsExchange extends RequestSnapshot implements HttpExchange {
  readonly #response: UwsResponse;
  readonly #serving: UwsServing;
  readonly #match: RouteMatch;
  readonly #receivedMs: number;
  #state: State = 'open';
  #onAborted: (() => void) | undefined;
  #address: string | undefined;

  #inHandler = true;
  #afterHandler: (() => void) | undefined;
  #listening = false;
  #paused = false;
  #receivedBytes = 0;
  #bodyComplete: boolean;
  /**
   * Bytes that came before the handler asked for them: at most one receive buffer, since the socket is paused meanwhile.
   */
  #backlog: readonly Buffer[] = noBacklog;
  #reader: PieceReader | BodyTaker | undefined;
  #collector: BodyCollector | undefined;
  /** Undefined while no bytes of the body are held, as for nearly all requests. */
  #kept: HeldBody | undefined;
  #held: HeldReply | undefined;
  #heldBytes = 0;
  /** The end of the body is unknown: no bytes of the connection are used after the reply. */
  #isHopeless = false;

  constructor(
    response: UwsResponse,
    request: UwsRequest,
    method: string,
    path: string,
    match: RouteMatch,
    serving: UwsServing,
  ) {
    super(method, path, request.getQuery() ?? '', uwsHeaders(request));
    this.#response = response;
    this.#serving = serving;
    this.#match = match;
    this.#receivedMs = serving.turn.nowMs();
    this.#bodyComplete = this.declaredBytes === 0;
    response.onAborted(() => this.#abort());
  }

  /**
   * Runs instead of the handler: reports what is wrong with the head and ends the connection. It does so in a later turn. A
   * connection closed after a reply still serves the requests in its receive buffer, while uWS cuts one that owes a reply
   * when another request comes behind it; that request belongs to nobody.
   */
  refuseHead(failure: Failure): void {
    this.#isHopeless = true;
    if (!this.#bodyComplete) this.#listen();
    this.#inHandler = false;
    this.#serving.clock.endOfTurn(() => guardedRefusal(failure, this, this.#serving.doors));
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
    if (this.#address === undefined) {
      if (this.#state === 'done' || this.#state === 'aborted') return '';
      this.#address = uwsAddress(this.#response);
    }
    return this.#address;
  }

  onAborted(run: () => void): void {
    if (this.#state === 'aborted') guarded(run, this, this.#serving.doors);
    else this.#onAborted = run;
  }

  #abort(): void {
    const isReplied = this.#state === 'lingering' || this.#state === 'done';
    this.#state = 'aborted';
    if (isReplied) return;
    this.#reader = undefined;
    this.#backlog = noBacklog;
    this.#held = undefined;
    this.#kept?.giveAll();
    const run = this.#onAborted;
    if (run) guarded(run, this, this.#serving.doors);
  }

  /** The server calls this when the handler's synchronous part is over: the last chance to ask uWS for the body. */
  handlerReturned(): void {
    this.#inHandler = false;
    const run = this.#afterHandler;
    if (run) guarded(run, this, this.#serving.doors);
    if (this.#state !== 'open' || this.#listening || this.#bodyComplete) return;
    this.#listen();
    this.#pause();
  }

  // --- Body ---

  get bodyBytes(): number {
    return this.bodyBytesOf(this.#receivedBytes);
  }

  readBody(limitBytes: number, onBody: (body: Buffer) => void, onTooLarge: () => void): void {
    // A body that is not lent is a Buffer: see #gather.
    this.#take({ limitBytes, onBody: onBody as BodyTaker['onBody'], onTooLarge, lends: false });
  }

  lendBody(limitBytes: number, onBody: (body: Uint8Array) => void, onTooLarge: () => void): void {
    this.#take({ limitBytes, onBody, onTooLarge, lends: true });
  }

  #take(taker: BodyTaker): void {
    if (this.declaredBytes !== undefined && this.declaredBytes > taker.limitBytes) this.#later(taker.onTooLarge);
    else this.#read(taker);
  }

  streamBody(onChunk: (chunk: Buffer) => void, onEnd: () => void): BodyFlow {
    this.#read((piece, isLast) => {
      if (piece.length > 0) onChunk(ownBytes(piece));
      if (isLast) onEnd();
    });
    return { pause: () => this.#pause(), resume: () => this.#resume() };
  }

  #later(run: () => void): void {
    if (this.#inHandler) this.#afterHandler = run;
    else guarded(run, this, this.#serving.doors);
  }

  #read(reader: PieceReader | BodyTaker): void {
    if (this.#state === 'aborted' || this.#state === 'done') return;
    this.#reader = reader;
    if (this.#inHandler) {
      if (this.#bodyComplete) this.#later(() => this.#deliver(noBytes, true));
      else this.#listen();
      return;
    }
    const backlog = this.#backlog;
    this.#backlog = noBacklog;
    // First: the reader may reply at once, and after that the connection belongs to the next request.
    this.#resume();
    for (const [index, piece] of backlog.entries()) {
      this.#deliver(piece, this.#bodyComplete && index === backlog.length - 1);
    }
    if (backlog.length === 0 && this.#bodyComplete) this.#deliver(noBytes, true);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#response.onData((chunk, isLast) => this.#data(new Uint8Array(chunk), isLast));
  }

  #data(piece: Uint8Array, isLast: boolean): void {
    this.#receivedBytes += piece.length;
    if (isLast) this.#bodyComplete = true;
    if (this.#state === 'held') {
      this.#heldBytes += piece.length;
      this.#sendHeld();
    } else if (this.#state === 'ending') {
      this.#heldBytes += piece.length;
      this.#endHeld();
    } else if (this.#state === 'lingering') {
      this.#heldBytes += piece.length;
      this.#endLinger(false);
    } else if (this.#state === 'open' || this.#state === 'streaming') {
      if (this.#reader) this.#deliver(piece, isLast);
      else if (this.#paused && this.#mayKeep(piece.length)) this.#backlog = [...this.#backlog, ownBytes(piece)];
    }
  }

  #deliver(piece: Uint8Array, isLast: boolean): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    if (typeof reader === 'function') guarded(() => reader(piece, isLast), this, this.#serving.doors);
    else this.#gather(reader, piece, isLast);
  }

  /** Whether the memory of all bodies has room for these bytes. If not, the request is refused. */
  #mayKeep(bytes: number): boolean {
    const { doors } = this.#serving;
    if (!doors.bodyMemory) return true;
    const kept = (this.#kept ??= new HeldBody(doors.bodyMemory, this.clusterId));
    const refusal = kept.take(bytes);
    if (!refusal) return true;
    this.#reader = undefined;
    this.#collector = undefined;
    guardedRefusal(refusal, this, doors);
    // A reply that has begun can no longer report this.
    if (this.#state === 'streaming') this.#response.close();
    return false;
  }

  /** Passes on a body that came in one piece, as nearly all do, without a collector. */
  #gather(taker: BodyTaker, piece: Uint8Array, isLast: boolean): void {
    const isKept = !(isLast && taker.lends && !this.#collector);
    if (isKept && !this.#mayKeep(piece.length)) return;
    let body: Uint8Array | undefined;
    let isWithinLimit: boolean;
    if (isLast && !this.#collector) {
      isWithinLimit = piece.length <= taker.limitBytes;
      if (isWithinLimit) body = taker.lends ? piece : ownBytes(piece);
    } else {
      this.#collector ??= new BodyCollector(taker.limitBytes, this.declaredBytes);
      isWithinLimit = this.#collector.push(piece, isLast);
      if (isWithinLimit && isLast) body = this.#collector.body();
    }
    if (isWithinLimit && body === undefined) return;
    this.#reader = undefined;
    this.#collector = undefined;
    if (body === undefined) guarded(taker.onTooLarge, this, this.#serving.doors);
    else guardedBody(taker.onBody, body, this, this.#serving.doors);
  }

  #pause(): void {
    if (this.#paused || this.#bodyComplete || this.#state === 'done' || this.#state === 'aborted') return;
    this.#paused = true;
    this.#response.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#state !== 'done' && this.#state !== 'aborted') this.#response.resume();
  }

  // --- Reply ---

  reply(status: number, headers: HeaderList, body?: string | Uint8Array): void {
    if (this.#state !== 'open') return;
    assertHeadersOnce(headers);
    this.#replied(status);
    this.#backlog = noBacklog;
    this.#kept?.giveAll();
    if (this.#isHopeless) {
      this.#send(status, headers, body, true);
    } else if (this.#bodyComplete) {
      // The whole body may have come while nobody read it. The connection is then still paused and would never receive its
      // next request.
      this.#resume();
      this.#send(status, headers, body, this.#serving.closing);
    } else if (this.declaredBytes !== undefined) {
      this.#resume();
      if (this.#leftIsTooMuch()) this.#linger(status, headers, body);
      else this.#send(status, headers, body, this.#serving.closing);
    } else {
      // A chunked body has no announced end. Replying now would leave no handle to cut an endless one, and cutting at once
      // would often destroy the reply. So the reply waits until the body ends or has had its chance.
      this.#state = 'held';
      this.#held = { status, headers, body };
      if (this.#inHandler) this.#listen();
      this.#resume();
    }
  }

  #leftIsTooMuch(): boolean {
    return (this.declaredBytes ?? 0) - this.#receivedBytes > this.#serving.settings.discardBytesMax;
  }

  #sendHeld(): void {
    const held = this.#held;
    const isHopeless = this.#heldBytes > this.#serving.settings.discardBytesMax;
    if (!held || !(this.#bodyComplete || isHopeless)) return;
    this.#held = undefined;
    if (isHopeless) this.#linger(held.status, held.headers, held.body);
    else this.#send(held.status, held.headers, held.body, this.#serving.closing);
  }

  /**
   * If its connection closes while it still sends, a client sees a reset, often before it has read the reply. So the reply
   * leaves at once, and the connection stays open for twice as much of the body as is otherwise discarded. uWS writes a
   * status unchecked, so it carries the whole reply: after uWS's own end there would be no handle to close the connection.
   */
  #linger(status: number, headers: HeaderList, body: string | Uint8Array | undefined): void {
    if (typeof body !== 'string' || this.method === 'HEAD') {
      this.#send(status, headers, body, true);
      return;
    }
    this.#state = 'lingering';
    if (this.#inHandler) this.#listen();
    this.#reader = undefined;
    this.#heldBytes = 0;
    // uWS ends a status with a line break, which JSON allows after its end.
    const lineBreakBytes = 2;
    const head = `${headText(status, headers)}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body) + lineBreakBytes}`;
    this.#response.cork(() => this.#response.writeStatus(`${head}\r\n\r\n${body}`));
    this.#serving.clock.after(lingerMs, () => this.#endLinger(true), 'background');
  }

  #endLinger(isTimeOver: boolean): void {
    if (this.#state !== 'lingering') return;
    const bytesMax = this.#serving.settings.discardBytesMax * 2;
    if (!isTimeOver && !this.#bodyComplete && this.#heldBytes <= bytesMax) return;
    this.#state = 'done';
    this.#response.close();
  }

  #endHeld(): void {
    if (this.#bodyComplete) {
      this.#state = 'done';
      this.#response.cork(() => this.#response.end(undefined, false));
    } else if (this.#heldBytes > this.#serving.settings.discardBytesMax) this.#response.close();
  }

  #send(status: number, headers: HeaderList, body: string | Uint8Array | undefined, close: boolean): void {
    this.#state = 'done';
    this.#reader = undefined;
    sendReply(this.#response, status, headers, body, close, this.method === 'HEAD');
  }

  #replied(status: number): void {
    const { doors, turn } = this.#serving;
    doors.replied?.(status, this.#match.route, turn.nowMs() - this.#receivedMs);
  }

  startStream(status: number, headers: HeaderList): ReplyStream {
    if (this.#state !== 'open') return deadStream;
    assertHeaders(headers);
    this.#replied(status);
    if (this.method === 'HEAD' || isBodiless(status)) {
      this.#resume();
      this.#kept?.giveAll();
      this.#state = 'done';
      this.#response.cork(() => {
        this.#writeHead(status, headers);
        endHead(this.#response, this.#serving.closing);
      });
      return deadStream;
    }
    this.#state = 'streaming';
    this.#response.cork(() => this.#writeHead(status, headers));
    return this.#stream();
  }

  #writeHead(status: number, headers: HeaderList): void {
    this.#response.writeStatus(statusLine(status));
    for (const [name, value] of headers) this.#response.writeHeader(name, value);
  }

  #stream(): ReplyStream {
    const response = this.#response;
    const body = new UwsStream(response);
    let onDrain: (() => void) | undefined;
    response.onWritable(() => {
      if (body.writable() && onDrain && this.#state === 'streaming') guarded(onDrain, this, this.#serving.doors);
      return true;
    });
    return {
      write: (chunk) => {
        if (this.#state !== 'streaming') return false;
        const wasFree = body.waitingBytes === 0;
        const isFree = body.write(chunk);
        if (!wasFree && body.waitingBytes > this.#serving.settings.streamBufferedBytesMax) response.close();
        return isFree;
      },
      onDrain: (run) => {
        onDrain = run;
      },
      end: () => {
        if (this.#state !== 'streaming') return;
        this.#reader = undefined;
        this.#kept?.giveAll();
        // If asked to close the connection here, uWS would write the header for it into the body. So while the body
        // continues, only the end of the reply waits (all else has left), and the connection is cut when the body does not
        // end soon.
        const isOver = this.#bodyComplete || (this.declaredBytes !== undefined && !this.#leftIsTooMuch());
        this.#state = isOver ? 'done' : 'ending';
        if (this.#inHandler && !isOver) this.#listen();
        this.#resume();
        body.giveRest();
        if (isOver) response.cork(() => response.end(undefined, false));
      },
    };
  }
}

const noBytes = new Uint8Array(0);
const noBacklog: readonly Buffer[] = [];

/** For clients that are gone or that asked only for the head. */
const deadStream: ReplyStream = { write: () => false, onDrain: () => {}, end: () => {} };
