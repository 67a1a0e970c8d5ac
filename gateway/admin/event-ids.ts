/**
 * Ids for the engine's events, so that a follower can continue where it stopped: the event's time and its number. The
 * number alone would not do, because it restarts with each run of the controller. Nothing is stored per event; the ring is
 * the only state.
 */
import type { EngineEvent } from '../../engine/engine.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';

export function eventId({ atMs, seq }: EngineEvent): string {
  return `${atMs}-${seq}`;
}

/** Empty, milliseconds, or an event's id. */
export const sinceForm = /^(?:(\d{1,16})(?:-(\d{1,16}))?)?$/;

/**
 * Returns the events after `since`: an event's id, or a time in milliseconds. An id that has left the ring, or that an
 * earlier run issued, counts as its time; of events in the same millisecond only those with a later number follow. Throws
 * InvalidRequest (field since).
 */
export function eventsSince(events: readonly EngineEvent[], since: string | undefined): readonly EngineEvent[] {
  if (since === undefined || since === '') return events;
  const match = sinceForm.exec(since);
  if (!match?.[1])
    throw new InvalidRequest('since', `since=${since}: use the id of an event or milliseconds since 1970`);
  const known = match[2] === undefined ? -1 : events.findLastIndex((event) => eventId(event) === since);
  if (known >= 0) return events.slice(known + 1);
  const atMs = Number(match[1]);
  const seq = match[2] === undefined ? Infinity : Number(match[2]);
  return events.filter((event) => event.atMs > atMs || (event.atMs === atMs && event.seq > seq));
}
