/**
 * The network between processes. Frames take time and stay in order. A cut delays frames in one direction or both, as TCP
 * does until one side gives up, and a process that ends takes its connections with it. A stopped process still gets
 * connections: its kernel accepts them, the process does not.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import { type FrameChannel, type FrameHandler, LinkClosed, type Network } from '../../engine/ports.ts';
import type { Calm } from './calm.ts';
import type { EventLoop } from './event-loop.ts';
import { never, type SimProcess } from './process.ts';

interface Listener {
  readonly process: SimProcess;
  readonly accept: (channel: FrameChannel) => FrameHandler;
}

/** The delay of a frame when nothing slows it down. */
const usualDelayMsMax = 1;

/** 'to': frames to the address wait; 'from': frames from it. */
export type Cut = 'to' | 'from' | 'both';

export class SimNetwork {
  readonly loop: EventLoop;
  readonly random: Random;
  /** The buffered bytes from which a socket is full, until all of them have left. */
  readonly socketBytesMax: number;
  readonly calm: Calm;
  readonly #listeners = new Map<string, Listener>();
  readonly #wires = new Set<Wire>();
  readonly #cuts = new Map<string, Cut>();
  readonly #slowMs = new Map<string, number>();
  /** Sees every frame on arrival. */
  onFrame: (to: SimProcess, frame: Buffer) => void = () => undefined;

  constructor(loop: EventLoop, random: Random, socketBytesMax: number, calm: Calm) {
    this.loop = loop;
    this.socketBytesMax = socketBytesMax;
    this.random = random;
    this.calm = calm;
  }

