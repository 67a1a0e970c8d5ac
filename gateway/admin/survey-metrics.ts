/** What the survey knows, as metrics: stored bytes, groups by state, and lag by cluster and by group. */
import type { Registry } from 'prom-client';
import { type ClusterLabels, other } from './cluster-labels.ts';
import { gauge, type Labels } from './collected.ts';
import type { Survey } from './survey.ts';
import { type ClusterFigures, type Lag, together } from './survey-cluster.ts';

export function surveyMetrics(registry: Registry, survey: Survey, labels: ClusterLabels): void {
  /** Figures by label; those of 'other' are of several clusters. */
  const byLabel = (): Map<string, ClusterFigures[]> => {
    const known = new Map<string, ClusterFigures[]>();
    for (const [label, { clusterId }] of labels.clusters()) {
      const figures = survey.of(clusterId);
      const same = known.get(label);
      if (figures && same) same.push(figures);
      else if (figures) known.set(label, [figures]);
    }
    return known;
  };
  gauge(registry, 'headgate_stored_bytes', 'Bytes that the logs of a cluster hold.', () => bytesOf(byLabel()), [
    'cluster',
  ]);
  gauge(registry, 'headgate_groups', 'Consumer groups of a cluster, by state.', () => statesOf(byLabel()), [
    'cluster',
    'state',
  ]);
  const lagHelp = 'Records that the groups of a cluster have not committed, over all its groups and partitions.';
  gauge(registry, 'headgate_cluster_lag_records', lagHelp, () => lagsOf(byLabel(), 'sum'), ['cluster']);
  const lagMaxHelp = 'Records that a group of the cluster has not committed, of the partition that is most behind.';
  gauge(registry, 'headgate_cluster_lag_records_max', lagMaxHelp, () => lagsOf(byLabel(), 'max'), ['cluster']);
  const groupHelp = 'Records that a group has not committed, over all its partitions.';
  gauge(registry, 'headgate_group_lag_records', groupHelp, () => groupsOf(byLabel(), 'sum'), ['cluster', 'group']);
  const groupMaxHelp = 'Records that a group has not committed, of the partition that is most behind.';
  gauge(registry, 'headgate_group_lag_records_max', groupMaxHelp, () => groupsOf(byLabel(), 'max'), [
    'cluster',
    'group',
  ]);
  // The library shows a gauge that can have no labels as 0 while it has no value.
  const age = (): readonly [Labels, number][] => {
    const ageMs = survey.ageMs();
    return ageMs === undefined ? [] : [[{}, ageMs / 1000]];
  };
  gauge(registry, 'headgate_survey_age_seconds', 'Age of the oldest figure of stored bytes, groups and lag.', age, [
    'none',
  ]);
}

type ByLabel = ReadonlyMap<string, readonly ClusterFigures[]>;

function* bytesOf(byLabel: ByLabel): Generator<[Labels, number]> {
  for (const [cluster, figures] of byLabel) {
    const known = figures.flatMap(({ storedBytes }) => storedBytes ?? []);
    if (known.length > 0) yield [{ cluster }, known.reduce((sum, bytes) => sum + bytes, 0)];
  }
}

function* statesOf(byLabel: ByLabel): Generator<[Labels, number]> {
  for (const [cluster, figures] of byLabel) {
    const counts = new Map<string, number>();
    for (const { groupsByState } of figures) {
      for (const [state, count] of groupsByState) counts.set(state, (counts.get(state) ?? 0) + count);
    }
    for (const [state, count] of counts) yield [{ cluster, state }, count];
  }
}

function* lagsOf(byLabel: ByLabel, figure: keyof Lag): Generator<[Labels, number]> {
  for (const [cluster, figures] of byLabel) {
    const known = figures.flatMap(({ lag }) => lag ?? []);
    if (known.length > 0) yield [{ cluster }, together(known)[figure]];
  }
}

/** Groups of different clusters have the same names, so those of 'other' have no series. */
function* groupsOf(byLabel: ByLabel, figure: keyof Lag): Generator<[Labels, number]> {
  for (const [cluster, figures] of byLabel) {
    if (cluster === other) continue;
    for (const { groups } of figures) {
      for (const [group, lag] of groups) yield [{ cluster, group }, lag[figure]];
    }
  }
}
