/**
 * One WebSocket: commands in, events out. Several subscriptions and any number of produce commands share it.
 *
 * Order: produce commands are stored in the order they arrived (and answered as they are stored). The other commands run
 * one after another, so that a credit sent after a subscribe finds its subscription. The two kinds do not wait for each
 * other. All are taken up in their cluster's share of a turn (fair-turns.ts).
 *
 * Life:  open → leaving (goaway sent: nothing new, commands in flight are answered) → closed;   open → closed
 */
import { isUtf8 } from 'node:buffer';
import type { TopicEntry } from '../../engine/engine.ts';
import { assert } from '../../engine/kernel/assert.ts';
import { below } from '../../engine/kernel/random.ts';
import { Failure, InvalidRequest, Overloaded, ShuttingDown } from '../../engine/kernel/failure.ts';
import { AlreadyExists, NotFound, QuotaExceeded } from '../../tenancy/failures.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { problemOf } from '../http/failures.ts';
import type { WebSocketPeer, WebSocketSession } from '../http/servers/server.ts';
import { admitBeside, admitRequest } from '../operations/admit.ts';
import { isTooHeavyJson } from '../operations/json-weight.ts';
import { hasLongNumbers, parseKeepingFewNumbers, TooManyLongNumbers } from '../operations/long-numbers.ts';
import { type ReaderStart, startReader } from '../operations/reader-start.ts';
import { type PlainProduce, scanProduce } from '../operations/scan-records.ts';
import { findTopic } from '../operations/topics.ts';
import { requestsBeside } from '../weight.ts';
import { type CloseCode, closeCodes } from './close-codes.ts';
import { type Command, type CommandId, commandId, commandOf, type SubscribeCommand } from './commands.ts';
import { Feed, type FeedHost } from './feed.ts';
import { Inbox } from './inbox.ts';
import { Outbox, type OutboxOwner } from './outbox.ts';
import { type LaneHolder, ProduceLane } from './produce-lane.ts';
import type { SessionParts } from './session-parts.ts';
import type { SharedFrames } from './shared-frames.ts';

/** Commands that wait for an earlier one. */
const commandsWaitingMax = 1_000;

/** Up to this size messages are counted as small work (fair-turns.ts). */
const largeMessageBytesMin = 16 * 1024;

const noFeeds: readonly Feed[] = [];

export class Session implements WebSocketSession, FeedHost, LaneHolder, OutboxOwner {
  readonly #parts: SessionParts;
  readonly context: GatewayContext;
  readonly principal: Principal;
  readonly isBinary: boolean;
  readonly #onClosed: (session: Session) => void;
  /** At most subscriptionsMax, and nearly always one. */
  #feeds: readonly Feed[] = noFeeds;
  #peer: WebSocketPeer | undefined;
  #outbox: Outbox | undefined;
  /** Created with the first produce command. */
  #lane: ProduceLane | undefined;
  /** Created with the first message that has to wait. */
  #inbox: Inbox | undefined;
  #waiting = 0;
  /** The last of the commands in flight. */
  #last: Promise<void> | undefined;
  #isLeaving = false;
  #closed = false;

  constructor(parts: SessionParts, principal: Principal, isBinary: boolean, onClosed: (session: Session) => void) {
    this.#parts = parts;
    this.context = parts.context;
    this.principal = principal;
    this.isBinary = isBinary;
    this.#onClosed = onClosed;
  }

  opened(peer: WebSocketPeer): void {
    const { settings, flushes } = this.#parts;
    this.#peer = peer;
    this.#outbox = new Outbox(peer, flushes, settings, this);
  }