  handle(process: SimProcess): Network {
    process.onEnd(() => this.#ended(process));
    return {
      connect: (address, handler) => this.#connect(process, address, handler),
      listen: async (address, accept) => {
        const listener = { process, accept };
        this.#listeners.set(address, listener);
        return { close: async () => this.#close(address, listener) };
      },
    };
  }

  cut(address: string, cut: Cut): void {
    this.#cuts.set(address, cut);
    this.calm.begin(`cut ${address}`);
  }

  heal(address: string): void {
    this.#cuts.delete(address);
    this.calm.end(`cut ${address}`);
    for (const wire of this.#wires) if (wire.address === address) wire.flow();
  }

  /** Ends every connection to `address`; frames in flight are lost. */
  reset(address: string): void {
    this.calm.until(this.loop.nowMs);
    for (const wire of this.#wires) if (wire.address === address) wire.break();
  }

  /** `random` picks half of the connections to `address`; no answer arrives on them until `unmute`. */
  mute(address: string, random: Random): void {
    this.calm.begin(`mute ${address}`);
    for (const wire of this.#wires) if (wire.address === address && below(random, 2) === 0) wire.isMute = true;
  }

  /** No answer arrives until `unmute` on any connection over which batches have been sent to `address`. */
  muteAppends(address: string): void {
    this.calm.begin(`mute ${address}`);
    for (const wire of this.#wires) if (wire.address === address && wire.hasAppends) wire.isMute = true;
  }

  /** The delayed answers arrive, or the connection ends without them. */
  unmute(address: string, random: Random): void {
    this.calm.end(`mute ${address}`);
    for (const wire of this.#wires) {
      if (wire.address !== address || !wire.isMute) continue;
      wire.isMute = false;
      if (below(random, 2) === 0) wire.break();
      else wire.flow();
    }
  }

  slow(address: string, ms: number): void {
    if (ms > 0) this.#slowMs.set(address, ms);
    else this.#slowMs.delete(address);
    if (ms > 0) this.calm.begin(`slow ${address}`);
    else this.calm.end(`slow ${address}`);
  }

  isHeld(address: string, towards: boolean): boolean {
    const cut = this.#cuts.get(address);
    return cut === 'both' || cut === (towards ? 'to' : 'from');
  }

  delayMs(address: string): number {
    return 0.05 + below(this.random, 10) / 20 + below(this.random, 1 + (this.#slowMs.get(address) ?? 0));
  }

  gone(wire: Wire): void {
    this.#wires.delete(wire);
  }

  #connect(process: SimProcess, address: string, handler: FrameHandler): Promise<FrameChannel> {
    if (!process.isAlive) return never;
    return new Promise((resolve, reject) => {
      this.loop.schedule(this.delayMs(address), () => {
        const listener = this.#listeners.get(address);
        if (!listener || this.isHeld(address, true) || this.isHeld(address, false)) {
          process.post(0, () => reject(new LinkClosed(`nobody listens at ${address}`, false)));
          return;
        }
        const wire = new Wire(this, address, process, listener.process);
        this.#wires.add(wire);
        wire.near.handler = handler;
        listener.process.post(0, () => {
          if (wire.isOpen) wire.far.handler = listener.accept(wire.far);
        });
        process.post(0.05, () => resolve(wire.near));
      });
    });
  }

  #close(address: string, listener: Listener): void {
    if (this.#listeners.get(address) !== listener) return;
    this.#listeners.delete(address);
    for (const wire of this.#wires) if (wire.far.process === listener.process) wire.break();
  }

  #ended(process: SimProcess): void {
    for (const [address, listener] of this.#listeners) {
      if (listener.process === process) this.#listeners.delete(address);
    }
    for (const wire of this.#wires) {
      if (wire.near.process !== process && wire.far.process !== process) continue;
      // The kernel still sends what was written, or the reset overtakes it.
      const side = wire.near.process === process ? wire.near : wire.far;
      if (below(this.random, 2) === 0) wire.break();
      else side.finish();
    }
  }
}

/** Both directions of one connection. */
export class Wire {
  readonly network: SimNetwork;
  readonly address: string;
  readonly near: WireEnd;
  readonly far: WireEnd;
  isOpen = true;
  /** Bytes sent back over it wait. */
  isMute = false;
  /** A Produce request has been sent over it. */
  hasAppends = false;

  constructor(network: SimNetwork, address: string, near: SimProcess, far: SimProcess) {
    this.network = network;
    this.address = address;
    this.near = new WireEnd(this, near, true);
    this.far = new WireEnd(this, far, false);
    this.near.peer = this.far;
    this.far.peer = this.near;
  }

  break(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.network.gone(this);
    this.near.closed();
    this.far.closed();
  }

  flow(): void {
    this.near.deliver();
    this.far.deliver();
  }
}

type Parts = readonly Uint8Array[];

const endOfStream: Parts = [];
const produceKey = 0;

/** The header of a request comes first. */
function isProduce([header]: Parts): boolean {
  return ((header![0]! << 8) | header![1]!) === produceKey;
}

function bytesOf(parts: Parts): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

class WireEnd implements FrameChannel {
  readonly process: SimProcess;
  handler: FrameHandler | undefined;
  peer!: WireEnd;
  readonly #wire: Wire;
  readonly #isNear: boolean;
  #sent: Parts[] = [];
  /** Frames at the front that have travelled long enough. */
  #due = 0;
  #sentBytes = 0;
  #lastMs = 0;
  #isPaused = false;
  #isClosed = false;
  /** Frames that wait in the other process's events. */
  #posted = 0;
  /** A sender was told that so much is buffered that it may wait for the end of it. */
  #wasFull = false;

  constructor(wire: Wire, process: SimProcess, isNear: boolean) {
    this.#wire = wire;
    this.process = process;
    this.#isNear = isNear;
  }

  send(parts: Parts, sent?: () => void): void {
    if (!this.process.isAlive || this.#isClosed) return;
    if (this.#isNear && isProduce(parts)) this.#wire.hasAppends = true;
    // A gateway's socket may still be writing a request that the gateway gave up long ago: whatever its memory holds by
    // then arrives. The answering side has waited for `sent`.
    if (this.#isNear) this.#push(parts);
    else this.#push([framePool.gather(parts)]);
    if (sent) this.process.post(0, sent);
  }

  bufferedBytes(): number {
    if (this.#sentBytes >= this.#wire.network.socketBytesMax) this.#wasFull = true;
    return this.#sentBytes;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wire.network.loop.schedule(0, () => this.peer.deliver());
  }

  /** Frames sent before still arrive, as with an orderly socket shutdown. */
  close(): void {
    if (!this.process.isAlive || this.#isClosed) return;
    this.finish();
    this.closed();
  }

  finish(): void {
    if (this.#wire.isOpen) this.#push(endOfStream);
  }

  #push(parts: Parts): void {
    const { network, address } = this.#wire;
    if (!this.#wire.isOpen) return;
    this.#sent.push(parts);
    this.#sentBytes += bytesOf(parts);
    const { nowMs } = network.loop;
    this.#lastMs = Math.max(this.#lastMs, nowMs + network.delayMs(address));
    if (this.#lastMs - nowMs > usualDelayMsMax) network.calm.until(this.#lastMs);
    network.loop.schedule(this.#lastMs - nowMs, () => {
      this.#due++;
      this.deliver();
    });
  }

  deliver(): void {
    const { network, address } = this.#wire;
    const { peer } = this;
    let isDelivered = false;
    const isHeld = (): boolean => (this.#wire.isMute && !this.#isNear) || network.isHeld(address, this.#isNear);
    while (this.#wire.isOpen && this.#due > 0 && !peer.#isPaused && !isHeld()) {
      const parts = this.#sent.shift()!;
      this.#due--;
      this.#sentBytes -= bytesOf(parts);
      if (parts === endOfStream) return this.#wire.break();
      const frame = this.#isNear ? framePool.gather(parts) : (parts[0] as Buffer);
      isDelivered = true;
      // In this event where that changes nothing: half of all events are frames.
      if (this.#posted === 0 && peer.handler && peer.process.isRunning) peer.#take(frame);
      else {
        this.#posted++;
        peer.process.post(0, () => {
          this.#posted--;
          peer.#take(frame);
        });
      }
    }
    if (!isDelivered || this.#sentBytes > 0 || !this.#wasFull) return;
    this.#wasFull = false;
    this.process.post(0, () => {
      if (!this.#isClosed) this.handler?.drained?.();
    });
  }

  #take(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#wire.network.loop.place = this.process;
    this.#wire.network.onFrame(this.process, frame);
    try {
      this.handler?.frame(frame);
    } catch (error) {
      this.#wire.network.loop.onThrow(error, this.process);
    }
  }

  /** Tells the handler, once, in an event of its process. */
  closed(): void {
    if (this.#isClosed) return;
    this.process.post(0, () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.handler?.closed();
    });
  }
}
