/**
 * What the doors were asked and what they refused, since the process began: plain numbers that are read when somebody looks
 * at the metrics. A reason is the door's own term: an HTTP status, a problem's code or the name of a Kafka error. So there
 * are as many of them as the protocols define, whatever clients send.
 */
import type { ClusterLimits } from '../tenancy/tenancy.ts';

export const trafficDoors = ['kafka', 'http', 'websocket', 'admin'] as const;
export type TrafficDoor = (typeof trafficDoors)[number];

export class Traffic {
  /** Kafka requests, HTTP answers begun, messages on WebSockets, and answers of the control plane. */
  readonly requests: Record<TrafficDoor, number> = { kafka: 0, http: 0, websocket: 0, admin: 0 };
  readonly #refusals = perDoor();
  readonly #quotaRefusals = perDoor();

  refused(door: TrafficDoor, reason: string): void {
    increment(this.#refusals[door], reason);
  }

  /** A refusal, counted above, whose reason was a limit of the cluster. */
  limited(door: TrafficDoor, quota: keyof ClusterLimits): void {
    increment(this.#quotaRefusals[door], quota);
  }

  /** An answer with an HTTP status. */
  replied(door: 'http' | 'admin', status: number): void {
    this.requests[door]++;
    if (status >= 400) this.refused(door, String(status));
  }

  refusals(): [door: TrafficDoor, reason: string, count: number][] {
    return listed(this.#refusals);
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
