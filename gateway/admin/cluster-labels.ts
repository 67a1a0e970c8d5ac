/**
 * Which label a cluster has in the metrics: its own id while there are few, and 'other' beyond. A cluster keeps its label,
 * and what 'other' has counted stays in it when a cluster is deleted: a counter that falls would read as a reset, and all it
 * ever counted as new.
 *
 * All metrics of one scrape share one look at the clusters: one at ten thousand takes some 10 to 20 ms.
 */
import { addCounted, noCounters } from '../../tenancy/metering/counters.ts';
import type { ClusterView, Tenancy, Usage } from '../../tenancy/tenancy.ts';

export const other = 'other';

export class ClusterLabels {
  readonly #tenancy: Pick<Tenancy, 'clusters' | 'counted'>;
  readonly #ownMax: number;
  readonly #labels = new Map<string, string>();
  #own = 0;
  #hasOthers = false;
  /** Of each cluster among the others, as it was seen last. */
  readonly #lastOfOthers = new Map<string, Usage>();
  readonly #deletedOthers = noCounters();
  #present: readonly (readonly [label: string, cluster: ClusterView])[] = [];
  #totals: readonly (readonly [label: string, counted: Usage])[] = [];

  constructor(tenancy: Pick<Tenancy, 'clusters' | 'counted'>, ownMax: number) {
    this.#tenancy = tenancy;
    this.#ownMax = ownMax;
  }

  /** Begins a scrape: what the others return is as of now. The oldest clusters come first to labels of their own. */
  look(): void {
    const present = [...this.#tenancy.clusters()].sort((a, b) => a.createdAtMs - b.createdAtMs);
    this.#forgetAllBut(new Set(present.map(({ clusterId }) => clusterId)));
    this.#present = present.map((cluster) => [this.#labelOf(cluster.clusterId), cluster]);
    const own: [string, Usage][] = [];
    for (const [label, { clusterId }] of this.#present) {
      const counted = this.#tenancy.counted(clusterId);
      if (label === other) this.#lastOfOthers.set(clusterId, counted);
      else own.push([label, counted]);
    }
    if (this.#hasOthers) own.push([other, this.#others()]);
    this.#totals = own;
  }

  /** Many may have the label 'other'. */
  clusters(): readonly (readonly [label: string, cluster: ClusterView])[] {
    return this.#present;
  }

  /** One for each label. */
  totals(): readonly (readonly [label: string, counted: Usage])[] {
    return this.#totals;
  }

  #others(): Usage {
    const others = noCounters();
    addCounted(others, this.#deletedOthers);
    for (const counted of this.#lastOfOthers.values()) addCounted(others, counted);
    return { clusterId: other, ...others };
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
      addCounted(this.#deletedOthers, last);
    }
  }
}