  get outbox(): Outbox {
    assert(this.#outbox !== undefined, 'a session that is fed has been opened');
    return this.#outbox;
  }

  get frames(): SharedFrames {
    return this.#parts.frames;
  }

  get lane(): ProduceLane {
    return (this.#lane ??= new ProduceLane(this.#parts, this.principal, this));
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  overflowed(): void {
    this.close(closeCodes.slowConsumer);
  }

  answer(text: string): void {
    this.#outbox?.send(text);
  }

  failed(error: unknown, id: CommandId | undefined): void {
    this.#fail(error, id);
  }

  feedEnded(sub: number): void {
    this.#feeds = this.#feeds.filter((feed) => feed.sub !== sub);
  }

  message(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    this.context.traffic.requests.websocket++;
    const { turn } = this.#parts;
    const { turns } = this.context;
    const { clusterId } = this.principal;
    const isSmall = data.length < largeMessageBytesMin;
    const mayTake = isSmall ? turns.mayBeginSmall(clusterId, turn.nowMs()) : !turns.mustWait(clusterId);
    if (!mayTake || this.#waitingMessages > 0) {
      this.#inbox ??= new Inbox(this.#parts, clusterId, (waited, wasBinary) => this.#handleLater(waited, wasBinary));
      if (this.#inbox.tryTake(data, isBinary)) return;
      const refusal = new Overloaded('too many messages are waiting: wait for answers before sending more');
      turns.timed(clusterId, () => this.#handle(data, isBinary, refusal));
    } else if (isSmall) this.#handle(data, isBinary);
    else turns.timed(clusterId, () => this.#handle(data, isBinary));
  }

  get #waitingMessages(): number {
    return this.#inbox?.length ?? 0;
  }

  /** `refusal`: why nothing is done, except that the client is told. */
  #handle(data: Buffer, isBinary: boolean, refusal?: Failure): void {
    if (isBinary) this.lane.takeFrame(data, refusal);
    else this.#take(data, refusal);
  }

  /** In a turn of ours, whose errors nobody else would see. */
  #handleLater(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    try {
      this.#handle(data, isBinary);
    } catch (error) {
      this.#fail(error, undefined);
    }
  }

  drained(): void {
    this.#outbox?.drained();
  }

  ponged(): void {}

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const feed of this.#feeds) feed.close();
    this.#feeds = noFeeds;
    this.#inbox?.close();
    this.#outbox?.close();
    this.#onClosed(this);
  }

  close({ code, reason }: CloseCode): void {
    this.#outbox?.flush();
    this.#peer?.close(code, reason);
  }

  /** Answers that the client is still waiting for. */
  get underWay(): number {
    return this.#waitingMessages + (this.#lane?.underWay ?? 0);
  }

  /** Tells the client to reconnect elsewhere and takes no more commands; feeds stop where their cursors say. */
  leave(): void {
    if (this.#isLeaving || this.#closed) return;
    this.#isLeaving = true;
    const feeds = this.#feeds.map((feed) => ({ sub: feed.sub, cursor: feed.cursor() }));
    for (const feed of this.#feeds) feed.close();
    this.#feeds = noFeeds;
    const reconnectAfterMs = below(this.context.random, this.#parts.settings.reconnectAfterMsMax);
    this.#send({ event: 'goaway', reconnect_after_ms: reconnectAfterMs, subs: feeds });
  }

  #send(event: Readonly<Record<string, unknown>>): void {
    this.#outbox?.send(JSON.stringify(event));
  }

  #take(data: Buffer, refusal: Failure | undefined): void {
    const plain = scanProduce(data, this.context.settings.produceRecordsMax);
    if (plain) {
      this.#takePlain(plain, data.length, refusal);
      return;
    }
    if (isTooHeavyJson(data)) {
      this.close(closeCodes.tooManyValues);
      return;
    }
    let fields: unknown;
    try {
      fields = isUtf8(data) ? parseCommand(data.toString()) : undefined;
    } catch (error) {
      if (error instanceof TooManyLongNumbers) {
        this.close(closeCodes.tooManyValues);
        return;
      }
      fields = undefined;
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      this.close(closeCodes.malformed);
      return;
    }
    let id: CommandId | undefined;
    try {
      id = commandId(fields as Record<string, unknown>);
      if (refusal) throw refusal;
      const command = commandOf(fields as Record<string, unknown>);
      this.#admit();
      if (command.op === 'produce') this.lane.take(command, id, data.length);
      else this.#enqueue(command, id);
    } catch (error) {
      this.#fail(error, id);
    }
  }

  #takePlain({ topic, records, id }: PlainProduce, bytes: number, refusal: Failure | undefined): void {
    try {
      if (refusal) throw refusal;
      this.#admit();
      this.lane.store(topic, records, id, bytes);
    } catch (error) {
      this.#fail(error, id);
    }
  }

  #admit(): void {
    this.#refuseIfLeaving();
    admitRequest(this.context, this.principal, this.#parts.turn.nowMs());
  }

  #refuseIfLeaving(): void {
    if (this.#isLeaving) throw new ShuttingDown('this gateway is stopping');
  }

  #enqueue(command: Exclude<Command, { op: 'produce' }>, id: CommandId | undefined): void {
    if (this.#waiting >= commandsWaitingMax)
      throw new Overloaded(
        `more than ${commandsWaitingMax} commands are waiting: wait for answers before sending more`,
      );
    this.#waiting++;
    const last = (this.#last ?? Promise.resolve())
      .then(() => this.#inTurn(() => this.#run(command, id)))
      .catch((error: unknown) => this.#fail(error, id, 'sub' in command ? command.sub : undefined))
      .finally(() => {
        this.#waiting--;
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
  }

  #inTurn<T>(work: () => T | Promise<T>): T | Promise<T> | undefined {
    return this.#closed ? undefined : this.context.turns.goOn(this.principal.clusterId, work);
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
        this.feedEnded(command.sub);
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
      records_max: this.context.settings.produceRecordsMax,
    };
    this.#send({
      event: 'ok',
      ...(id === undefined ? {} : { id }),
      protocol: this.isBinary ? 'headgate.v1.bin' : 'headgate.v1.json',
      limits,
    });
  }

  async #pong(id: CommandId | undefined): Promise<void> {
    // Asks where each of its partitions ends.
    const partitions = this.#feeds.reduce((sum, feed) => sum + feed.positions().length, 0);
    admitBeside(this.context, this.principal, requestsBeside(partitions));
    const subs = [];
    for (const feed of this.#feeds) {
      subs.push(await this.#inTurn(async () => ({ sub: feed.sub, cursor: feed.cursor(), lag: await feed.lag() })));
    }
    this.#send({ event: 'pong', ...(id === undefined ? {} : { id }), subs });
  }

  async #subscribe(command: SubscribeCommand, id: CommandId | undefined): Promise<void> {
    const { settings } = this.#parts;
    const { sub, topic: name } = command;
    if (this.#feedOf(sub)) throw new AlreadyExists('subscription', String(sub));
    if (this.#feeds.length >= settings.subscriptionsMax) {
      throw new InvalidRequest('sub', `a socket can have at most ${settings.subscriptionsMax} subscriptions`);
    }
    const topic = findTopic(this.context, this.principal, name);
    if (!topic) throw new NotFound('topic', name);
    const start = await startReader(this.context, this.principal, topic, command);
    // The answers to many subscribes may have arrived together.
    await this.#inTurn(() => this.#startFeed(topic, start, command, id));
  }

  #startFeed(topic: TopicEntry, start: ReaderStart, command: SubscribeCommand, id: CommandId | undefined): void {
    // During the wait the socket may have closed, or the gateway may have stopped serving it.
    if (this.#closed) return;
    this.#refuseIfLeaving();
    const feed = new Feed(this, topic, start, command);
    this.#feeds = [...this.#feeds, feed];
    this.#ok(id, { sub: command.sub, cursor: feed.cursor(), positions: feed.positions() });
    feed.start();
  }

  #feed(sub: number): Feed {
    const feed = this.#feedOf(sub);
    if (!feed) throw new NotFound('subscription', String(sub));
    return feed;
  }

  #feedOf(sub: number): Feed | undefined {
    return this.#feeds.find((feed) => feed.sub === sub);
  }

