/**
 * One WebSocket: commands in, events out. Several subscriptions and any number of produce commands share it.
 *
 * Order: produce commands are stored in the order they came (and answered as they are stored). The other commands run one
 * after another, so that a credit sent behind a subscribe finds its subscription. The two kinds do not wait for each other.
 *
 * Life:  open → leaving (goaway sent: nothing new, what is under way is answered) → closed;   open → closed
 */
import { isUtf8 } from 'node:buffer';
import { below } from '../../engine/kernel/random.ts';
import { Failure, InvalidRequest, Overloaded, ShuttingDown } from '../../engine/kernel/failure.ts';
import { AlreadyExists, NotFound } from '../../tenancy/failures.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { problemOf } from '../http/failures.ts';
import type { WebSocketPeer, WebSocketSession } from '../http/server.ts';
import { admitRequest } from '../operations/admit.ts';
import { startReader } from '../operations/reader-start.ts';
import { findTopic } from '../operations/topics.ts';
import { type CloseCode, closeCodes } from './close-codes.ts';
import { type Command, type CommandId, commandId, commandOf, type SubscribeCommand } from './commands.ts';
import { Feed } from './feed.ts';
import { Outbox } from './outbox.ts';
import { ProduceLane } from './produce-lane.ts';
import type { SessionParts } from './session-parts.ts';

/** Commands that wait for the one before them. */
const commandsWaitingMax = 1_000;

export class Session implements WebSocketSession {
  readonly #parts: SessionParts;
  readonly #context: GatewayContext;
  readonly #principal: Principal;
  readonly #isBinary: boolean;
  readonly #onClosed: (session: Session) => void;
  readonly #feeds = new Map<number, Feed>();
  #peer: WebSocketPeer | undefined;
  #outbox: Outbox | undefined;
  #lane: ProduceLane | undefined;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  #isLeaving = false;
  #closed = false;

  constructor(parts: SessionParts, principal: Principal, isBinary: boolean, onClosed: (session: Session) => void) {
    this.#parts = parts;
    this.#context = parts.context;
    this.#principal = principal;
    this.#isBinary = isBinary;
    this.#onClosed = onClosed;
  }

