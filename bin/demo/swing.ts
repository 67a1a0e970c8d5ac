/**
 * Load that doubles and halves, and the fleet that follows it by itself: `npm run demo -- --swing`. Nobody tells the fleet
 * anything; a broker is trusted with so little that the doubled load is too much for the least number of brokers, and the
 * halved one fits them. What the autoscaler decides is told with its reason.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerFacts, Instance } from './instance.ts';
import type { Pace } from './pace.ts';
import type { ProgressLine } from './report.ts';

export interface SwingRun {
  readonly instance: Instance;
  readonly progress: ProgressLine;
  readonly pace: Pace;
  /** Of one door, at the lower load. */
  readonly perSecond: number;
  readonly brokersMin: number;
  readonly brokersMax: number;
  /** All flights are stored: there is no load any more. */
  isSent(): boolean;
}

/** How often the fleet did it. */
export interface Swings {
  readonly grown: number;
  readonly shrunk: number;
}

interface EventShown {
  readonly kind: string;
  readonly reason: string;
  readonly detail: Readonly<Record<string, string | number>>;
}

const steadyMs = 4_000;
const pollMs = 200;
/** Without any load the fleet has this long to shrink. */
const shrinkWaitMsMax = 60_000;
/** Of one flight in a broker's log: 143 on average as a record, and its part of what is around a small batch. */
const flightBytes = 180;
/** How many brokers the lower load fills: more than half of the least number at once, less than half of it for good. */
const filledShare = 0.4;

/** Settings under which the fleet follows within seconds instead of a quarter of an hour. */
export function swingFlags(rate: number, brokersMin: number, brokersMax: number): string[] {
  const bytesIn = Math.round((rate * flightBytes) / (filledShare * brokersMin));
  const flags = {
    'brokers-max': brokersMax,
    'broker-bytes-in': bytesIn,
    'broker-bytes-out': 1_000_000_000,
    'broker-requests': 1_000_000,
    'load-interval-ms': 500,
    'scale-in-after-ms': 3000,
  };
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
}

/** Up and down until all flights are sent, and then until the fleet is small again. */
export async function swing(run: SwingRun): Promise<Swings> {
  const { progress, pace, perSecond, brokersMin, brokersMax } = run;
  const follow = new Decisions(run);
  let grown = 0;
  let shrunk = 0;
  while (!run.isSent()) {
    await steady(run, follow);
    pace.perSecond = 2 * perSecond;
    progress.say('demo: the load doubles');
    if (await reached(run, follow, brokersMax)) grown++;
    await steady(run, follow);
    pace.perSecond = perSecond;
    progress.say('demo: the load halves');
    if ((await reached(run, follow, brokersMin)) && shrunk < grown) shrunk++;
  }
  const deadlineMs = Date.now() + shrinkWaitMsMax;
  while (shrunk < grown && Date.now() < deadlineMs) {
    if ((await follow.look()) === brokersMin) shrunk++;
    else await sleep(pollMs);
  }
  return { grown, shrunk };
}

async function steady(run: SwingRun, follow: Decisions): Promise<void> {
  const untilMs = Date.now() + steadyMs;
  while (Date.now() < untilMs && !run.isSent()) {
    await follow.look();
    await sleep(pollMs);
  }
}

/** False when the flights were at an end before. */
async function reached(run: SwingRun, follow: Decisions, count: number): Promise<boolean> {
  while ((await follow.look()) !== count) {
    if (run.isSent()) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Tells each decision about the size once, and what came of it. */
class Decisions {
  readonly #run: SwingRun;
  #told = 0;
  #shown = '';

  constructor(run: SwingRun) {
    this.#run = run;
  }

  /** Resolves with how many brokers there are when all of them serve; 0 while some start or are drained. */
  async look(): Promise<number> {
    const { instance, progress } = this.#run;
    const { items } = await instance.admin<{ items: EventShown[] }>('GET', '/events?limit=1000');
    const decisions = items.filter(({ kind }) => kind.startsWith('fleet-scales'));
    for (const { reason, detail } of decisions.slice(this.#told)) {
      const used = `${detail['dimension']} ${detail['usedPercent']} % used`;
      progress.say(`demo: the fleet decides ${detail['from']} -> ${detail['to']} brokers: ${reason} (${used})`);
    }
    this.#told = decisions.length;
    const brokers = await instance.brokers();
    if (!brokers.every(({ state }) => state === 'serving')) return 0;
    const text = byZone(brokers);
    if (text !== this.#shown) progress.say(`demo: ${brokers.length} brokers serve: ${text}`);
    this.#shown = text;
    return brokers.length;
  }
}

function byZone(brokers: readonly BrokerFacts[]): string {
  const zones = [...new Set(brokers.map(({ zone }) => zone))].sort();
  return zones.map((zone) => `${brokers.filter((broker) => broker.zone === zone).length} in zone ${zone}`).join(', ');
}
