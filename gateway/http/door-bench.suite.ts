/** An HTTP door over the memory engine and a real tenancy, on either transport, with shorthands to call it. */
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import type { ClusterLimits, Tenancy } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import type { MemoryEngine } from '../kafka/testing/memory-engine.ts';
import type { GatewaySettings } from '../settings.ts';
import type { WebSocketSettings } from '../websocket/settings.ts';
import { type HttpDoor, startHttpDoor } from './door.ts';
import type { HttpDoorSettings } from './settings.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';

export type Driver = 'uws' | 'node';

export interface BenchTenant {
  readonly clusterId: string;
  readonly keyId: string;
  readonly apiKey: string;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** The bare response to a request that carries the key in its header. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

interface CallOptions {
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed when it is JSON. */
  // Untyped on purpose: the shape of an answer is what a test checks.
  readonly json: Json;
}

/** JSON accessed without type checks; a wrong guess fails the test that made it. */
export interface Json {
  readonly [name: string]: Json & string & number;
}

export interface Bench {
  readonly door: HttpDoor;
  readonly base: string;
  readonly engine: MemoryEngine;
  readonly tenancy: Tenancy;
  readonly context: GatewayContext;
  readonly logged: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
  tenant(name: string, limits?: Partial<ClusterLimits>, autoCreateTopics?: boolean): Promise<BenchTenant>;
  close(): Promise<void>;
}

export async function httpBench(
  driver: Driver,
  settings: Partial<HttpDoorSettings> = {},
  gateway: Partial<GatewaySettings> = {},
  websocket: Partial<WebSocketSettings> = {},
): Promise<Bench> {
  const { engine, tenancy, context, logged } = await gatewayInTest(
    { clock: systemClock, random: systemRandom },
    gateway,
  );
  const door = await startHttpDoor({
    context,
    host: '127.0.0.1',
    port: 0,
    exclusive: true,
    serverChoice: driver,
    settings,
    websocket,
  });
  const base = `http://127.0.0.1:${door.port}`;
  return {
    door,
    base,
    engine,
    tenancy,
    context,
    logged,
    async tenant(name, limits = {}, autoCreateTopics = true) {
      const { tenantId } = await tenancy.createTenant(name);
      const spec = { tenantId, name, autoCreateTopics, defaultPartitions: 2, limits: { ...roomy, ...limits } };
      const { clusterId } = await tenancy.createCluster(spec);
      return tenantOf(base, clusterId, await tenancy.issueKey(clusterId, 'test'));
    },
    async close() {
      await door.close(0);
      await tenancy.close();
    },
  };
}

/** These tests create topics in quick succession. */
const roomy: Partial<ClusterLimits> = { topicMutationsPerSecondMax: 1_000 };

function tenantOf(
  base: string,
  clusterId: string,
  key: { readonly keyId: string; readonly apiKey: string },
): BenchTenant {
  const withKey = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(base + path, { ...init, headers: { authorization: `Bearer ${key.apiKey}`, ...(init.headers as object) } });
  return {
    clusterId,
    ...key,
    fetch: withKey,
    async call(method, path, { json, body, headers = {} } = {}) {
      const type = json === undefined ? {} : { 'content-type': 'application/json' };
      const sent = json === undefined ? body : JSON.stringify(json);
      const response = await withKey(path, {
        method,
        headers: { ...type, ...headers },
        ...(sent === undefined ? {} : { body: sent }),
      });
      return answerOf(response);
    },
  };
}

/** Holds every read of the engine from now on, until they are all released at once. */
export function heldReads(engine: MemoryEngine): { release(): void } {
  const fetch = engine.fetch.bind(engine);
  let goOn = (): void => {};
  const released = new Promise<void>((resolve) => (goOn = resolve));
  engine.fetch = async (...asked) => {
    await released;
    return fetch(...asked);
  };
  return {
    release() {
      engine.fetch = fetch;
      goOn();
    },
  };
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson =
    /json/.test(response.headers.get('content-type') ?? '') &&
    !/ndjson/.test(response.headers.get('content-type') ?? '');
  const json = (isJson && text !== '' ? JSON.parse(text) : undefined) as Json;
  return { status: response.status, headers: response.headers, text, json };
}
