/**
 * One connection as a FrameChannel. Frames sent during an event-loop turn are only queued; at the end of the turn they
 * leave in one corked write, because a socket write costs 6-9 us of kernel time whatever it carries. pause() stops reading;
 * frames of the current read are still delivered, at most one receive buffer of them.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import type { FrameChannel, FrameHandler } from '../../engine/ports.ts';
import { FrameReader } from '../../engine/protocol/frame-reader.ts';
import { MalformedFrame } from '../../engine/protocol/malformed-frame.ts';
import { writeCorked } from '../../engine/kernel/write-corked.ts';
import { offeredPort } from './loopback.ts';

export interface ChannelSettings {
  /** The largest frame accepted. */
  readonly frameBytesMax: number;
  /** How long close() lets queued frames drain before the connection is cut. */
  readonly closeMsMax: number;
}

/** Called with an offered port; returns the function to call when the connection to it is taken. */
export type OnOffer = (port: number) => () => void;

export class SocketChannel implements FrameChannel {
  readonly #clock: Clock;
  readonly #settings: ChannelSettings;
  readonly #reader: FrameReader;
  #socket: Socket | undefined;
  #handler: FrameHandler | undefined;
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  /** Callbacks of frames in the outbox whose senders need to know when the socket is done with them. */
  #sent: (() => void)[] = [];
  #flushing = false;
  /** True from the first frame that the kernel did not take at once until everything is taken. */
  #full = false;
  #closing = false;
  #ended = false;
  #closeTimer: Timer | undefined;
  #onOffer: OnOffer | undefined;
  #onTaken: (() => void) | undefined;

  /** `onOffer`: the other end may begin by offering another connection to replace this one. */
  constructor(clock: Clock, settings: ChannelSettings, onOffer?: OnOffer) {
    this.#clock = clock;
    this.#settings = settings;
    this.#onOffer = onOffer;
    this.#reader = new FrameReader(settings.frameBytesMax, settings.frameBytesMax, {
      received: (frame) => {
        if (!this.#closing) this.#handler!.frame(frame);
      },
      charge: () => undefined,
    });
  }

  /** Called once, before the first byte: a socket's receive buffer is bound to its channel at creation. */
  attach(socket: Socket, handler: FrameHandler): void {
    this.#socket = socket;
    this.#handler = handler;
    socket.setNoDelay(true);
    socket.on('drain', () => this.#drained());
    socket.on('error', () => socket.destroy());
    // The peer sends nothing more. Links are not used half-open, so this is the end of both directions.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#end());
  }

  /** Where to receive next: into the rest of a large frame, or into (part of) `shared`, which received() copies from. */
  target(shared: Buffer): Buffer {
    return this.#reader.target(shared);
  }

  /** `length` bytes of the stream, in the last target or, if none was given, in a buffer of the caller's. */
  received(chunk: Uint8Array, length: number): void {
    if (this.#closing) return;
    if ((this.#onOffer || this.#onTaken) && this.#isOffer(chunk, length)) return;
    try {
      this.#reader.push(chunk, length);
    } catch (error) {
      this.#closing = true;
      this.#socket!.destroy();
      if (!(error instanceof MalformedFrame)) throw error;
    }
  }

  /** Whether these bytes belong to an offer (loopback.ts): its first bytes, or those that follow them. */
  #isOffer(chunk: Uint8Array, length: number): boolean {
    const onOffer = this.#onOffer;
    const onTaken = this.#onTaken;
    this.#onOffer = undefined;
    this.#onTaken = undefined;
    const port = onOffer && offeredPort(chunk, length);
    if (onOffer && port !== undefined) this.#onTaken = onOffer(port);
    else onTaken?.();
    return port !== undefined || onTaken !== undefined;
  }

  send(parts: readonly Uint8Array[], sent?: () => void): void {
    if (this.#closing) return;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const prefix = Buffer.allocUnsafe(4);
    prefix.writeInt32BE(bytes);
    this.#outbox.push(prefix, ...parts);
    this.#outboxBytes += bytes + 4;
    if (sent) this.#sent.push(sent);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.endOfTurn(() => this.#flush());
  }

  bufferedBytes(): number {
    return this.#closing ? 0 : this.#outboxBytes + this.#socket!.writableLength;
  }

  pause(): void {
    this.#socket!.pause();
  }

  resume(): void {
    if (!this.#closing) this.#socket!.resume();
  }

  close(): void {
    if (this.#closing) return;
    this.#flush();
    this.#closing = true;
    const socket = this.#socket!;
    // Queued answers still reach a peer that reads; a peer that does not read is cut.
    this.#closeTimer = this.#clock.after(this.#settings.closeMsMax, () => socket.destroy(), 'background');
    socket.destroySoon();
  }

  /** Ends the connection without waiting for anything. */
  cut(): void {
    this.#closing = true;
    this.#socket!.destroy();
  }

  #flush(): void {
    this.#flushing = false;
    const outbox = this.#outbox;
    if (outbox.length === 0 || this.#closing) return;
    this.#outbox = [];
    this.#outboxBytes = 0;
    const sent = this.#sent;
    if (sent.length > 0) this.#sent = [];
    const socket = this.#socket!;
    writeCorked(socket, outbox, sent);
    this.#full = socket.writableLength > 0;
  }

  #drained(): void {
    if (!this.#full || this.#closing) return;
    this.#full = false;
    this.#handler!.drained?.();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closing = true;
    this.#outbox = [];
    this.#outboxBytes = 0;
    this.#sent = [];
    this.#closeTimer?.cancel();
    this.#handler!.closed();
  }
}
