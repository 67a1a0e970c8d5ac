/** Metrics of the doors: connections, requests and refusals. Their labels are bounded by the protocols (traffic.ts). */
import { Gauge, type Registry } from 'prom-client';
import { doorNames } from '../connection-room.ts';
import { bucketBoundsMs } from '../durations.ts';
import { trafficDoors } from '../traffic.ts';
import { counter, histogram } from './collected.ts';
import type { AdminContext } from './options.ts';

export function doorMetrics(registry: Registry, { context: { connections, traffic } }: AdminContext): void {
  counter(
    registry,
    'headgate_connections_refused_total',
    'Connections that were closed because a door already had as many as it may have.',
    ['door'],
    () => doorNames.map((door) => [[door], connections[door].refused] as const),
  );
  new Gauge({
    name: 'headgate_door_connections',
    help: 'Open connections of a door, also of callers that are not known yet; those of WebSockets are with http.',
    labelNames: ['door'],
    registers: [registry],
    collect() {
      for (const door of doorNames) this.labels(door).set(connections[door].taken);
    },
  });
  counter(
    registry,
    'headgate_requests_total',
    'Kafka requests, HTTP answers, messages on WebSockets, and answers of the control plane (admin).',
    ['door'],
    () => trafficDoors.map((door) => [[door], traffic.requests[door]] as const),
  );
  histogram(
    registry,
    'headgate_request_duration_seconds',
    'From a request to its answer, by Kafka API, HTTP route, or command (websocket).',
    ['door', 'api'],
    bucketBoundsMs.map((ms) => ms / 1e3),
    () => traffic.allDurations().map(([door, api, { counts, sumMs }]) => [[door, api], counts, sumMs / 1e3] as const),
  );
  counter(
    registry,
    'headgate_refusals_total',
    'Requests that were refused or failed as a whole, by HTTP status, problem code (websocket) or Kafka error.',
    ['door', 'reason'],
    () => traffic.refusals().map(([door, reason, count]) => [[door, reason], count] as const),
  );
  counter(
    registry,
    'headgate_answer_errors_total',
    'Errors of single partitions, topics, groups and records inside answers, by Kafka error or problem code.',
    ['door', 'api', 'error'],
    () => traffic.answerErrors().map(([door, api, error, count]) => [[door, api, error], count] as const),
  );
  counter(
    registry,
    'headgate_quota_refusals_total',
    'Requests and connections that were refused because a cluster was at a limit, by limit.',
    ['door', 'quota'],
    () => traffic.quotaRefusals().map(([door, quota, count]) => [[door, quota], count] as const),
  );
}
