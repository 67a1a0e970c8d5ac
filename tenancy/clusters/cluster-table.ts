/**
 * Clusters as the data path sees them: one view object per cluster, rebuilt when its row changes and looked up by id. Its
 * `usage` is live: the counters row and the connection gauge write into it.
 */
import type { ClusterCounts } from '../rows/cluster-counts.ts';
import type { ClusterRow } from '../rows/cluster.ts';
import { limitsOf } from '../quota/limits.ts';
import type { ClusterView } from '../tenancy.ts';

export interface LiveUsage {
  topics: number;
  partitions: number;
  connections: number;
}

interface Entry {
  view: ClusterView;
  readonly usage: LiveUsage;
}

export class ClusterTable {
  readonly #entries = new Map<string, Entry>();
  readonly #counts: (clusterId: string) => ClusterCounts | undefined;

  /** `counts` gives the counts known when a cluster first appears; later ones come through countsChanged. */
  constructor(counts: (clusterId: string) => ClusterCounts | undefined) {
    this.#counts = counts;
  }

  view(clusterId: string): ClusterView | undefined {
    return this.#entries.get(clusterId)?.view;
  }

  /** In order of creation. */
  views(tenantId?: string): ClusterView[] {
    const views: ClusterView[] = [];
    for (const { view } of this.#entries.values()) {
      if (tenantId === undefined || view.tenantId === tenantId) views.push(view);
    }
    return views.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.clusterId < b.clusterId ? -1 : 1));
  }

  set(clusterId: string, row: ClusterRow): { readonly view: ClusterView; readonly usage: LiveUsage } {
    const known = this.#entries.get(clusterId);
    const counts = this.#counts(clusterId);
    const usage = known?.usage ?? { topics: counts?.topics ?? 0, partitions: counts?.partitions ?? 0, connections: 0 };
    const { tenantId, name, state, autoCreateTopics, defaultPartitions, createdAtMs } = row;
    const limits = limitsOf(row.profile, row.limits);
    const settings = { autoCreateTopics, defaultPartitions, limits, brokerConfigs: row.brokerConfigs ?? {} };
    const view = { clusterId, tenantId, name, state, ...settings, usage, createdAtMs };
    if (known) known.view = view;
    else this.#entries.set(clusterId, { view, usage });
    return { view, usage };
  }

  remove(clusterId: string): void {
    this.#entries.delete(clusterId);
  }

  countsChanged(clusterId: string, counts: ClusterCounts | undefined): void {
    const usage = this.#entries.get(clusterId)?.usage;
    if (!usage || !counts) return;
    usage.topics = counts.topics;
    usage.partitions = counts.partitions;
  }
}
