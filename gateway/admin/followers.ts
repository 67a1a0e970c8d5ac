/**
 * The clients that follow the event stream. Each has a bounded backlog. One that does not keep up is disconnected and
 * resumes from the ring with the last id it saw, which costs no memory here.
 */
import type { EngineEvent } from '../../engine/engine.ts';
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import { eventsSince } from './event-ids.ts';
import type { AdminLimits, FleetOperations } from './options.ts';

export interface Follower {
  /** Waits for events; 'idle' after a heartbeat without any, 'closed' at the end. */
  next(): Promise<readonly EngineEvent[] | 'idle' | 'closed'>;
  close(): void;
}

export class Followers {
  readonly #fleet: FleetOperations;
  readonly #clock: Clock;
  readonly #limits: AdminLimits;
  readonly #open = new Set<Follower>();
  #closed = false;

  constructor(fleet: FleetOperations, clock: Clock, limits: AdminLimits) {
    this.#fleet = fleet;
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Undefined when there are too many. Throws InvalidRequest (field since). */
  open(since: string | undefined): Follower | undefined {
    if (this.#closed || this.#open.size >= this.#limits.followersMax) return undefined;
    const early = since === undefined ? [] : eventsSince(this.#fleet.events(), since);
    const follower = new RingFollower(early, {
      clock: this.#clock,
      limits: this.#limits,
      fleet: this.#fleet,
      onClose: () => this.#open.delete(follower),
    });
    this.#open.add(follower);
    return follower;
  }

  close(): void {
    this.#closed = true;
    for (const follower of this.#open) follower.close();
  }
}

interface FollowerOptions {
  readonly clock: Clock;
  readonly limits: AdminLimits;
  readonly fleet: FleetOperations;
  onClose(): void;
}

class RingFollower implements Follower {
  readonly #options: FollowerOptions;
  #waiting: EngineEvent[];
  #wake: (() => void) | undefined;
  #closed = false;
  readonly #stopListening: () => void;

  constructor(early: readonly EngineEvent[], options: FollowerOptions) {
    this.#options = options;
    this.#waiting = [...early];
    this.#stopListening = options.fleet.onEvent((event) => {
      if (this.#waiting.length >= options.limits.followerBacklogMax) this.close();
      else this.#waiting.push(event);
      this.#wake?.();
    });
  }

  async next(): Promise<readonly EngineEvent[] | 'idle' | 'closed'> {
    if (this.#waiting.length === 0 && !this.#closed) await this.#wait();
    if (this.#waiting.length > 0) {
      const events = this.#waiting;
      this.#waiting = [];
      return events;
    }
    return this.#closed ? 'closed' : 'idle';
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListening();
    this.#options.onClose();
    this.#wake?.();
  }

  #wait(): Promise<void> {
    const { clock, limits } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
      const timer: Timer = clock.after(limits.heartbeatMs, done, 'background');
      this.#wake = done;
    });
  }
}
