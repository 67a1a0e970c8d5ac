/**
 * What the page shows, from the engine's last state and the events since. The state is requested every second and events
 * arrive at once, so the page shows a broker dead when its event arrives and not only at the next request. Pure.
 */
import type { EngineShown } from '../engine-schemas.ts';
import type { EventShown } from '../schemas.ts';
import { pluralText } from './format.ts';

export type BrokerState = EngineShown['brokers'][number]['state'];
export type Tone = 'good' | 'warn' | 'bad' | 'plain';

export interface Incident {
  readonly diedAtMs: number;
  readonly reason: string;
  /** Absent until the broker serves again. */
  readonly backAtMs?: number;
}

export type BrokerShown = EngineShown['brokers'][number] & {
  readonly incident: Incident | undefined;
  readonly servesSinceMs: number | undefined;
};

/** How many events the page keeps; older ones are in the server's log. */
export const eventsKeptMax = 300;

const stateAfter: Readonly<Record<string, BrokerState>> = {
  'broker-dead': 'fenced',
  'broker-hung': 'fenced',
  'broker-fenced': 'fenced',
  'broker-started': 'serving',
  'broker-draining': 'draining',
};

/**
 * A death is shown for at least this long. A broker with a standby process is back before a person, or the next answer of
 * the control plane, has noticed.
 */
export const deathShownMsMin = 800;

/** The brokers, each updated with events newer than the state. `nowMs` is the server's time. */
export function brokersShown(engine: EngineShown, events: readonly EventShown[], nowMs: number): BrokerShown[] {
  return engine.brokers.map((broker) => {
    let { state } = broker;
    let incident: Incident | undefined;
    let servesSinceMs: number | undefined;
    for (const { brokerId, kind, reason, atMs } of events) {
      if (brokerId !== broker.brokerId) continue;
      if (atMs > engine.atMs && Object.hasOwn(stateAfter, kind)) state = stateAfter[kind] ?? state;
      if (kind === 'broker-dead') incident = { diedAtMs: atMs, reason };
      if (kind !== 'broker-started') continue;
      servesSinceMs = atMs;
      if (incident && incident.backAtMs === undefined) incident = { ...incident, backAtMs: atMs };
    }
    if (incident && nowMs - incident.diedAtMs < deathShownMsMin) state = 'fenced';
    return { ...broker, state, incident, servesSinceMs };
  });
}

/** Adds new events, each once and in its place: a resumed stream may begin a little early. */
export function withEvent(events: readonly EventShown[], event: EventShown): readonly EventShown[] {
  if (events.some(({ id }) => id === event.id)) return events;
  return [...events, event].slice(-eventsKeptMax);
}

export function toneOf(kind: string): Tone {
  if (/dead|hung|lost|failed|fenced|brake|down/.test(kind)) return 'bad';
  if (/drain|evacuat|moved|scale|recovered|given/.test(kind)) return 'warn';
  if (/started|taken|restored|served/.test(kind)) return 'good';
  return 'plain';
}

export function isScaling(kind: string): boolean {
  return /scal/.test(kind);
}

export interface Verdict {
  readonly tone: Tone;
  readonly text: string;
}

/** Summarises the state in one sentence. */
export function verdictOf(engine: EngineShown, brokers: readonly BrokerShown[]): Verdict {
  const away = brokers.filter(({ state }) => state !== 'serving' && state !== 'draining');
  const down = engine.zones.filter(({ zone }) => {
    const own = brokers.filter((broker) => broker.zone === zone);
    return own.length > 0 && own.every((broker) => away.includes(broker));
  });
  if (away.length === brokers.length) return { tone: 'bad', text: 'No broker serves' };
  if (engine.partitions.withoutOwner > 0) {
    return { tone: 'bad', text: `${engine.partitions.withoutOwner} partitions have no owner` };
  }
  if (down.length > 0) return { tone: 'bad', text: `Zone ${down.map(({ zone }) => zone).join(', ')} is down` };
  if (away.length > 0)
    return { tone: 'warn', text: `Broker ${away.map(({ brokerId }) => brokerId).join(', ')} is away` };
  return { tone: 'good', text: 'All zones serve' };
}

export type Load = NonNullable<EngineShown['brokers'][number]['load']>;

export const idle: Load = { bytesInPerSecond: 0, bytesOutPerSecond: 0, requestsPerSecond: 0, share: 0 };

/** A broker that reports nothing has nothing to report. */
export function loadOf({ load = idle }: BrokerShown): Load {
  return load;
}

/** Its share of all partitions, 0 to 1. */
export function partOf({ partitions }: BrokerShown, brokers: readonly BrokerShown[]): number {
  const all = brokers.reduce((sum, broker) => sum + broker.partitions, 0);
  return all === 0 ? 0 : partitions / all;
}

/** The total load of the brokers. */
export function trafficOf(brokers: readonly BrokerShown[]): { readonly bytesIn: number; readonly bytesOut: number } {
  const loads = brokers.map(loadOf);
  return {
    bytesIn: loads.reduce((sum, load) => sum + load.bytesInPerSecond, 0),
    bytesOut: loads.reduce((sum, load) => sum + load.bytesOutPerSecond, 0),
  };
}

type Scaling = NonNullable<EngineShown['scaling']>;

const decisionWords: Readonly<Record<Scaling['decision'], string>> = { stay: 'stays', out: 'grows', in: 'shrinks' };

/** How large the fleet should be and why, in a sentence. */
export function scalingText({
  brokers,
  brokersMin,
  brokersMax,
  override,
  decision,
  reason,
  evacuatedZones,
}: Scaling): string {
  const bounds = brokersMin === brokersMax ? '' : ` of ${brokersMin} to ${brokersMax}`;
  const why = override === null ? `${decisionWords[decision]}: ${reason}` : 'set by an operator';
  const empty = evacuatedZones.length === 0 ? '' : ` · evacuated: zone ${evacuatedZones.join(', ')}`;
  return `${pluralText(brokers, 'broker')} wanted${bounds} · ${why}${empty}`;
}
