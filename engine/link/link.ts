/**
 * The gateway's side of a link: a pipelined client of the Kafka protocol over one FrameChannel. Requests carry correlation
 * ids and answers may come in any order, so a long poll does not hold up the requests sent after it.
 *
 * When the connection ends, every outstanding request fails in the order in which it was sent. That order lets the router
 * put appends back in their places; `LinkClosed.sent` says whether the request may have taken effect.
 *
 * Bounds: at most `inFlightMax` requests wait for answers. Requests beyond that, or sent while the channel holds more than
 * `bufferedBytesMax`, are queued here up to `queuedBytesMax`; beyond that they are refused as Overloaded. A peer that
 * leaves a request unanswered for longer than the request allows counts as hung, and the link closes: a caller that has
 * given up could not tell a late answer from a wrong one.
 */
import { assert } from '../kernel/assert.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Overloaded } from '../kernel/failure.ts';
import { type FrameChannel, type FrameHandler, LinkClosed, type Network } from '../ports.ts';
import type { ApiKey, RequestOf, ResponseOf } from '../protocol/apis.ts';
import { MalformedFrame } from '../protocol/malformed-frame.ts';
import { decodeCorrelationId, decodeResponse, encodeRequest } from '../protocol/headers.ts';

export interface LinkSettings {
  readonly inFlightMax: number;
  /** While the channel holds more bytes than this, further requests wait here. */
  readonly bufferedBytesMax: number;
  readonly queuedBytesMax: number;
  /** Silence that is allowed beyond the time that a request itself asks for. */
  readonly answerMsMax: number;
}

export const linkDefaults: LinkSettings = {
  inFlightMax: 65_536,
  bufferedBytesMax: 16 * 1024 * 1024,
  queuedBytesMax: 64 * 1024 * 1024,
  answerMsMax: 15_000,
};

/** Exactly one of the two is called, in a later turn than the send; at once when the link is closed. */
export interface Reply<K extends ApiKey> {
  /** Byte fields are views of `frame`. Code that knows that nothing reads it any more may give it to the frame pool. */
  answered(response: ResponseOf<K>, frame: Buffer): void;
  failed(failure: LinkClosed | Overloaded): void;
}

export interface SendOptions {
  readonly clientId?: string;
  /** How long the request itself allows the broker to hold it: a poll's wait, a rebalance. */
  readonly waitMs?: number;
}

interface Outstanding {
  readonly correlationId: number;
  readonly key: ApiKey;
  readonly version: number;
  /**
   * Undefined once answered. When a Map grows or drops holes, its former table keeps pointing at its entries and at the
   * next table. Once one such table is in the old generation, V8's scavenges keep everything that hangs on the chain.
   */
  reply: Reply<ApiKey> | undefined;
  readonly allowedMs: number;
  /** When the sweep first saw it: one clock read per sweep instead of one per request. */
  metMs: number;
  parts: readonly Uint8Array[];
  readonly bytes: number;
}

const sweepIntervalMs = 1000;
const correlationIdMax = 0x7fff_fffe;

export class Link implements FrameHandler {
  readonly address: string;
  readonly #clock: Clock;
  readonly #settings: LinkSettings;
  readonly #onClosed: (link: Link) => void;
  #channel: FrameChannel | undefined;
  /** In send order, because a Map keeps the order of insertion. */
  readonly #inFlight = new Map<number, Outstanding>();
  #queue: Outstanding[] = [];
  #queuedBytes = 0;
  #correlationId = 0;
  #closed = false;
  #sweep: Timer | undefined;
  #roomListeners: (() => void)[] = [];

  private constructor(address: string, clock: Clock, settings: LinkSettings, onClosed: (link: Link) => void) {
    this.address = address;
    this.#clock = clock;
    this.#settings = settings;
    this.#onClosed = onClosed;
  }

