/**
 * Quota delays as Kafka has them since KIP-219: the answer leaves at once and states the delay, then the connection is not
 * read for that long. Stating it alone would not do: librdkafka and kafkajs do not slow themselves down.
 */
import type { Clock, Timer } from '../../engine/kernel/clock.ts';

export class Throttle {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #untilMs = 0;
  #timer: Timer | undefined;

  /** `onChange` runs when a mute begins and when it ends. */
  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  get isMuted(): boolean {
    return this.#timer !== undefined;
  }

  /** A longer mute that is already in force stays. Returns by how much this one makes it longer. */
  mute(delayMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    const untilMs = nowMs + delayMs;
    if (untilMs <= this.#untilMs) return 0;
    const addedMs = untilMs - Math.max(nowMs, this.#untilMs);
    this.#untilMs = untilMs;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(
      delayMs,
      () => {
        this.#timer = undefined;
        this.#onChange();
      },
      'background',
    );
    this.#onChange();
    return addedMs;
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
