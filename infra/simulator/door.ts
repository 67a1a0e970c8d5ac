/**
 * The connection of a simulated client to whichever parent process serves at the moment. Calls and answers travel for a
 * while; when the parent dies or stays silent the client is told that it got no answer, and does not know what happened.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import type { Timer } from '../../engine/kernel/clock.ts';
import type { ParentProcess } from './parent-process.ts';
import type { World } from './world.ts';

/** Until a client learns that nobody listens. */
const refusalMs = 20;

/** No answer: the request may have had its effect or not. */
export const noAnswer = Symbol('no answer');

export class Door {
  readonly world: World;
  readonly #random: Random;
  parent: ParentProcess | undefined;
  /**
   * Who waits to be told that nobody listens. What is asked meanwhile waits with them, though somebody may listen by then: a
   * client sends nothing past what it still tries to connect for.
   */
  #refused: (() => void)[] | undefined;

  constructor(world: World) {
    this.world = world;
    this.#random = world.random();
  }

  isOpen(): boolean {
    return this.parent?.isServing === true && this.parent.process.isAlive;
  }

  /** `ask` runs in the parent and answers once; `told` runs in the client. What is `lateMs` late has a connection of its own. */
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
      told(value);
    };
    if (this.#refused || !parent || !this.isOpen()) {
      this.#refuse(() => tell(noAnswer));
      return;
    }
    timer = loop.schedule(waitMs, () => tell(noAnswer));
    forget = parent.process.onEnd(() => void loop.schedule(1, () => tell(noAnswer)));
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

  /** As call, for an operation that is a promise; a failure counts as `failed`. */
  request<T>(
    ask: (parent: ParentProcess) => Promise<T>,
    told: (value: T | Error | typeof noAnswer) => void,
    waitMs?: number,
  ): void {
    this.call<T | Error>(
      (parent, answer) => {
        ask(parent).then(answer, (error: unknown) => answer(error as Error));
      },
      told,
      waitMs,
    );
  }
}
