/**
 * Links by broker address, made when first asked for. Each address has one link per lane, so that a large fetch answer does
 * not stand in front of an append's acknowledgement: order matters only within a lane.
 *
 * The pool never makes its callers wait. `link` returns the open link, or starts a connection attempt; while nobody listens
 * at the address, the pauses between attempts grow. The pool retries only an address that was asked for since the last
 * attempt, so an address that no row names any more costs nothing.
 */
import { below, type Random } from '../kernel/random.ts';
import type { Clock } from '../kernel/clock.ts';
import { LinkClosed, type Network } from '../ports.ts';
import { Link, type LinkSettings } from './link.ts';

export type Lane = 'append' | 'fetch' | 'control';

export interface PoolSettings {
  /** Pause after the first refused attempt. It doubles up to the maximum; half of each pause is random. */
  readonly reconnectMs: number;
  readonly reconnectMsMax: number;
  readonly link: LinkSettings;
}

interface Slot {
  link: Link | undefined;
  connecting: boolean;
  /** Whether it was asked for since the last attempt began. */
  wanted: boolean;
  pauseMs: number;
}

export class LinkPool {
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settings: PoolSettings;
  readonly #slots = new Map<string, Slot>();
  readonly #listeners: ((address: string, lane: Lane) => void)[] = [];
  #closed = false;

  constructor(parts: { network: Network; clock: Clock; random: Random }, settings: PoolSettings) {
    this.#network = parts.network;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#settings = settings;
  }

  /** The open link; undefined while one is being made, and `onOpen` reports it then. */
  link(address: string, lane: Lane): Link | undefined {
    const key = `${lane} ${address}`;
    let slot = this.#slots.get(key);
    if (slot?.link) return slot.link;
    if (this.#closed) return undefined;
    if (!slot) {
      slot = { link: undefined, connecting: false, wanted: false, pauseMs: 0 };
      this.#slots.set(key, slot);
    }
    slot.wanted = true;
    if (!slot.connecting) void this.#connect(slot, address, lane);
    return undefined;
  }

  onOpen(listener: (address: string, lane: Lane) => void): void {
    this.#listeners.push(listener);
  }

  /** Closes the links of one address in every lane, for a broker that no longer answers. */
  cut(address: string): void {
    for (const lane of ['append', 'fetch', 'control'] as const) this.#slots.get(`${lane} ${address}`)?.link?.close();
  }

  close(): void {
    this.#closed = true;
    for (const slot of this.#slots.values()) slot.link?.close();
    this.#slots.clear();
  }

  async #connect(slot: Slot, address: string, lane: Lane): Promise<void> {
    slot.connecting = true;
    slot.wanted = false;
    try {
      const onClosed = (closed: Link): void => {
        if (slot.link === closed) slot.link = undefined;
      };
      const isBulk = lane === 'fetch';
      const link = await Link.open(this.#network, address, this.#clock, this.#settings.link, onClosed, isBulk);
      // The link may have ended before this continuation ran.
      if (link.isClosed) throw new LinkClosed(`link to ${address} closed`, false);
      slot.connecting = false;
      slot.pauseMs = 0;
      if (this.#closed) return link.close();
      slot.link = link;
    } catch (error) {
      if (!(error instanceof LinkClosed)) throw error;
      this.#pause(slot, address, lane);
      return;
    }
    for (const listener of this.#listeners) listener(address, lane);
  }

  #pause(slot: Slot, address: string, lane: Lane): void {
    const { reconnectMs, reconnectMsMax } = this.#settings;
    slot.pauseMs = Math.min(Math.max(slot.pauseMs * 2, reconnectMs), reconnectMsMax);
    const delayMs = slot.pauseMs / 2 + below(this.#random, Math.ceil(slot.pauseMs / 2));
    const retry = (): void => {
      slot.connecting = false;
      // Nobody has asked for it meanwhile: the next caller starts an attempt.
      if (slot.wanted && !this.#closed) void this.#connect(slot, address, lane);
    };
    this.#clock.after(delayMs, retry, 'background');
  }
}
