/**
 * What the doors were asked, how long it took, what they refused, and the errors inside their answers, since the process
 * began: plain numbers that are read when somebody looks at the metrics. A reason is the door's own term: an HTTP status, a problem's code or the
 * name of a Kafka error. So there are as many of them as the protocols define, whatever clients send.
 */
import type { ClusterLimits } from '../tenancy/tenancy.ts';
import { Durations } from './durations.ts';

export const trafficDoors = ['kafka', 'http', 'websocket', 'admin'] as const;
export type TrafficDoor = (typeof trafficDoors)[number];

export class Traffic {
  /** Kafka requests, HTTP answers begun, messages on WebSockets, and answers of the control plane. */
  readonly requests: Record<TrafficDoor, number> = { kafka: 0, http: 0, websocket: 0, admin: 0 };
  readonly #refusals = perDoor();
  readonly #quotaRefusals = perDoor();
  /** By door and API. */
  readonly #answerErrors: Readonly<Record<TrafficDoor, Map<string, Map<string, number>>>> = {
    kafka: new Map(),
    http: new Map(),
    websocket: new Map(),
    admin: new Map(),
  };

  readonly #durations: Readonly<Record<TrafficDoor, Map<string, Durations>>> = {
    kafka: new Map(),
    http: new Map(),
    websocket: new Map(),
    admin: new Map(),
  };

  /** To record in, for as long as the process lives. `api`: as Apache Kafka names it, a route, or a command. */
  durations(door: TrafficDoor, api: string): Durations {
    let durations = this.#durations[door].get(api);
    if (!durations) this.#durations[door].set(api, (durations = new Durations()));
    return durations;
  }

  allDurations(): [door: TrafficDoor, api: string, durations: Durations][] {
    return trafficDoors.flatMap((door) =>
      [...this.#durations[door]].map(([api, each]): [TrafficDoor, string, Durations] => [door, api, each]),
    );
  }

  refused(door: TrafficDoor, reason: string): void {
    increment(this.#refusals[door], reason);
  }

  /** A refusal, counted above, whose reason was a limit of the cluster. */
  limited(door: TrafficDoor, quota: keyof ClusterLimits): void {
    increment(this.#quotaRefusals[door], quota);
  }

  /**
   * The error of a partition, a topic, a group or a record, in an answer that may be about others too. Also one that the
   * client did not want to hear of (acks=0). `api`: 'Produce', as Apache Kafka names it, or 'produce' and 'read'.
   */
  failedInside(door: TrafficDoor, api: string, error: string, count = 1): void {
    let errors = this.#answerErrors[door].get(api);
    if (!errors) this.#answerErrors[door].set(api, (errors = new Map()));
    errors.set(error, (errors.get(error) ?? 0) + count);
  }

  /** An answer with an HTTP status. */
  replied(door: 'http' | 'admin', status: number): void {
    this.requests[door]++;
    if (status >= 400) this.refused(door, String(status));
  }

  refusals(): [door: TrafficDoor, reason: string, count: number][] {
    return listed(this.#refusals);
  }

  answerErrors(): [door: TrafficDoor, api: string, error: string, count: number][] {
    return trafficDoors.flatMap((door) =>
      [...this.#answerErrors[door]].flatMap(([api, errors]) =>
        [...errors].map(([error, count]): [TrafficDoor, string, string, number] => [door, api, error, count]),
      ),
    );
  }

  quotaRefusals(): [door: TrafficDoor, quota: string, count: number][] {
    return listed(this.#quotaRefusals);
  }
}

type PerDoor = Readonly<Record<TrafficDoor, Map<string, number>>>;

function perDoor(): PerDoor {
  return { kafka: new Map(), http: new Map(), websocket: new Map(), admin: new Map() };
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function listed(counts: PerDoor): [TrafficDoor, string, number][] {
  return trafficDoors.flatMap((door) =>
    [...counts[door]].map(([name, count]): [TrafficDoor, string, number] => [door, name, count]),
  );
}
