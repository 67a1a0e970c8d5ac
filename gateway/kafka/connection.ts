/**
 * One client's connection: bytes in, frames through in-order.ts, answers out. The socket is read only while the next
 * request could start. TCP back-pressure thus slows a client that sends faster than it is served, reads slower than it is
 * answered, or is over its quota; we buffer nothing for it.
 *
 * Most connections are idle most of the time. State that only some need (a fetch session, a cancellation, a throttle) is
 * created on first use, and methods replace closures, which would be objects of each connection.
 */
import type { Socket } from 'node:net';
import { Cancellation } from '../../engine/kernel/cancellation.ts';
import type { Timer } from '../../engine/kernel/clock.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { dropAll, framePool } from '../../engine/kernel/frame-pool.ts';
import { writeCorked } from '../../engine/kernel/write-corked.ts';
import { FrameReader, type FrameTaker } from '../../engine/protocol/frame-reader.ts';
import type { ClusterLimits, Principal } from '../../tenancy/tenancy.ts';
import type { Door } from './api.ts';
import { besideOf, type Caller, dispatch, type Dispatched } from './dispatch.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { type Answer, InOrder, type Pipelined } from './in-order.ts';
import { countedBytes } from './receive-budget.ts';
import { Login, type LoginEvents, type LoginResult } from './session.ts';
import { Throttle } from './throttle.ts';

export interface ConnectionEvents {
  ready(connection: KafkaConnection, principal: Principal): void;
  /** Called once, when its socket has ended. */
  closed(connection: KafkaConnection): void;
}

/**
 * Up to this size a frame's buffer is allocated at once: a batch of 1 MiB, which many clients fill, plus its surroundings.
 */
const eagerBytes = 1024 * 1024 + 64 * 1024;

const none: (() => void)[] = [];

/** All sockets share these handlers, which look up their connection here. */
const owner = Symbol('connection');
type OwnedSocket = Socket & { [owner]?: KafkaConnection };

function onDrain(this: OwnedSocket): void {
  this[owner]!.drained();
}

function onEnd(this: OwnedSocket): void {
  this[owner]!.cut();
}

export class KafkaConnection implements Caller, FrameTaker, Pipelined, LoginEvents {
  readonly door: Door;
  readonly login: Login;
  readonly clientHost: string;
  readonly socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #reader: FrameReader;
  readonly #inOrder: InOrder;
  #fetchSessions: FetchSessions | undefined;
  #throttle: Throttle | undefined;
  #ending: Cancellation | undefined;
  #isEnding = false;
  readonly #openedAtMs: number;
  #activeAtMs: number;
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  #sent: (() => void)[] = none;
  /** From the door's receive budget: frames that are arriving and frames not answered yet. */
  #chargedBytes = 0;
  #flushing = false;
  #reading = true;
  #draining = false;
  /** A request waits for its cluster's share of a turn (fair-turns.ts). */
  #awaitsTurn = false;
  /** Nothing more is read, started or answered. */
  #closed = false;
  /** The socket has ended. Until then the peer may take its queued answers, and the connection counts. */
  #isGone = false;
  /** Set by the login, and kept after the login is over. */
  #clusterId = '';
  #closeTimer: Timer | undefined;

  constructor(door: Door, socket: Socket, events: ConnectionEvents) {
    const { context, settings } = door;
    this.door = door;
    this.socket = socket;
    this.#events = events;
    // A listener on '::' sees IPv4 peers as ::ffff:10.0.0.7; operators look for 10.0.0.7.
    this.clientHost = `/${(socket.remoteAddress ?? '').replace(/^::ffff:/, '')}`;
    this.#openedAtMs = context.clock.monotonicMs();
    this.#activeAtMs = this.#openedAtMs;
    this.login = new Login(context, this);
    this.#reader = new FrameReader(settings.unauthenticatedBytesMax, eagerBytes, this);
    this.#inOrder = new InOrder(settings, this);
    const owned: OwnedSocket = socket;
    owned[owner] = this;
    socket.setNoDelay(true);
    socket.on('drain', onDrain);
    socket.on('error', onEnd);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
  }