  opened(peer: WebSocketPeer): void {
    const { settings, flushes } = this.#parts;
    this.#peer = peer;
    const outbox = new Outbox(peer, flushes, settings, () => this.close(closeCodes.slowConsumer));
    this.#outbox = outbox;
    this.#lane = new ProduceLane(this.#parts, this.#principal, {
      answer: (text) => outbox.send(text),
      failed: (error, id) => this.#fail(error, id),
    });
  }

  message(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    if (isBinary) this.#lane?.takeFrame(data);
    else this.#take(data);
  }

  drained(): void {
    this.#outbox?.drained();
  }

  ponged(): void {}

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
    this.#outbox?.close();
    this.#onClosed(this);
  }

  close({ code, reason }: CloseCode): void {
    this.#outbox?.flush();
    this.#peer?.close(code, reason);
  }

  /** Answers that the client still waits for. */
  get underWay(): number {
    return this.#lane?.underWay ?? 0;
  }

  /** Tells the client to go elsewhere and takes no more commands; feeds stop where their cursors say. */
  leave(): void {
    if (this.#isLeaving || this.#closed) return;
    this.#isLeaving = true;
    const feeds = [...this.#feeds].map(([sub, feed]) => ({ sub, cursor: feed.cursor() }));
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
    const reconnectAfterMs = below(this.#context.random, this.#parts.settings.reconnectAfterMsMax);
    this.#send({ event: 'goaway', reconnect_after_ms: reconnectAfterMs, subs: feeds });
  }

  #send(event: Readonly<Record<string, unknown>>): void {
    this.#outbox?.send(JSON.stringify(event));
  }

  #take(data: Buffer): void {
    let fields: unknown;
    try {
      fields = isUtf8(data) ? JSON.parse(data.toString()) : undefined;
    } catch {
      fields = undefined;
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      this.close(closeCodes.malformed);
      return;
    }
    let id: CommandId | undefined;
    try {
      id = commandId(fields as Record<string, unknown>);
      const command = commandOf(fields as Record<string, unknown>);
      if (this.#isLeaving) throw new ShuttingDown('this gateway is stopping');
      admitRequest(this.#context, this.#principal);
      if (command.op === 'produce') this.#lane?.take(command, id, data.length);
      else this.#enqueue(command, id);
    } catch (error) {
      this.#fail(error, id);
    }
  }

  #enqueue(command: Exclude<Command, { op: 'produce' }>, id: CommandId | undefined): void {
    if (this.#waiting >= commandsWaitingMax) throw new Overloaded(`over ${commandsWaitingMax} commands are waiting`);
    this.#waiting++;
    this.#last = this.#last
      .then(() => (this.#closed ? undefined : this.#run(command, id)))
      .catch((error: unknown) => this.#fail(error, id, 'sub' in command ? command.sub : undefined))
      .finally(() => this.#waiting--);
  }

  async #run(command: Exclude<Command, { op: 'produce' }>, id: CommandId | undefined): Promise<void> {
    switch (command.op) {
      case 'hello':
        return this.#hello(id);
      case 'ping':
        return this.#pong(id);
      case 'subscribe':
        return this.#subscribe(command, id);
      case 'credit':
        this.#feed(command.sub).grant(command.credit.records, command.credit.bytes);
        return this.#ok(id, { sub: command.sub });
      case 'pause':
        this.#feed(command.sub).pause();
        return this.#ok(id, { sub: command.sub });
      case 'resume':
        this.#feed(command.sub).resume();
        return this.#ok(id, { sub: command.sub });
      case 'unsubscribe': {
        const feed = this.#feed(command.sub);
        feed.close();
        this.#feeds.delete(command.sub);
        return this.#ok(id, { sub: command.sub, cursor: feed.cursor() });
      }
    }
  }

  #ok(id: CommandId | undefined, more: Readonly<Record<string, unknown>>): void {
    if (id !== undefined) this.#send({ event: 'ok', id, ...more });
  }

  #hello(id: CommandId | undefined): void {
    const { settings, messageBytesMax } = this.#parts;
    const limits = {
      message_bytes_max: messageBytesMax,
      subscriptions_max: settings.subscriptionsMax,
      produces_in_flight_max: settings.producesInFlightMax,
      produce_bytes_in_flight_max: settings.produceBytesInFlightMax,
      records_max: this.#context.settings.produceRecordsMax,
    };
    this.#send({
      event: 'ok',
      ...(id === undefined ? {} : { id }),
      protocol: this.#isBinary ? 'headgate.v1.bin' : 'headgate.v1.json',
      limits,
    });
  }

  async #pong(id: CommandId | undefined): Promise<void> {
    const subs = [];
    for (const [sub, feed] of this.#feeds) subs.push({ sub, cursor: feed.cursor(), lag: await feed.lag() });
    this.#send({ event: 'pong', ...(id === undefined ? {} : { id }), subs });
  }

  async #subscribe(command: SubscribeCommand, id: CommandId | undefined): Promise<void> {
    const { settings } = this.#parts;
    const outbox = this.#outbox;
    if (!outbox) return;
    const { sub, topic: name } = command;
    if (this.#feeds.has(sub)) throw new AlreadyExists('subscription', String(sub));
    if (this.#feeds.size >= settings.subscriptionsMax) {
      throw new InvalidRequest('sub', `one socket has at most ${settings.subscriptionsMax} subscriptions`);
    }
    const topic = findTopic(this.#context, this.#principal, name);
    if (!topic) throw new NotFound('topic', name);
    const start = await startReader(this.#context, topic, command);
    // The wait may have outlived the socket, or the gateway's wish to serve it.
    if (this.#closed || this.#isLeaving) return;
    const around = {
      context: this.#context,
      principal: this.#principal,
      outbox,
      isBinary: this.#isBinary,
      frames: this.#parts.frames,
      frameLengthTarget: settings.frameLengthTarget,
      ended: () => void this.#feeds.delete(sub),
      mayServe: () => this.#mayServe(),
    };
    const feed = new Feed(around, topic, start, command);
    this.#feeds.set(sub, feed);
    this.#ok(id, { sub, cursor: feed.cursor(), positions: feed.positions() });
    feed.start();
  }

  #feed(sub: number): Feed {
    const feed = this.#feeds.get(sub);
    if (!feed) throw new NotFound('subscription', String(sub));
    return feed;
  }

  #mayServe(): boolean {
    if (this.#context.tenancy.cluster(this.#principal.clusterId)?.state === 'serving') return true;
    this.close(closeCodes.forbidden);
    return false;
  }

  #fail(error: unknown, id: CommandId | undefined, sub?: number): void {
    const answer = problemOf(error);
    if (!(error instanceof Failure)) {
      this.#context.log('websocket-command-failed', {
        keyId: this.#principal.keyId,
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
    const named = { ...(id === undefined ? {} : { id }), ...(sub === undefined ? {} : { sub }) };
    this.#send({ event: 'error', ...named, error: answer });
    if (answer.code === 'forbidden') this.close(closeCodes.forbidden);
    // A bug may have left the session in any state: the client does better on a fresh one.
    if (answer.code === 'internal') this.close(closeCodes.internal);
  }
}
