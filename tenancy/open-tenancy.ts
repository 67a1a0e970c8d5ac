/**
 * Assembles tenancy over a metadata store. It reads and watches five kinds of rows. Every change of a cluster or a key, no
 * matter who made it, flows from its row to the table, the limiter and the access check. This process's own changes take
 * the same path without waiting for the feed.
 */
import type { Clock } from '../engine/kernel/clock.ts';
import type { Random } from '../engine/kernel/random.ts';
import type { MetadataStore } from '../engine/ports.ts';
import type { Persistence } from '../engine/store-surely.ts';
import { KeyAccess } from './access/access.ts';
import { Keys } from './access/keys.ts';
import { ClusterTable } from './clusters/cluster-table.ts';
import { Clusters } from './clusters/clusters.ts';
import { NotFound } from './failures.ts';
import { UsageMeter } from './metering/meter.ts';
import { RowCountGuard } from './quota/counts.ts';
import { ClusterLimiter } from './quota/limiter.ts';
import { type ApiKeyRow, apiKeysPk, decodeApiKey } from './rows/api-key.ts';
import { type ClusterCounts, clusterCountsPk, decodeClusterCounts } from './rows/cluster-counts.ts';
import { type ClusterRow, clustersPk, decodeCluster } from './rows/cluster.ts';
import { decodeTenant, type TenantRow, tenantsPk } from './rows/tenant.ts';
import { decodeUsage, type UsageRow, usagePk } from './rows/usage.ts';
import { type TenancySettings, tenancyDefaults } from './settings.ts';
import { Tenants } from './tenants/tenants.ts';
import type { ClusterView, Tenancy } from './tenancy.ts';
import { WatchedRows } from './watched-rows.ts';

export interface TenancyOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings?: Partial<TenancySettings>;
  /** Text for operators. Never a secret. */
  readonly log?: (event: string, fields: Readonly<Record<string, string>>) => void;
}

/** Waits while the store is unreachable; throws the store's last failure when that takes too long, and RowCorrupt. */
export async function openTenancy(options: TenancyOptions): Promise<Tenancy> {
  const settings: TenancySettings = { ...tenancyDefaults, ...options.settings };
  const { store, clock, random, log } = options;
  let closed = false;
  const persistence: Persistence = { store, clock, random, stopped: () => closed };
  const watched = await watchRows(persistence, log);
  const { tenantRows, clusterRows, countRows, keyRows, usageRows } = watched.rows;

  const limiter = new ClusterLimiter(settings);
  const table = new ClusterTable((clusterId) => countRows.get(clusterId)?.value);
  const access = new KeyAccess({
    clock,
    verifiedKeysMax: settings.verifiedKeysMax,
    tenantOf: (clusterId) => table.view(clusterId)?.tenantId,
    expired: (keyId) => void keys.sweep(keyId),
  });
  const { storeWaitMsMax } = settings;
  const keys = new Keys({ ...settings, persistence, rows: keyRows, access });
  const tenants = new Tenants({ persistence, rows: tenantRows, storeWaitMsMax });
  const clusters = new Clusters({
    ...settings,
    persistence,
    stored: (clusterId, row, version) => clusterRows.put(clusterId, row, version),
    removed: (clusterId) => clusterRows.remove(clusterId),
    keyRemoved: (keyId) => keyRows.remove(keyId),
  });

  const clusterChanged = (clusterId: string, row: ClusterRow | undefined): void => {
    const served = table.view(clusterId)?.state === 'serving';
    if (row) {
      const { view, usage } = table.set(clusterId, row);
      limiter.setCluster(clusterId, view.limits, usage);
    } else {
      table.remove(clusterId);
      limiter.removeCluster(clusterId);
      meter.forget(clusterId);
    }
    if (!row || (served && row.state !== 'serving')) access.clusterStopped(clusterId);
  };
  for (const [clusterId, { value }] of clusterRows.entries()) clusterChanged(clusterId, value);
  for (const [keyId, { value }] of keyRows.entries()) access.keyChanged(keyId, value);
  watched.connect({
    cluster: clusterChanged,
    counts: (clusterId, counts) => table.countsChanged(clusterId, counts),
    key: (keyId, row) => access.keyChanged(keyId, row),
  });

  const meter = new UsageMeter({
    persistence,
    rows: usageRows,
    flushMs: settings.usageFlushMs,
    storeWaitMsMax,
    fault: (clusterId, cause) => log?.('usage-not-written', { cluster: clusterId, cause: String(cause) }),
  });
  const counts = new RowCountGuard(persistence, {
    waitMsMax: storeWaitMsMax,
    limits: (clusterId) => table.view(clusterId)?.limits,
  });
  const close = async (): Promise<void> => {
    if (closed) return;
    await meter.close();
    closed = true;
    access.close();
    watched.close();
  };
  return facade({ access, limiter, meter, counts, table, tenants, clusters, keys, close });
}