  get cancellation(): Cancellation {
    this.#ending ??= new Cancellation();
    if (this.#isEnding) this.#ending.cancel();
    return this.#ending;
  }

  get fetchSessions(): FetchSessions {
    const { context, settings } = this.door;
    return (this.#fetchSessions ??= new FetchSessions(this.#clusterId, this.door.remembered, settings, () =>
      context.random.u32(),
    ));
  }

  /** Where to receive next: into the rest of a large frame, or into (part of) `shared`, which take() copies from. */
  target(shared: Buffer): Buffer {
    return this.#reader.target(shared);
  }

  /** `length` bytes in the last target or, if none was requested, in a buffer that is reused as soon as this returns. */
  take(chunk: Uint8Array, length: number): void {
    if (this.#closed || this.login.session.state === 'closing') return;
    try {
      this.#reader.push(chunk, length);
    } catch (error) {
      this.#fail(error);
    }
    this.#update();
  }

  /** Called about every second: ends connections that never authenticate and connections that went quiet. */
  expire(nowMs: number): void {
    const { authenticationMsMax, idleMsMax } = this.door.settings;
    const isReady = this.login.session.state === 'ready';
    if (!isReady && nowMs - this.#openedAtMs > authenticationMsMax) this.cut();
    else if (this.#inOrder.isEmpty() && nowMs - this.#activeAtMs > idleMsMax) this.close();
  }

  /** Reads no more requests. Those in flight are answered, long polls at once, and then the connection closes. */
  drain(): void {
    this.#draining = true;
    this.#abort();
    this.#update();
    if (this.#inOrder.isIdle()) this.close();
  }

  /**
   * Queued answers still leave if the peer takes them in time; a peer that reads nothing would otherwise keep its socket
   * for ever.
   */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#stop();
    this.socket.destroySoon();
    const { context, settings } = this.door;
    this.#closeTimer = context.clock.after(settings.closeMsMax, () => this.cut(), 'background');
  }

  cut(): void {
    this.#stop();
    this.#gone();
    this.socket.destroy();
  }

  #stop(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeTimer?.cancel();
    this.#throttle?.cancel();
    this.#fetchSessions?.close();
    this.#abort();
    this.login.end();
    this.#outbox = [];
    this.#release(this.#chargedBytes);
  }

  #gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#closeTimer?.cancel();
    this.door.outboxBudget.paid(this, this.#clusterId);
    this.#events.closed(this);
  }

  /** Ends long polls. */
  #abort(): void {
    this.#isEnding = true;
    this.#ending?.cancel();
  }

  // --- FrameTaker ---

  /** Frames before the login are small enough to cost nothing (unauthenticatedBytesMax). */
  charge(bytes: number, frameBytes: number): void {
    if (countedBytes(frameBytes) === 0 || this.#clusterId === '') return;
    this.door.receiveBudget.take(this.#clusterId, bytes);
    this.#chargedBytes += bytes;
  }

  received(frame: Buffer): void {
    this.#activeAtMs = this.door.turn.nowMs();
    this.#inOrder.add(frame, this.#activeAtMs, besideOf(this.login, frame));
  }

  // --- Pipelined ---

  start(frame: Buffer, receivedMs: number, answer: Answer): void {
    // Before the login nobody is known whose share it could use.
    if (this.#clusterId === '') {
      this.#begin(frame, receivedMs, answer);
      return;
    }
    this.#awaitsTurn = true;
    let isLater = false;
    this.door.context.turns.begin(this.#clusterId, () => {
      this.#awaitsTurn = false;
      this.#begin(frame, receivedMs, answer);
      // In a turn of its own: the next request is work of its own.
      if (isLater) this.door.context.clock.endOfTurn(() => this.#update());
    });
    isLater = true;
    if (this.#awaitsTurn) this.#update();
  }

  #begin(frame: Buffer, receivedMs: number, answer: Answer): void {
    if (this.#closed || this.login.session.state === 'closing') return;
    let result: Promise<Dispatched> | Dispatched;
    try {
      result = dispatch(this, frame, receivedMs);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (result instanceof Promise) {
      result.then((dispatched) => this.#answer(dispatched, frame, answer)).catch((error: unknown) => this.#fail(error));
    } else this.#answer(result, frame, answer);
  }

  #release(bytes: number): void {
    const charged = Math.min(bytes, this.#chargedBytes);
    if (charged === 0) return;
    this.#chargedBytes -= charged;
    this.door.receiveBudget.give(this.#clusterId, charged);
  }

  #answer({ parts, verdict, frameIsFree, answerFrames }: Dispatched, frame: Buffer, answer: Answer): void {
    if (frameIsFree) framePool.give(frame);
    if (this.#closed) return;
    this.#release(countedBytes(frame.length));
    // Mute before the answer frees the place of the next request, which must not slip through.
    if (verdict.quota) this.#mute(verdict.delayMs, verdict.quota);
    if (answerFrames) answer(parts, () => dropAll(answerFrames));
    else answer(parts);
    this.#update();
    if (this.#draining && this.#inOrder.isIdle()) this.close();
  }

  #mute(delayMs: number, quota: keyof ClusterLimits): void {
    const { clock, tenancy } = this.door.context;
    this.#throttle ??= new Throttle(clock, () => this.#update());
    const addedMs = this.#throttle.mute(delayMs);
    if (addedMs > 0) tenancy.meter.throttled(this.#clusterId, quota, addedMs);
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    const { log } = this.door.context;
    const { session } = this.login;
    const where = { host: this.clientHost, cluster: session.state === 'ready' ? session.principal.clusterId : '' };
    if (error instanceof Failure)
      log('kafka-connection-refused', { ...where, code: error.code, reason: error.message });
    else log('kafka-request-bug', { ...where, error: error instanceof Error ? (error.stack ?? error.message) : '' });
    this.close();
  }

  // --- LoginEvents ---

  ready(principal: Principal): void {
    this.#reader.frameBytesMax = this.door.settings.requestBytesMax;
    this.#clusterId = principal.clusterId;
    this.#events.ready(this, principal);
  }

  refused(result: LoginResult): void {
    const { context, settings } = this.door;
    if (!result.ok) context.log('kafka-authentication-refused', { host: this.clientHost, reason: result.message });
    this.#closeTimer = context.clock.after(settings.refusedCloseDelayMs, () => this.close(), 'background');
    this.#update();
  }

  /** The peer has taken the answers queued for it. */
  drained(): void {
    this.door.outboxBudget.paid(this, this.#clusterId);
    this.#update();
  }

  /** Decides whether requests may start and whether the socket is read. */
  #update(): void {
    if (this.#closed) return;
    const isBehind = this.#outboxBytes + this.socket.writableLength > this.door.settings.outboxBytesMax;
    this.#inOrder.hold(this.#throttle?.isMuted === true || isBehind || this.#draining || this.#awaitsTurn);
    const reading = !this.#inOrder.isFull() && this.login.session.state !== 'closing';
    if (reading === this.#reading) return;
    this.#reading = reading;
    if (reading) this.socket.resume();
    else this.socket.pause();
  }

  send(parts: readonly Uint8Array[], sent: (() => void) | undefined): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const prefix = Buffer.allocUnsafe(4);
    prefix.writeInt32BE(bytes);
    this.#outbox.push(prefix, ...parts);
    this.#outboxBytes += bytes + 4;
    if (sent) {
      if (this.#sent === none) this.#sent = [sent];
      else this.#sent.push(sent);
    }
    if (this.#flushing) return;
    this.#flushing = true;
    this.door.context.clock.endOfTurn(() => this.#flush());
  }

  /** Sends all answers of a turn in one write, which costs the same as sending one. */
  #flush(): void {
    this.#flushing = false;
    if (this.#outbox.length === 0 || this.#closed) return;
    const outbox = this.#outbox;
    this.#outbox = [];
    this.#outboxBytes = 0;
    const sent = this.#sent;
    this.#sent = none;
    writeCorked(this.socket, outbox, sent);
    if (this.socket.writableNeedDrain) this.door.outboxBudget.owe(this, this.#clusterId, this.socket.writableLength);
    this.#update();
  }
}
