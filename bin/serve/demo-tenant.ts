/**
 * The demo tenant: created at first start. Its key is kept in a 0600 file of shell variables, because it is shown only
 * once. The admin key lives in the same file.
 *
 * Gateways that start first at the same moment share one demo tenant. Only one of them can create the file, and it
 * generates the secrets; the others use what the file says. All create tenant, cluster and key conditionally, so a later
 * gateway finds them already there.
 */
import { chmodSync, existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import type { Random } from '../../engine/kernel/random.ts';
import { newApiKey, parseApiKey } from '../../tenancy/access/api-key-text.ts';
import { AlreadyExists } from '../../tenancy/failures.ts';
import type { Tenancy } from '../../tenancy/tenancy.ts';
import { type Addresses, hostAndPort } from './addresses.ts';

export interface DemoAccess {
  readonly adminKey: string;
  readonly apiKey: string;
  readonly keyId: string;
  readonly clusterId: string;
}

/** The file's content before the tenant exists: no cluster. */
export type DemoSecrets = Omit<DemoAccess, 'clusterId'> & Partial<DemoAccess>;

/** How long to wait until another gateway's creation is visible here. */
const seenWaitMsMax = 10_000;
const seenPollMs = 20;

/**
 * The secrets that an earlier start kept, or that another gateway has just generated; otherwise generated and stored here.
 */
export function demoSecrets(path: string, random: Random): DemoSecrets {
  const file = readValues(path);
  const kept = file && secretsIn(file);
  if (kept) return kept;
  const apiKey = newApiKey(random);
  const adminKey = file?.get('ADMIN_KEY') ?? `hga_${random.bytes(32).toString('base64url')}`;
  const drawn = { adminKey, apiKey, keyId: parseApiKey(apiKey)!.keyId };
  const draft = writeDraft(path, secretLines(drawn));
  try {
    // A file that was there and lacked something was edited by somebody. Where there was none, another gateway may have
    // made it since: only a link tells whose file is the first, and a rename here would leave that gateway with keys that
    // no file names.
    if (file) renameSync(draft, path);
    else linkSync(draft, path);
    return drawn;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const others = secretsIn(readValues(path) ?? new Map());
    if (!others) throw error;
    return others;
  } finally {
    rmSync(draft, { force: true });
  }
}

function secretsIn(values: ReadonlyMap<string, string>): DemoSecrets | undefined {
  const [adminKey, apiKey, keyId, clusterId] = ['ADMIN_KEY', 'API_KEY', 'SASL_USERNAME', 'CLUSTER'].map((name) =>
    values.get(name),
  );
  return adminKey && apiKey && keyId ? { adminKey, apiKey, keyId, ...(clusterId ? { clusterId } : {}) } : undefined;
}

/** The file's variables that have a value, read at once: another process may replace the file at any moment. */
function readValues(path: string): Map<string, string> | undefined {
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, 'utf8').matchAll(/^HEADGATE_(\w+)=(.+)$/gm);
  return new Map(Array.from(lines, ([, name, value]) => [name!, value!]));
}

/** Written whole or not at all, and readable only by its owner from the first byte on. */
export function writeDemoEnv(path: string, access: DemoAccess, addresses: Addresses): void {
  const { kafkaHost, httpHost, kafkaPort, httpPort, adminPort, tls } = addresses;
  const scheme = tls ? 'https' : 'http';
  const lines = [
    `HEADGATE_KAFKA=${hostAndPort(kafkaHost, kafkaPort)}`,
    `HEADGATE_HTTP=${scheme}://${hostAndPort(httpHost, httpPort)}`,
    `HEADGATE_ADMIN=${scheme}://${hostAndPort(httpHost, adminPort)}`,
    ...secretLines(access),
    `HEADGATE_CLUSTER=${access.clusterId}`,
  ];
  renameSync(writeDraft(path, lines), path);
}

function secretLines({ adminKey, apiKey, keyId }: Omit<DemoAccess, 'clusterId'>): string[] {
  return [
    `HEADGATE_ADMIN_KEY=${adminKey}`,
    `HEADGATE_API_KEY=${apiKey}`,
    `HEADGATE_SASL_USERNAME=${keyId}`,
    `HEADGATE_SASL_PASSWORD=${apiKey}`,
  ];
}

/** Under a name that no other process uses. */
function writeDraft(path: string, lines: readonly string[]): string {
  const draft = `${path}.${process.pid}.new`;
  try {
    writeFileSync(draft, `${lines.join('\n')}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  return draft;
}

/**
 * The demo tenant's access: what the file says, as long as its key works; otherwise creates whichever of tenant, cluster
 * and key are missing.
 */
export async function ensureDemoTenant(tenancy: Tenancy, secrets: DemoSecrets, clock: Clock): Promise<DemoAccess> {
  const { adminKey, apiKey, keyId, clusterId } = secrets;
  const isKnown = clusterId !== undefined && tenancy.access.authenticate(apiKey)?.clusterId === clusterId;
  if (isKnown) return { adminKey, apiKey, keyId, clusterId };
  const tenant = await foundOrMade(
    clock,
    () => tenancy.tenants().find(({ name }) => name === 'demo'),
    () => tenancy.createTenant('demo'),
  );
  const cluster = await foundOrMade(
    clock,
    () => tenancy.clusters(tenant.tenantId).find(({ name }) => name === 'demo'),
    () => tenancy.createCluster({ tenantId: tenant.tenantId, name: 'demo' }),
  );
  // A key that once existed and no longer works was revoked.
  const key = await tenancy.issueKey(cluster.clusterId, 'demo', clusterId === undefined ? apiKey : undefined);
  return { adminKey, apiKey: key.apiKey, keyId: key.keyId, clusterId: cluster.clusterId };
}

/** What another gateway creates at the same time is visible here a moment later. */
async function foundOrMade<T>(clock: Clock, find: () => T | undefined, make: () => Promise<T>): Promise<T> {
  const deadlineMs = clock.monotonicMs() + seenWaitMsMax;
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    try {
      return await make();
    } catch (failure) {
      if (!(failure instanceof AlreadyExists) || clock.monotonicMs() >= deadlineMs) throw failure;
    }
    await sleep(clock, seenPollMs);
  }
}
