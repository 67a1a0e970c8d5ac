/**
 * One client's connection: bytes in, frames through in-order.ts, answers out. The socket is read only while the next
 * request could start, so that a client that sends faster than it is served, reads slower than it is answered, or is
 * over its quota is slowed by TCP and by nothing that we buffer.
 */
import type { Socket } from 'node:net';
import type { Timer } from '../../engine/kernel/clock.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { Door } from './api.ts';
import { besideOf, type Caller, dispatch, type Dispatched } from './dispatch.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { FrameReader } from './frames.ts';
import { type Answer, InOrder } from './in-order.ts';
import { countedBytes } from './receive-budget.ts';
import { Login, type LoginResult } from './session.ts';
import { Throttle } from './throttle.ts';

export interface ConnectionEvents {
  ready(connection: KafkaConnection, principal: Principal): void;
  closed(connection: KafkaConnection): void;
}

export class KafkaConnection implements Caller {
  readonly door: Door;
  readonly login: Login;
  readonly clientHost: string;
  readonly fetchSessions: FetchSessions;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #reader: FrameReader;
  readonly #inOrder: InOrder;
  readonly #throttle: Throttle;
  readonly #ending = new AbortController();
  readonly #openedAtMs: number;
  #activeAtMs: number;
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  /** Of the door's receive budget: frames that arrive and those that are not answered. */
  #chargedBytes = 0;
  #flushing = false;
  #reading = true;
  #draining = false;
  #closed = false;
  #closeTimer: Timer | undefined;

  constructor(door: Door, socket: Socket, events: ConnectionEvents) {
    const { context, settings } = door;
    this.door = door;
    this.#socket = socket;
    this.#events = events;
    // A listener on '::' sees IPv4 peers as ::ffff:10.0.0.7; people look for 10.0.0.7.
    this.clientHost = `/${(socket.remoteAddress ?? '').replace(/^::ffff:/, '')}`;
    this.#openedAtMs = context.clock.monotonicMs();
    this.#activeAtMs = this.#openedAtMs;
    this.login = new Login(context, {
      ready: (principal) => this.#ready(principal),
      refused: (result) => this.#refused(result),
    });
    this.fetchSessions = new FetchSessions(settings.fetchSessionsMax, settings.fetchSessionPartitionsMax, () =>
      context.random.u32(),
    );
    this.#reader = new FrameReader(
      settings.unauthenticatedBytesMax,
      (frame) => this.#received(frame),
      (bytes) => {
        door.receiveBudget.take(bytes);
        this.#chargedBytes += bytes;
      },
    );
    this.#inOrder = new InOrder(
      settings,
      (frame, answer) => this.#start(frame, answer),
      (parts) => this.#send(parts),
    );
    this.#throttle = new Throttle(context.clock, () => this.#update());
    socket.setNoDelay(true);
    socket.on('drain', () => this.#update());
    socket.on('error', () => this.cut());
    socket.on('end', () => this.cut());
    socket.on('close', () => this.cut());
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Bytes of the receive buffer, which is used again as soon as this returns. */
  take(chunk: Uint8Array, length: number): void {
    if (this.#closed || this.login.session.state === 'closing') return;
    try {
      this.#reader.push(chunk, length);
    } catch (error) {
      this.#fail(error);
    }
    this.#update();
  }

  /** Called every second or so: connections that never authenticate, and those that went quiet, are ended. */
  expire(nowMs: number): void {
    const { authenticationMsMax, idleMsMax } = this.door.settings;
    const isReady = this.login.session.state === 'ready';
    if (!isReady && nowMs - this.#openedAtMs > authenticationMsMax) this.cut();
    else if (this.#inOrder.isEmpty() && nowMs - this.#activeAtMs > idleMsMax) this.close();
  }

  /** No more requests are read; those under way are answered, long polls at once, and then it closes. */
  drain(): void {
    this.#draining = true;
    this.#ending.abort();
    this.#update();
    if (this.#inOrder.isIdle()) this.close();
  }

  /** What is queued still leaves. */
  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#end();
    this.#socket.destroySoon();
  }

  cut(): void {
    this.#end();
    this.#socket.destroy();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeTimer?.cancel();
    this.#throttle.cancel();
    this.#ending.abort();
    this.login.end();
    this.#outbox = [];
    this.#release(this.#chargedBytes);
    this.#events.closed(this);
  }

  #received(frame: Buffer): void {
    this.#activeAtMs = this.door.context.clock.monotonicMs();
    this.#inOrder.add(frame, besideOf(this.login, frame));
  }

  #start(frame: Buffer, answer: Answer): void {
    if (this.#closed || this.login.session.state === 'closing') return;
    let result: Promise<Dispatched> | Dispatched;
    try {
      result = dispatch(this, frame);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (result instanceof Promise) {
      result
        .then((dispatched) => this.#answer(dispatched, frame.length, answer))
        .catch((error: unknown) => this.#fail(error));
    } else this.#answer(result, frame.length, answer);
  }

  #release(bytes: number): void {
    this.#chargedBytes -= bytes;
    this.door.receiveBudget.give(bytes);
  }

  #answer({ parts, delayMs }: Dispatched, frameBytes: number, answer: Answer): void {
    if (this.#closed) return;
    this.#release(countedBytes(frameBytes));
    // Muted before the answer frees the place of the next request: it must not slip through.
    if (delayMs > 0) this.#throttle.mute(delayMs);
    answer(parts);
    this.#update();
    if (this.#draining && this.#inOrder.isIdle()) this.close();
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

  #ready(principal: Principal): void {
    this.#reader.frameBytesMax = this.door.settings.requestBytesMax;
    this.#events.ready(this, principal);
  }

  #refused(result: LoginResult): void {
    const { context, settings } = this.door;
    if (!result.ok) context.log('kafka-authentication-refused', { host: this.clientHost, reason: result.message });
    this.#closeTimer = context.clock.after(settings.refusedCloseDelayMs, () => this.close(), 'background');
    this.#update();
  }

  /** Whether requests may start, and whether the socket is read. */
  #update(): void {
    if (this.#closed) return;
    const isBehind = this.#outboxBytes + this.#socket.writableLength > this.door.settings.outboxBytesMax;
    this.#inOrder.hold(this.#throttle.isMuted || isBehind || this.#draining);
    const reading = !this.#inOrder.isFull() && this.login.session.state !== 'closing';
    if (reading === this.#reading) return;
    this.#reading = reading;
    if (reading) this.#socket.resume();
    else this.#socket.pause();
  }

  #send(parts: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const prefix = Buffer.allocUnsafe(4);
    prefix.writeInt32BE(bytes);
    this.#outbox.push(prefix, ...parts);
    this.#outboxBytes += bytes + 4;
    if (this.#flushing) return;
    this.#flushing = true;
    this.door.context.clock.endOfTurn(() => this.#flush());
  }

  /** All answers of a turn in one write: it costs the same as one of them. */
  #flush(): void {
    this.#flushing = false;
    if (this.#outbox.length === 0 || this.#closed) return;
    const outbox = this.#outbox;
    this.#outbox = [];
    this.#outboxBytes = 0;
    this.#socket.cork();
    for (const part of outbox) this.#socket.write(part);
    this.#socket.uncork();
    this.#update();
  }
}