  mayServe(): boolean {
    if (this.context.tenancy.cluster(this.principal.clusterId)?.state === 'serving') return true;
    this.close(closeCodes.forbidden);
    return false;
  }

  #fail(error: unknown, id: CommandId | undefined, sub?: number): void {
    const answer = problemOf(error);
    this.context.traffic.refused('websocket', answer.code);
    if (error instanceof QuotaExceeded) this.context.traffic.limited('websocket', error.quota);
    if (!(error instanceof Failure)) {
      this.context.log('websocket-command-failed', {
        keyId: this.principal.keyId,
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
    const named = { ...(id === undefined ? {} : { id }), ...(sub === undefined ? {} : { sub }) };
    this.#send({ event: 'error', ...named, error: answer });
    if (answer.code === 'forbidden') this.close(closeCodes.forbidden);
    // A bug may have left the session in any state: the client is better off with a new one.
    if (answer.code === 'internal') this.close(closeCodes.internal);
  }
}

/** Numbers within records keep their digits; those of the command itself, including its id, are doubles. */
function parseCommand(text: string): unknown {
  const fields = JSON.parse(text) as Record<string, unknown> | null;
  if (fields?.['op'] !== 'produce' || !hasLongNumbers(text)) return fields;
  const { records } = parseKeepingFewNumbers(text) as { readonly records?: unknown };
  return { ...fields, records };
}
