/**
 * Names for the engine's events, so that a follower can go on where it was: the event's time, and its place among those of
 * the same millisecond. Nothing is kept per event; the ring is the only state.
 */
import type { EngineEvent } from '../../engine/engine.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';

export interface NamedEvent extends EngineEvent {
  readonly id: string;
}

export function namedEvents(events: readonly EngineEvent[]): NamedEvent[] {
  let atMs = -1;
  let place = 0;
  return events.map((event) => {
    place = event.atMs === atMs ? place + 1 : 0;
    atMs = event.atMs;
    return { id: `${atMs}-${place}`, ...event };
  });
}

/**
 * Those after `since`: an event's id, or a time in milliseconds. An id that has left the ring counts as its time. Throws
 * InvalidRequest (field since).
 */
export function eventsSince(events: readonly EngineEvent[], since: string | undefined): NamedEvent[] {
  const named = namedEvents(events);
  if (since === undefined || since === '') return named;
  const match = /^(\d{1,16})(?:-(\d{1,9}))?$/.exec(since);
  if (!match) throw new InvalidRequest('since', `since=${since}: use the id of an event or milliseconds since 1970`);
  const known = match[2] === undefined ? -1 : named.findLastIndex(({ id }) => id === since);
  if (known >= 0) return named.slice(known + 1);
  const atMs = Number(match[1]);
  return named.filter((event) => event.atMs > atMs);
}
