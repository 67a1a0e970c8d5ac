/**
 * Shared by all scenarios: Headgate's address, the load profile, and the checks. Thresholds are about correctness and
 * errors, never about times: a slow machine is not a defect. k6 runs this file directly, not Node.
 */
import http from 'k6/http';
import { Counter, Rate } from 'k6/metrics';
import type { Options, Scenario } from 'k6/options';

export const httpUrl = __ENV['HEADGATE_HTTP'] ?? 'http://127.0.0.1:8080';
export const apiKey = __ENV['HEADGATE_API_KEY'] ?? '';
const adminUrl = __ENV['HEADGATE_ADMIN'] ?? '';
const adminKey = __ENV['HEADGATE_ADMIN_KEY'] ?? '';
/** Names topics of this run, so that runs on one server do not read each other's records. */
export const runId = __ENV['LOAD_RUN_ID'] ?? 'run';

/** Acknowledged by the server. */
export const acknowledged = new Counter('records_acknowledged');
export const received = new Counter('records_received');
/** Every wrong record is one sample of 1, so that the rate is 0 when all is well. */
export const lost = new Rate('records_lost');
export const repeated = new Rate('records_repeated');
export const disordered = new Rate('records_out_of_order');
export const failedRequests = new Rate('requests_failed');

type Stage = { readonly duration: string; readonly target: number };

/** smoke: does it work; load: a usual day; stress: more than it can handle; spike: from nothing to much at once. */
const profiles: Readonly<Record<string, { readonly start: number; readonly stages: readonly Stage[] }>> = {
  smoke: { start: 2, stages: [{ duration: '4s', target: 2 }] },
  load: {
    start: 1,
    stages: [
      { duration: '20s', target: 20 },
      { duration: '60s', target: 20 },
      { duration: '10s', target: 0 },
    ],
  },
  stress: {
    start: 1,
    stages: [
      { duration: '30s', target: 50 },
      { duration: '30s', target: 150 },
      { duration: '30s', target: 300 },
      { duration: '20s', target: 0 },
    ],
  },
  spike: {
    start: 1,
    stages: [
      { duration: '10s', target: 2 },
      { duration: '2s', target: 200 },
      { duration: '20s', target: 200 },
      { duration: '10s', target: 2 },
    ],
  },
};

export const profileName = __ENV['LOAD_PROFILE'] ?? 'smoke';
export const profile = profiles[profileName] ?? profiles['smoke']!;

/** Seconds that the profile takes, for scenarios that run at the same time. */
export const profileSeconds = profile.stages.reduce((sum, { duration }) => sum + Number.parseInt(duration, 10), 0);

export function pressing(exec: string): Scenario {
  return {
    executor: 'ramping-vus',
    exec,
    startVUs: profile.start,
    stages: [...profile.stages],
    gracefulRampDown: '10s',
    gracefulStop: '20s',
  };
}

/** One iteration for each of `vus`, for slightly longer than the profile takes. */
export function beside(exec: string, vus = 1): Scenario {
  return { executor: 'per-vu-iterations', exec, vus, iterations: 1, maxDuration: `${profileSeconds + 60}s` };
}

/** A server over its limits rightly refuses produce requests; only stress and spike may cause that. */
const refusedShareMax = profileName === 'stress' || profileName === 'spike' ? 0.05 : 0.001;

export function optionsOf(scenarios: Record<string, Scenario>): Options {
  return {
    scenarios,
    thresholds: {
      records_lost: ['rate==0'],
      records_repeated: ['rate==0'],
      records_out_of_order: ['rate==0'],
      requests_failed: [`rate<=${refusedShareMax}`],
      checks: ['rate==1'],
    },
    setupTimeout: '60s',
    teardownTimeout: '120s',
  };
}

export interface Access {
  readonly apiKey: string;
  readonly clusterId: string;
  readonly keyId: string;
}

export function bearer(key: string): Record<string, string> {
  return { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
}

/** Throws on anything but 2xx: without its topic a scenario has no meaning. */
export function makeTopic(key: string, name: string, partitions: number): void {
  const answer = http.post(`${httpUrl}/v1/topics`, JSON.stringify({ name, partitions }), { headers: bearer(key) });
  if (answer.status !== 201) throw new Error(`creating ${name}: ${answer.status} ${String(answer.body)}`);
}

function admin(method: string, path: string, body?: unknown): Record<string, string> {
  const answer = http.request(method, `${adminUrl}/admin/v1${path}`, body === undefined ? null : JSON.stringify(body), {
    headers: bearer(adminKey),
  });
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`${method} ${path}: ${answer.status} ${String(answer.body)}`);
  return answer.body ? (answer.json() as Record<string, string>) : {};
}

/** Creates a separate tenant through the control plane. */
export function makeTenant(name: string): Access {
  const { tenantId } = admin('POST', '/tenants', { name });
  const { clusterId } = admin('POST', '/clusters', { tenantId, name });
  return makeKey(clusterId!);
}

export function makeKey(clusterId: string): Access {
  const { keyId, apiKey: key } = admin('POST', `/clusters/${clusterId}/keys`, { name: 'load' });
  return { clusterId, keyId: keyId!, apiKey: key! };
}

export function revokeKey({ clusterId, keyId }: Access): void {
  admin('DELETE', `/clusters/${clusterId}/keys/${keyId}`);
}
