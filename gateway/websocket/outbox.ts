/**
 * Frames on their way to one client. The frames of an event-loop turn leave in one write. A sender of much data asks for
 * `room` first: it is refused while more than `outboxBytesResume` has not left, and granted when the socket has drained.
 * Answers to commands do not ask; a client that sends commands and reads no answers reaches `outboxBytesMax`.
 */
import type { Principal } from '../../tenancy/tenancy.ts';
import type { WebSocketPeer } from '../http/servers/server.ts';
import type { Flushes } from './flushes.ts';

export interface OutboxLimits {
  readonly outboxBytesResume: number;
  readonly outboxBytesMax: number;
}

export interface OutboxOwner {
  readonly principal: Pick<Principal, 'clusterId'>;
  /** The client is more than outboxBytesMax behind. */
  overflowed(): void;
}

interface Frame {
  readonly data: string | Uint8Array;
  readonly isBinary: boolean;
}

export class Outbox {
  readonly #peer: WebSocketPeer;
  readonly #flushes: Flushes;
  readonly #limits: OutboxLimits;
  readonly #owner: OutboxOwner;
  #frames: Frame[] = [];
  #queuedBytes = 0;
  #flushAsked = false;
  /** A send was 'buffered' and the socket has not drained since. */
  #isFull = false;
  #closed = false;
  #waiters: (() => void)[] = [];

  constructor(peer: WebSocketPeer, flushes: Flushes, limits: OutboxLimits, owner: OutboxOwner) {
    this.#peer = peer;
    this.#flushes = flushes;
    this.#limits = limits;
    this.#owner = owner;
  }

  get clusterId(): string {
    return this.#owner.principal.clusterId;
  }

  send(data: string | Uint8Array, isBinary = false): void {
    if (this.#closed) return;
    this.#frames.push({ data, isBinary });
    this.#queuedBytes += typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#flushes.add(this);
  }

  /** Undefined: there is room. Otherwise wait for it; the promise also settles when the socket closes. */
  room(): Promise<void> | undefined {
    if (this.#closed || this.#heldBytes() < this.#limits.outboxBytesResume) return undefined;
    return new Promise((resolve) => void this.#waiters.push(resolve));
  }

  #heldBytes(): number {
    return this.#queuedBytes + this.#peer.bufferedBytes();
  }

  flush(): void {
    this.#flushAsked = false;
    if (this.#closed || this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#queuedBytes = 0;
    let overflowed = false;
    if (frames.length === 1) overflowed = !this.#write(frames[0]!);
    else {
      this.#peer.cork(() => {
        for (const frame of frames) if (!this.#write(frame)) overflowed = true;
      });
    }
    // Outside the cork nothing more is sent, so the buffered amount is known here.
    if (overflowed || this.#peer.bufferedBytes() > this.#limits.outboxBytesMax) this.#owner.overflowed();
    else if (!this.#isFull || this.#heldBytes() < this.#limits.outboxBytesResume) this.#release();
  }

  /** False: dropped. */
  #write({ data, isBinary }: Frame): boolean {
    const sent = this.#peer.send(data, isBinary);
    if (sent === 'buffered') this.#isFull = true;
    return sent !== 'dropped';
  }

  drained(): void {
    this.#isFull = false;
    if (this.#heldBytes() < this.#limits.outboxBytesResume) this.#release();
  }

  close(): void {
    this.#closed = true;
    this.#frames = [];
    this.#release();
  }

  #release(): void {
    if (this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}
