/**
 * The engine's recent decisions, and listeners for future ones. When the ring is full, it drops the oldest event of the
 * most frequent kind, so a kind that repeats often does not push out the last events of the others. An event carries
 * its broker and zone in fields of their own, so code that shows or filters events need not know the kinds.
 */
import type { EngineEvent } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';

/** What an event is about, plus figures by name. */
export interface EventAbout {
  readonly brokerId?: number;
  /** Absent: the broker's zone. */
  readonly zone?: string;
  readonly [name: string]: string | number | undefined;
}

export interface EventRing {
  /** `kind` names what happened, hyphenated; `reason` tells people why. */
  emit(kind: string, reason: string, about?: EventAbout): void;
  /** Oldest first. */
  list(): readonly EngineEvent[];
  /** Returns a function that removes the listener. */
  on(listener: (event: EngineEvent) => void): () => void;
}

export function eventRing(
  clock: Clock,
  eventsMax: number,
  zoneOf: (brokerId: number) => string | undefined = () => undefined,
): EventRing {
  const events: EngineEvent[] = [];
  const countOf = new Map<string, number>();
  const listeners = new Set<(event: EngineEvent) => void>();
  let seq = 0;
  return {
    emit(kind, reason, { brokerId, zone: given, ...figures } = {}) {
      const zone = given ?? (brokerId === undefined ? undefined : zoneOf(brokerId));
      const event: EngineEvent = {
        seq: ++seq,
        atMs: clock.wallMs(),
        kind,
        reason,
        ...(brokerId === undefined ? {} : { brokerId }),
        ...(zone === undefined ? {} : { zone }),
        detail: known(figures),
      };
      countOf.set(kind, (countOf.get(kind) ?? 0) + 1);
      if (events.push(event) > eventsMax) makeRoom(events, countOf);
      for (const listener of listeners) listener(event);
    },
    list: () => [...events],
    on(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function makeRoom(events: EngineEvent[], countOf: Map<string, number>): void {
  let most: [kind: string, count: number] = ['', 0];
  for (const entry of countOf) if (entry[1] > most[1]) most = entry;
  const [kind, count] = most;
  events.splice(
    events.findIndex((event) => event.kind === kind),
    1,
  );
  if (count > 1) countOf.set(kind, count - 1);
  else countOf.delete(kind);
}

/** An event as one line for operators. */
export function eventLine({ kind, reason, brokerId, zone, detail }: EngineEvent): string {
  return `${kind}: ${reason} ${JSON.stringify({ ...(brokerId === undefined ? {} : { brokerId, zone }), ...detail })}`;
}

function known(figures: Readonly<Record<string, string | number | undefined>>): Record<string, string | number> {
  const detail: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(figures)) if (value !== undefined) detail[name] = value;
  return detail;
}
