/** A control plane over real tenancy and an in-memory engine, called without a socket. */
import { manualClock, type ManualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { openTenancy } from '../../tenancy/open-tenancy.ts';
import type { Tenancy } from '../../tenancy/tenancy.ts';
import { ConnectionRoom } from '../connection-room.ts';
import { Traffic } from '../traffic.ts';
import { FairTurns } from '../fair-turns.ts';
import { gatewayDefaults } from '../settings.ts';
import { type Admin, createAdminApp } from './create-app.ts';
import { type MemoryEngine, memoryEngine } from './memory-engine.suite.ts';
import type { AdminLimits, AdminOptions } from './options.ts';

export const adminKey = 'hga_test';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export interface AdminInTest {
  readonly admin: Admin;
  readonly options: AdminOptions;
  readonly memory: MemoryEngine;
  readonly tenancy: Tenancy;
  readonly clock: ManualClock;
  isReady: boolean;
  readonly logged: string[];
  ask(method: string, path: string, body?: unknown, key?: string): Promise<Answer>;
  /** Creates a tenant with a cluster and returns the cluster's id. */
  cluster(name?: string): Promise<string>;
}

export async function adminInTest(limits: Partial<AdminLimits> = {}): Promise<AdminInTest> {
  const clock = manualClock();
  const random = seededRandom(7);
  const store = memoryStore({ clock });
  const memory = memoryEngine(store, random);
  const tenancy = await openTenancy({ store, clock, random });
  const logged: string[] = [];
  const options: AdminOptions = {
    context: {
      tenancy,
      clock,
      random,
      engine: memory.engine,
      settings: gatewayDefaults,
      connections: new ConnectionRoom(20_000),
      turns: new FairTurns(clock, gatewayDefaults.clusterTurnMsMax),
      traffic: new Traffic(),
      log: (event, fields) => void logged.push(`${event} ${JSON.stringify(fields)}`),
    },
    fleet: memory,
    adminKey,
    readiness: {
      isReady: () => test.isReady,
      look: async () => ({ isReady: test.isReady, reasons: test.isReady ? [] : ['broker 2 is gone'] }),
    },
    limits,
  };
  const admin = createAdminApp(options);
  const test: AdminInTest = {
    admin,
    options,
    memory,
    tenancy,
    clock,
    logged,
    isReady: true,
    async ask(method, path, body, key = adminKey) {
      const response = await admin.app.request(path, {
        method,
        headers: {
          ...(key && { Authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('Content-Type') ?? '');
      return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : { text } };
    },
    async cluster(name = 'main') {
      const tenant = tenancy.tenants()[0] ?? (await tenancy.createTenant('acme'));
      return (await tenancy.createCluster({ tenantId: tenant.tenantId, name })).clusterId;
    },
  };
  return test;
}
