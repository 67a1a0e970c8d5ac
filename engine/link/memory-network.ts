/**
 * A Network inside one process, for brokers in the gateway's process, for tests and for the simulator. Frames travel on the
 * clock that is passed in, in order, as copies. A test can cut, stall, slow down and refuse an address. Like a real
 * network, this one may lose frames in flight when a connection ends, and tell the two sides at different times.
 */
import { assert } from '../kernel/assert.ts';
import type { Clock } from '../kernel/clock.ts';
import { framePool } from '../kernel/frame-pool.ts';
import { type FrameChannel, type FrameHandler, LinkClosed, type Network } from '../ports.ts';

export interface MemoryNetwork extends Network {
  /** Ends every connection to `address`. Frames in flight are lost; each side learns of it in a turn of its own. */
  cut(address: string): void;
  /** From now on, frames to and from `address` take this long. */
  delay(address: string, delayMs: number): void;
  /** From now on, frames to and from `address` wait until `flow`. Connections stay open, as with a stopped process. */
  stall(address: string): void;
  flow(address: string): void;
  /** Connections to `address` are refused until `accept`, even though somebody listens. */
  refuse(address: string): void;
  accept(address: string): void;
  connections(address: string): number;
}

interface Place {
  listener: ((channel: FrameChannel) => FrameHandler) | undefined;
  delayMs: number;
  stalled: boolean;
  refused: boolean;
  readonly wires: Set<Wire>;
}

export function memoryNetwork(clock: Clock): MemoryNetwork {
  const places = new Map<string, Place>();
  const at = (address: string): Place => {
    let place = places.get(address);
    if (!place) {
      place = { listener: undefined, delayMs: 0, stalled: false, refused: false, wires: new Set() };
      places.set(address, place);
    }
    return place;
  };
  return {
    async connect(address, handler) {
      const place = at(address);
      if (!place.listener || place.refused) throw new LinkClosed(`nobody listens at ${address}`, false);
      const wire = new Wire(clock, place);
      place.wires.add(wire);
      wire.near.handler = handler;
      wire.far.handler = place.listener(wire.far);
      return wire.near;
    },
    async listen(address, listener) {
      const place = at(address);
      assert(!place.listener, `one listener at ${address}`);
      place.listener = listener;
      return {
        close: async () => {
          place.listener = undefined;
          for (const wire of place.wires) wire.cut();
        },
      };
    },
    cut: (address) => {
      for (const wire of at(address).wires) wire.cut();
    },
    delay: (address, delayMs) => {
      at(address).delayMs = delayMs;
    },
    stall: (address) => {
      at(address).stalled = true;
    },
    flow: (address) => {
      const place = at(address);
      place.stalled = false;
      for (const wire of place.wires) wire.flow();
    },
    refuse: (address) => {
      at(address).refused = true;
    },
    accept: (address) => {
      at(address).refused = false;
    },
    connections: (address) => at(address).wires.size,
  };
}

/** Both directions of one connection. */
class Wire {
  readonly near: MemoryChannel;
  readonly far: MemoryChannel;
  readonly place: Place;
  open = true;

  constructor(clock: Clock, place: Place) {
    this.place = place;
    this.near = new MemoryChannel(clock, this);
    this.far = new MemoryChannel(clock, this);
    this.near.peer = this.far;
    this.far.peer = this.near;
  }

  cut(): void {
    if (!this.open) return;
    this.open = false;
    this.place.wires.delete(this);
    this.near.ended();
    this.far.ended();
  }

  flow(): void {
    this.near.deliver();
    this.far.deliver();
  }
}

class MemoryChannel implements FrameChannel {
  handler: FrameHandler | undefined;
  peer: MemoryChannel | undefined;
  readonly #clock: Clock;
  readonly #wire: Wire;
  /** Frames that this side sent and the other has not received. The first `due` of them have travelled long enough. */
  #sent: Buffer[] = [];
  #due = 0;
  #sentBytes = 0;
  #paused = false;

  constructor(clock: Clock, wire: Wire) {
    this.#clock = clock;
    this.#wire = wire;
  }

  send(parts: readonly Uint8Array[], sent?: () => void): void {
    if (!this.#wire.open) return;
    // A copy, like the kernel makes: the sender may patch its buffers afterwards.
    const frame = framePool.gather(parts);
    if (sent) this.#clock.endOfTurn(sent);
    this.#sent.push(frame);
    this.#sentBytes += frame.length;
    const arrive = (): void => {
      this.#due++;
      this.deliver();
    };
    const { delayMs } = this.#wire.place;
    if (delayMs > 0) this.#clock.after(delayMs, arrive);
    else this.#clock.endOfTurn(arrive);
  }

  bufferedBytes(): number {
    return this.#sentBytes;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#clock.endOfTurn(() => this.peer!.deliver());
  }

  /** Frames sent before still arrive, as with a socket that is shut down in order. */
  close(): void {
    if (!this.#wire.open) return;
    const end = (): void => this.#wire.cut();
    const { delayMs } = this.#wire.place;
    if (delayMs > 0) this.#clock.after(delayMs, end);
    else this.#clock.endOfTurn(end);
  }

  /** Delivers the frames that are due, as long as the other side accepts them. */
  deliver(): void {
    const peer = this.peer!;
    let delivered = false;
    while (this.#wire.open && this.#due > 0 && !this.#wire.place.stalled && !peer.#paused) {
      const frame = this.#sent.shift()!;
      this.#due--;
      this.#sentBytes -= frame.length;
      delivered = true;
      peer.handler!.frame(frame);
    }
    if (delivered && this.#wire.open && this.#sentBytes === 0) this.handler!.drained?.();
  }

  ended(): void {
    this.#sent = [];
    this.#due = 0;
    this.#sentBytes = 0;
    this.#clock.endOfTurn(() => this.handler!.closed());
  }
}
