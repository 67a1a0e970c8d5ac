/**
 * How the demo sends: a door's letters are dealt to lanes by key. Each lane sends one request at a time and repeats refused
 * letters before it continues. So the order of a key's letters is the order of their numbers, whatever happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Flight } from './flights.ts';
import type { Door, Ledger, Letter } from './ledger.ts';
import type { Pace } from './pace.ts';

export interface FlightLetter extends Letter {
  readonly flight: Flight;
}

/** Sends letters in order; returns those to be sent again, in order. Throws when the outcome of all is unknown. */
export type Send = (letters: readonly FlightLetter[]) => Promise<readonly FlightLetter[]>;

const lanesPerDoor = 4;
const lettersPerRequestMax = 200;
const attemptsMax = 400;
const retryMs = 50;

export async function sendAll(
  ledger: Ledger,
  door: Door,
  flights: readonly Flight[],
  pace: Pace,
  send: Send,
): Promise<void> {
  const letters = flights.map((flight, number) => ({
    tenant: ledger.tenant,
    door,
    number,
    key: flight.origin,
    flight,
  }));
  const lanes = Array.from({ length: lanesPerDoor }, (_, lane) => letters.filter(({ key }) => laneOf(key) === lane));
  await Promise.all(
    lanes.map(async (lane) => {
      for (let at = 0; at < lane.length && !pace.signal.aborted; ) {
        const due = pace.due();
        const end = lane.findIndex(({ number }, i) => i >= at && number >= due);
        const ready = lane.slice(at, Math.min(end < 0 ? lane.length : end, at + lettersPerRequestMax));
        if (ready.length === 0) {
          await sleep(10);
          continue;
        }
        await sendSurely(ledger, ready, pace.signal, send);
        at += ready.length;
      }
    }),
  );
  ledger.producers.get(door)!.rest();
}

async function sendSurely(
  ledger: Ledger,
  letters: readonly FlightLetter[],
  signal: AbortSignal,
  send: Send,
): Promise<void> {
  let left = letters;
  for (let attempt = 1; left.length > 0 && !signal.aborted; attempt++) {
    let again = left;
    try {
      again = await send(left);
    } catch (error) {
      if (attempt === attemptsMax) throw error;
    }
    const refused = new Set(again);
    ledger.acknowledge(left.filter((letter) => !refused.has(letter)));
    left = again;
    if (left.length > 0) await sleep(retryMs);
  }
}

function laneOf(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (hash * 31 + key.charCodeAt(i)) % 65_521;
  return hash % lanesPerDoor;
}
