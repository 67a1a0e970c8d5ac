/**
 * Which label a cluster has in the metrics: its own id while there are few, and 'other' beyond. A cluster keeps its label,
 * and what 'other' has counted stays in it when a cluster is deleted: a counter that falls would read as a reset, and all it
 * ever counted as new.
 */
import type { ClusterLimits, ClusterView, Usage } from '../../tenancy/tenancy.ts';

export const other = 'other';
const nothing: Usage = {
  clusterId: other,
  producedBytes: 0,
  producedRecords: 0,
  fetchedBytes: 0,
  fetchedRecords: 0,
  throttledMs: {},
};

function sum(one: Usage, more: Usage): Usage {
  const throttledMs = { ...one.throttledMs };
  for (const [quota, ms] of Object.entries(more.throttledMs) as [keyof ClusterLimits, number][]) {
    throttledMs[quota] = (throttledMs[quota] ?? 0) + ms;
  }
  return {
    clusterId: other,
    producedBytes: one.producedBytes + more.producedBytes,
    producedRecords: one.producedRecords + more.producedRecords,
    fetchedBytes: one.fetchedBytes + more.fetchedBytes,
    fetchedRecords: one.fetchedRecords + more.fetchedRecords,
    throttledMs,
  };
}

export class ClusterLabels {
  readonly #ownMax: number;
  readonly #labels = new Map<string, string>();
  #own = 0;
  #hasOthers = false;
  /** Of each cluster among the others, as it was seen last. */
  readonly #lastOfOthers = new Map<string, Usage>();
  #deletedOthers: Usage = nothing;

  constructor(ownMax: number) {
    this.#ownMax = ownMax;
  }

  /** The oldest clusters come first to labels of their own. */
  of(clusters: Iterable<ClusterView>): [label: string, cluster: ClusterView][] {
    const present = [...clusters].sort((a, b) => a.createdAtMs - b.createdAtMs);
    this.#forgetAllBut(new Set(present.map(({ clusterId }) => clusterId)));
    return present.map((cluster) => [this.#labelOf(cluster.clusterId), cluster]);
  }

  totals(clusters: Iterable<ClusterView>, countedOf: (clusterId: string) => Usage): [label: string, counted: Usage][] {
    const own: [string, Usage][] = [];
    for (const [label, { clusterId }] of this.of(clusters)) {
      const counted = countedOf(clusterId);
      if (label === other) this.#lastOfOthers.set(clusterId, counted);
      else own.push([label, counted]);
    }
    let others = this.#deletedOthers;
    for (const counted of this.#lastOfOthers.values()) others = sum(others, counted);
    return this.#hasOthers ? [...own, [other, others]] : own;
  }

  #labelOf(clusterId: string): string {
    let label = this.#labels.get(clusterId);
    if (label === undefined) {
      label = this.#own < this.#ownMax ? clusterId : other;
      if (label === other) this.#hasOthers = true;
      else this.#own++;
      this.#labels.set(clusterId, label);
    }
    return label;
  }

  #forgetAllBut(present: ReadonlySet<string>): void {
    for (const [clusterId, label] of this.#labels) {
      if (present.has(clusterId)) continue;
      this.#labels.delete(clusterId);
      if (label !== other) this.#own--;
      const last = this.#lastOfOthers.get(clusterId);
      if (!last) continue;
      this.#lastOfOthers.delete(clusterId);
      this.#deletedOthers = sum(this.#deletedOthers, last);
    }
  }
}
