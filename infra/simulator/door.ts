/**
 * The connection of a simulated client to a gateway: to whichever parent process serves there at the moment. Calls and
 * answers take time. When the parent dies or stays silent, the client is told that it got no answer, and does not know what
 * happened.
 */
import { Failure } from '../../engine/kernel/failure.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import type { Timer } from '../../engine/kernel/clock.ts';
import type { Entry, PartitionName } from './history.ts';
import type { ParentProcess } from './parent-process.ts';
import type { ToldLog } from './told.ts';
import type { World } from './world.ts';

/** How long a client takes to learn that no gateway listens. */
const refusalMs = 20;
/**
 * How much later, at most, another gateway tells what one gateway has told: an owner's answer is valid for so long, and
 * then in flight.
 */
const otherGatewayMs = 100 + 15;
/** To another gateway, where it asks its owner: an answer to an earlier question may just arrive. */
const onItsWayMs = 2;

/** No answer: the request may or may not have had its effect. */
export const noAnswer = Symbol('no answer');

export class Door {
  readonly world: World;
  /** Which of several gateways it leads to. */
  readonly gateway: number;
  readonly #random: Random;
  parent: ParentProcess | undefined;
  /** Until then clients that can go elsewhere do. */
  shunnedUntilMs = 0;
  readonly #open = new Set<() => void>();
  /**
   * Callers that wait to learn that nobody listens. Later requests wait with them even if somebody listens by then: a
   * client sends nothing ahead of what it still tries to connect for.
   */
  #refused: (() => void)[] | undefined;

  constructor(world: World, gateway = 0) {
    this.world = world;
    this.gateway = gateway;
    this.#random = world.random();
  }

  isOpen(): boolean {
    return this.parent?.isServing === true && this.parent.process.isAlive;
  }

  /** Where a client that waits for no answer sends what comes next. */
  next(): Door {
    return this;
  }

  /**
   * The minimum that its gateway must report about a log, even where the gateway uses an earlier answer of the owner.
   * It does so for a fetch that waits, and for no other request.
   */
  told(partition: PartitionName, waits: boolean): ToldLog {
    const { history, settings, calm } = this.world;
    if (settings.gateways === 1) return history.told.of(partition);
    const delayMs = waits ? otherGatewayMs : onItsWayMs;
    return history.told.through(this.gateway, partition, calm.heardByMs(delayMs));
  }

  /** What its gateway has told about it. */
  toldHere(partition: PartitionName): ToldLog {
    const { history, settings } = this.world;
    return settings.gateways === 1
      ? history.told.of(partition)
      : history.told.through(this.gateway, partition, -Infinity);
  }

  note(entry: Entry): void {
    this.world.history.add(entry, this.gateway);
  }

  /** Every client closes its connection here, and gives up its unanswered requests. */
  abandon(forMs: number): void {
    this.shunnedUntilMs = this.world.loop.nowMs + forMs;
    // A client that is told so retries at once, and the door must be open by then.
    const open = Array.from(this.#open);
    for (const giveUp of open) giveUp();
  }

  /**
   * `ask` runs in the parent and answers once; `told` runs in the client. A call that is `lateMs` late uses a separate
   * connection.
   */
  call<T>(
    ask: (parent: ParentProcess, answer: (value: T) => void) => void,
    told: (value: T | typeof noAnswer) => void,
    waitMs = 6000,
    lateMs = 0,
  ): void {
    const { loop } = this.world;
    const { parent } = this;
    let isOver = false;
    let timer: Timer | undefined = undefined;
    let forget = (): void => undefined;
    const tell = (value: T | typeof noAnswer): void => {
      if (isOver) return;
      isOver = true;
      timer?.cancel();
      forget();
      this.#open.delete(giveUp);
      told(value);
    };
    const giveUp = (): void => tell(noAnswer);
    if (this.#refused || !parent || !this.isOpen()) {
      this.#refuse(giveUp);
      return;
    }
    this.#open.add(giveUp);
    timer = loop.schedule(waitMs, giveUp);
    forget = parent.process.onEnd(() => void loop.schedule(1, giveUp));
    const { farMs } = this.world.settings;
    // In order, as on one connection: the same delay for all.
    parent.process.post(0.2 + farMs + lateMs, () => {
      ask(parent, (value) => {
        if (parent.process.isAlive) loop.schedule(0.1 + farMs + below(this.#random, 3) / 10, () => tell(value));
      });
    });
  }

  #refuse(tell: () => void): void {
    if (this.#refused) {
      this.#refused.push(tell);
      return;
    }
    const refused = (this.#refused = [tell]);
    this.world.loop.schedule(refusalMs, () => {
      this.#refused = undefined;
      for (const each of refused) each();
    });
  }

  /** Like call, for an operation that is a promise; a failure counts as `failed`. */
  request<T>(
    ask: (parent: ParentProcess) => Promise<T>,
    told: (value: T | Error | typeof noAnswer) => void,
    waitMs?: number,
  ): void {
    this.call<T | Error>(
      (parent, answer) => {
        ask(parent).then(answer, (error: unknown) => {
          // An error that is not a failure that clients can be told ends no process, and nobody would notice it.
          if (!(error instanceof Failure) && parent.process.isAlive) this.world.bug(parent.process.name, error);
          answer(error as Error);
        });
      },
      told,
      waitMs,
    );
  }
}