interface Parts {
  readonly access: KeyAccess;
  readonly limiter: ClusterLimiter;
  readonly meter: UsageMeter;
  readonly counts: RowCountGuard;
  readonly table: ClusterTable;
  readonly tenants: Tenants;
  readonly clusters: Clusters;
  readonly keys: Keys;
  readonly close: () => Promise<void>;
}

function facade({ access, limiter, meter, counts, table, tenants, clusters, keys, close }: Parts): Tenancy {
  const existing = (clusterId: string): ClusterView => {
    const view = table.view(clusterId);
    if (!view) throw new NotFound('cluster', clusterId);
    return view;
  };
  return {
    access,
    limiter,
    meter,
    counts,
    cluster: (clusterId) => table.view(clusterId),
    createTenant: (name) => tenants.create(name),
    deleteTenant: (tenantId) => tenants.delete(tenantId),
    tenants: () => tenants.list(),
    createCluster: async (spec) => existing(await clusters.create(spec)),
    async updateCluster(clusterId, change) {
      await clusters.update(clusterId, change);
      return existing(clusterId);
    },
    deleteCluster: (clusterId, deleteTopics) => clusters.delete(clusterId, deleteTopics),
    clusters: (tenantId) => table.views(tenantId),
    issueKey: (clusterId, name, apiKey) => keys.issue(clusterId, name, apiKey),
    rotateKey: (clusterId, keyId, graceMs) => keys.rotate(clusterId, keyId, graceMs),
    revokeKey: (clusterId, keyId) => keys.revoke(clusterId, keyId),
    keys: (clusterId) => keys.list(clusterId),
    usage: (clusterId) => meter.usage(clusterId),
    counted: (clusterId) => meter.counted(clusterId),
    close,
  };
}

interface Sinks {
  cluster(clusterId: string, row: ClusterRow | undefined): void;
  counts(clusterId: string, counts: ClusterCounts | undefined): void;
  key(keyId: string, row: ApiKeyRow | undefined): void;
}

interface Watched {
  readonly rows: {
    readonly tenantRows: WatchedRows<TenantRow>;
    readonly clusterRows: WatchedRows<ClusterRow>;
    readonly countRows: WatchedRows<ClusterCounts>;
    readonly keyRows: WatchedRows<ApiKeyRow>;
    readonly usageRows: WatchedRows<UsageRow>;
  };
  /** Before this call, changes only update the rows. */
  connect(sinks: Sinks): void;
  close(): void;
}

async function watchRows(persistence: Persistence, log: TenancyOptions['log']): Promise<Watched> {
  let sinks: Sinks | undefined;
  const fault =
    (kind: string) =>
    (id: string, cause: unknown): void =>
      log?.('row-not-read', { kind, id, cause: String(cause) });
  const opened: { close(): void }[] = [];
  const open = async <T>(
    pk: string,
    decode: (row: Parameters<typeof decodeTenant>[0]) => T,
    changed?: (sk: string, next: T | undefined) => void,
  ): Promise<WatchedRows<T>> => {
    const rows = await WatchedRows.open(persistence, { pk, decode, fault: fault(pk), ...(changed && { changed }) });
    opened.push(rows);
    return rows;
  };
  const close = (): void => {
    for (const rows of opened) rows.close();
  };
  try {
    const rows = {
      tenantRows: await open(tenantsPk, decodeTenant),
      clusterRows: await open(clustersPk, decodeCluster, (id, next) => sinks?.cluster(id, next)),
      countRows: await open(clusterCountsPk, decodeClusterCounts, (id, next) => sinks?.counts(id, next)),
      keyRows: await open(apiKeysPk, decodeApiKey, (id, next) => sinks?.key(id, next)),
      usageRows: await open(usagePk, decodeUsage),
    };
    return { rows, connect: (given) => void (sinks = given), close };
  } catch (error) {
    close();
    throw error;
  }
}
