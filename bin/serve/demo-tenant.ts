/** The demo tenant: made at first start, its key kept in a 0600 file of shell variables, because it is shown only once. */
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Tenancy } from '../../tenancy/tenancy.ts';

export interface DemoAccess {
  readonly adminKey: string;
  readonly apiKey: string;
  readonly keyId: string;
  readonly clusterId: string;
}

export interface Addresses {
  readonly host: string;
  readonly kafkaPort: number;
  readonly httpPort: number;
  readonly adminPort: number;
  readonly tls: boolean;
}

/** What an earlier start kept, or undefined. */
export function readDemoEnv(path: string): DemoAccess | undefined {
  if (!existsSync(path)) return undefined;
  const values = new Map<string, string>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const match = /^(HEADGATE_\w+)=(.*)$/.exec(line);
    if (match) values.set(match[1]!, match[2]!);
  }
  const adminKey = values.get('HEADGATE_ADMIN_KEY');
  const apiKey = values.get('HEADGATE_API_KEY');
  const keyId = values.get('HEADGATE_SASL_USERNAME');
  const clusterId = values.get('HEADGATE_CLUSTER');
  return adminKey && apiKey && keyId && clusterId ? { adminKey, apiKey, keyId, clusterId } : undefined;
}

/** Written whole or not at all, readable by its owner alone from the first byte on. */
export function writeDemoEnv(path: string, access: DemoAccess, addresses: Addresses): void {
  const { host, kafkaPort, httpPort, adminPort, tls } = addresses;
  const scheme = tls ? 'https' : 'http';
  const named = host.includes(':') ? `[${host}]` : host;
  const lines = [
    `HEADGATE_KAFKA=${named}:${kafkaPort}`,
    `HEADGATE_HTTP=${scheme}://${named}:${httpPort}`,
    `HEADGATE_ADMIN=${scheme}://${named}:${adminPort}`,
    `HEADGATE_ADMIN_KEY=${access.adminKey}`,
    `HEADGATE_API_KEY=${access.apiKey}`,
    `HEADGATE_SASL_USERNAME=${access.keyId}`,
    `HEADGATE_SASL_PASSWORD=${access.apiKey}`,
    `HEADGATE_CLUSTER=${access.clusterId}`,
  ];
  const draft = `${path}.new`;
  writeFileSync(draft, `${lines.join('\n')}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, path);
}

/**
 * The demo tenant's access: what the file says, as long as its key still works; else a tenant, cluster and key, as far
 * as they are missing. The admin key lives in the same file and stays when the rest is made again.
 */
export async function ensureDemoTenant(
  tenancy: Tenancy,
  kept: DemoAccess | undefined,
  adminKey: string,
): Promise<DemoAccess> {
  if (kept && tenancy.access.authenticate(kept.apiKey)?.clusterId === kept.clusterId) return { ...kept, adminKey };
  const tenant = tenancy.tenants().find(({ name }) => name === 'demo') ?? (await tenancy.createTenant('demo'));
  const cluster =
    tenancy.clusters(tenant.tenantId).find(({ name }) => name === 'demo') ??
    (await tenancy.createCluster({ tenantId: tenant.tenantId, name: 'demo' }));
  const key = await tenancy.issueKey(cluster.clusterId, 'demo');
  return { adminKey, apiKey: key.apiKey, keyId: key.keyId, clusterId: cluster.clusterId };
}
