/** The engine's decisions, kept for a while: a bounded ring, the oldest leaves first, and listeners for those to come. */
import type { EngineEvent } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';

export interface EventRing {
  emit(kind: string, reason: string, detail?: Readonly<Record<string, string | number>>): void;
  /** Oldest first. */
  list(): readonly EngineEvent[];
  /** Returns the way to stop. */
  on(listener: (event: EngineEvent) => void): () => void;
}

export function eventRing(clock: Clock, eventsMax: number): EventRing {
  const events: EngineEvent[] = [];
  const listeners = new Set<(event: EngineEvent) => void>();
  return {
    emit(kind, reason, detail = {}) {
      const event = { atMs: clock.wallMs(), kind, reason, detail };
      if (events.push(event) > eventsMax) events.shift();
      for (const listener of listeners) listener(event);
    },
    list: () => [...events],
    on(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
