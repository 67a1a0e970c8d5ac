/**
 * `npm run demo -- --swing`: the load doubles and halves, and the fleet follows by itself. Nothing tells the fleet to. The
 * capacity set per broker is so low that the doubled load is too much for the minimum number of brokers, while the halved
 * load fits them. Each decision of the autoscaler is printed with its reason.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerFacts, Instance } from './instance.ts';
import type { Pace } from './pace.ts';
import type { ProgressLine } from './report.ts';

export interface SwingRun {
  readonly instance: Instance;
  readonly progress: ProgressLine;
  readonly pace: Pace;
  /** The rate of one door, at the lower load. */
  readonly perSecond: number;
  readonly brokersMin: number;
  readonly brokersMax: number;
  /** All flights are stored: the load has ended. */
  isSent(): boolean;
}

/** How often the fleet grew and shrank. */
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
/** How long the fleet has to shrink without any load. */
const shrinkWaitMsMax = 60_000;
/**
 * The size of one flight in a broker's log: 143 on average as a record, plus its share of the overhead of a small batch.
 */
const flightBytes = 180;
/** How many brokers the lower load fills: more than half of the minimum at once, less than half of it for good. */
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

/** Alternates the load until all flights are sent, and then waits until the fleet is small again. */
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

/** False when the flights ended first. */
async function reached(run: SwingRun, follow: Decisions, count: number): Promise<boolean> {
  while ((await follow.look()) !== count) {
    if (run.isSent()) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Prints each decision about the size once, and its result. */
class Decisions {
  readonly #run: SwingRun;
  #told = 0;
  #shown = '';

  constructor(run: SwingRun) {
    this.#run = run;
  }

  /** Resolves with the number of brokers when all of them serve; 0 while some start or drain. */
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