  /** Throws LinkClosed when nobody listens. `onClosed` is called once, after all outstanding requests have failed. */
  static async open(
    network: Network,
    address: string,
    clock: Clock,
    settings: LinkSettings,
    onClosed: (link: Link) => void = () => undefined,
    isBulk = false,
  ): Promise<Link> {
    const link = new Link(address, clock, settings, onClosed);
    const channel = await network.connect(address, link, isBulk);
    // The connection may have ended while connect() was returning it.
    if (link.#closed) throw new LinkClosed(`link to ${address} closed`, false);
    link.#channel = channel;
    return link;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether a request would be sent at once instead of being queued here. */
  hasRoom(): boolean {
    const { inFlightMax, bufferedBytesMax } = this.#settings;
    return (
      !this.#closed &&
      this.#queue.length === 0 &&
      this.#inFlight.size < inFlightMax &&
      this.#channel!.bufferedBytes() < bufferedBytesMax
    );
  }

  /** Calls back once, when there is room again or the link has closed. */
  onRoom(listener: () => void): void {
    this.#roomListeners.push(listener);
  }

  /** Record batches in `request` must not change before the reply. Throws UnsupportedVersion. */
  send<K extends ApiKey>(
    key: K,
    version: number,
    request: RequestOf<K>,
    reply: Reply<K>,
    options: SendOptions = {},
  ): void {
    if (this.#closed) return reply.failed(new LinkClosed(`link to ${this.address} is closed`, false));
    const correlationId = this.#correlationId;
    this.#correlationId = correlationId >= correlationIdMax ? 0 : correlationId + 1;
    const parts = encodeRequest(key, version, correlationId, options.clientId ?? '', request);
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const outstanding: Outstanding = {
      correlationId,
      key,
      version,
      // The answer is decoded with the same key, so the reply gets the type it expects.
      reply: reply as Reply<ApiKey>,
      allowedMs: (options.waitMs ?? 0) + this.#settings.answerMsMax,
      metMs: -1,
      parts,
      bytes,
    };
    if (this.hasRoom()) return this.#transmit(outstanding);
    if (this.#queuedBytes + bytes > this.#settings.queuedBytesMax) {
      return reply.failed(new Overloaded(`${this.#queuedBytes} bytes wait for the link to ${this.address}`));
    }
    this.#queue.push(outstanding);
    this.#queuedBytes += bytes;
  }

  /** Like send. Throws LinkClosed and Overloaded. */
  request<K extends ApiKey>(
    key: K,
    version: number,
    request: RequestOf<K>,
    options: SendOptions = {},
  ): Promise<ResponseOf<K>> {
    return new Promise((resolve, reject) => {
      this.send(key, version, request, { answered: resolve, failed: reject }, options);
    });
  }

  close(): void {
    this.#channel?.close();
    this.closed();
  }

  // --- FrameHandler ---

  frame(frame: Buffer): void {
    if (this.#closed) return;
    let outstanding: Outstanding | undefined;
    let response: ResponseOf<ApiKey>;
    try {
      outstanding = this.#inFlight.get(decodeCorrelationId(frame));
      // The peer answered a request that was never sent. It has lost count, and none of its answers can be matched any
      // more.
      if (!outstanding) return this.close();
      response = decodeResponse(outstanding.key, outstanding.version, frame);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      // The request is still outstanding and fails with the others.
      return this.close();
    }
    this.#inFlight.delete(outstanding.correlationId);
    const { reply } = outstanding;
    outstanding.reply = undefined;
    reply!.answered(response, frame);
    if (this.#queue.length > 0 || this.#roomListeners.length > 0) this.#pump();
  }

  drained(): void {
    this.#pump();
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep?.cancel();
    const inFlight = [...this.#inFlight.values()];
    const queue = this.#queue;
    this.#inFlight.clear();
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const each of inFlight) each.reply!.failed(new LinkClosed(`link to ${this.address} closed`));
    for (const each of queue) each.reply!.failed(new LinkClosed(`link to ${this.address} closed`, false));
    this.#onClosed(this);
    this.#tellRoom();
  }

  #transmit(outstanding: Outstanding): void {
    assert(!this.#inFlight.has(outstanding.correlationId), 'correlation ids in flight are unique');
    this.#inFlight.set(outstanding.correlationId, outstanding);
    const { parts } = outstanding;
    outstanding.parts = [];
    this.#channel!.send(parts);
    this.#sweep ??= this.#clock.after(sweepIntervalMs, () => this.#closeWhenHung(), 'background');
  }

  #pump(): void {
    const { inFlightMax, bufferedBytesMax } = this.#settings;
    let sent = 0;
    while (
      !this.#closed &&
      sent < this.#queue.length &&
      this.#inFlight.size < inFlightMax &&
      this.#channel!.bufferedBytes() < bufferedBytesMax
    ) {
      const next = this.#queue[sent++]!;
      this.#queuedBytes -= next.bytes;
      this.#transmit(next);
    }
    if (sent > 0) this.#queue = this.#queue.slice(sent);
    if (this.#roomListeners.length > 0 && this.hasRoom()) this.#tellRoom();
  }

  #tellRoom(): void {
    const listeners = this.#roomListeners;
    this.#roomListeners = [];
    for (const listener of listeners) listener();
  }

  #closeWhenHung(): void {
    this.#sweep = undefined;
    if (this.#closed || this.#inFlight.size === 0) return;
    const nowMs = this.#clock.monotonicMs();
    for (const each of this.#inFlight.values()) {
      if (each.metMs < 0) each.metMs = nowMs;
      else if (nowMs - each.metMs > each.allowedMs) return this.close();
    }
    this.#sweep = this.#clock.after(sweepIntervalMs, () => this.#closeWhenHung(), 'background');
  }
}
