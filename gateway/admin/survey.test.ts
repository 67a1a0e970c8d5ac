/** Stored bytes and lag, as a scraper sees them. */
import { beforeEach, expect, it } from 'vitest';
import { type AdminInTest, adminInTest } from './admin-in-test.suite.ts';
import type { AdminLimits } from './options.ts';

let test: AdminInTest;
let clusterId: string;
let asked = 0;

beforeEach(() => start());

async function start(limits: Partial<AdminLimits> = {}): Promise<void> {
  test = await adminInTest(limits);
  clusterId = await test.cluster();
  await test.ask('POST', `/admin/v1/clusters/${clusterId}/topics`, { name: 'orders', partitions: 3 });
  asked = 0;
  const listGroups = test.memory.engine.listGroups.bind(test.memory.engine);
  test.memory.engine.listGroups = (...given) => {
    asked++;
    return listGroups(...given);
  };
}

/** A group that has committed these offsets of the partitions of `orders`, which all end at 10. */
function commit(groupId: string, ...offsets: readonly number[]): void {
  const committed = offsets.map((offset, partition) => ({ topic: `${clusterId}.orders`, partition, offset }));
  test.memory.groups.set(`${clusterId}.${groupId}`, { state: 'Stable', committed });
}

async function scrape(key?: string): Promise<Map<string, number>> {
  const text = String((await test.ask('GET', '/metrics', undefined, key)).body['text']);
  const samples = text
    .split('\n')
    .filter((line) => /^headgate_(stored|groups|cluster_lag|group_lag|survey)/.test(line));
  return new Map(samples.map((line) => [line.replace(/ \S+$/, ''), Number(line.replace(/^.* /, ''))]));
}

const ofGroup = (group: string, part = ''): string =>
  `headgate_group_lag_records${part}{cluster="${clusterId}",group="${group}"}`;

it('are read behind a scrape and shown by the next', async () => {
  commit('billing', 4, 9);
  commit('silent');
  commit('quoted "name"', 10);
  expect([...(await scrape())]).toEqual([]);
  await test.clock.advance(1_000);
  const cluster = `{cluster="${clusterId}"}`;
  expect(Object.fromEntries(await scrape())).toEqual({
    [`headgate_stored_bytes${cluster}`]: 3_000,
    [`headgate_groups{cluster="${clusterId}",state="Stable"}`]: 3,
    [`headgate_cluster_lag_records${cluster}`]: 7,
    [`headgate_cluster_lag_records_max${cluster}`]: 6,
    [ofGroup('billing')]: 7,
    [ofGroup('billing', '_max')]: 6,
    [ofGroup('quoted \\"name\\"')]: 0,
    [ofGroup('quoted \\"name\\"', '_max')]: 0,
    headgate_survey_age_seconds: 1,
  });
});

it('cost nothing unless somebody scrapes them', async () => {
  await scrape('');
  await test.clock.advance(600_000);
  expect(asked).toBe(0);
  await scrape();
  await scrape();
  await test.clock.advance(600_000);
  const passes = asked;
  expect(passes).toBe(20);
  await test.clock.advance(600_000);
  expect(asked).toBe(passes);
  await scrape();
  await test.clock.advance(16_000);
  expect(asked).toBe(passes + 2);
  test.admin.close();
  await test.clock.advance(600_000);
  expect(asked).toBe(passes + 2);
});

it('have a bounded number of series, which groups keep, and totals of all', async () => {
  await start({ metricsGroupsPerClusterMax: 2 });
  commit('m', 9);
  commit('n', 8);
  commit('z', 0);
  await scrape();
  await test.clock.advance(1_000);
  commit('a', 1);
  await test.clock.advance(15_000);
  const shown = await scrape();
  expect([...shown.keys()].filter((series) => series.startsWith('headgate_group_lag_records{'))).toEqual([
    ofGroup('m'),
    ofGroup('n'),
  ]);
  expect(shown.get(`headgate_cluster_lag_records{cluster="${clusterId}"}`)).toBe(1 + 2 + 10 + 9);
  expect(shown.get(`headgate_cluster_lag_records_max{cluster="${clusterId}"}`)).toBe(10);
  test.memory.groups.delete(`${clusterId}.m`);
  await test.clock.advance(15_000);
  expect((await scrape()).get(ofGroup('a'))).toBe(9);
});

it('share their series among clusters, the oldest first, and those without a label have none', async () => {
  await start({ metricsGroupsMax: 1, metricsClustersMax: 1 });
  commit('own', 9);
  await test.clock.advance(5);
  const first = clusterId;
  clusterId = await test.cluster('second');
  await test.ask('POST', `/admin/v1/clusters/${clusterId}/topics`, { name: 'orders', partitions: 1 });
  commit('more', 3);
  await scrape();
  await test.clock.advance(1_000);
  const shown = await scrape();
  expect(shown.get('headgate_cluster_lag_records{cluster="other"}')).toBe(7);
  expect(shown.get('headgate_stored_bytes{cluster="other"}')).toBe(1_000);
  expect([...shown.keys()].filter((series) => series.includes('group='))).toHaveLength(2);
  expect((await test.ask('DELETE', `/admin/v1/clusters/${first}`)).status).toBe(204);
  await test.clock.advance(30_000);
  expect([...(await scrape()).keys()].filter((series) => series.includes(first))).toEqual([]);
});

it('stay as they were, and grow old, while brokers are away', async () => {
  commit('billing', 4);
  await scrape();
  await test.clock.advance(1_000);
  test.memory.endOffset = undefined;
  await scrape();
  await test.clock.advance(120_000);
  const shown = await scrape();
  expect(shown.get(ofGroup('billing'))).toBe(6);
  expect(shown.get(`headgate_stored_bytes{cluster="${clusterId}"}`)).toBe(3_000);
  expect(shown.get('headgate_survey_age_seconds')).toBeGreaterThan(120);
  test.memory.endOffset = 20;
  await test.clock.advance(30_000);
  const again = await scrape();
  expect(again.get(ofGroup('billing'))).toBe(16);
  expect(again.get('headgate_survey_age_seconds')).toBeLessThan(20);
});

it('never hold up a scrape', async () => {
  test.memory.engine.partitionRequest = () => new Promise(() => undefined);
  await scrape();
  await test.clock.advance(60_000);
  expect([...(await scrape())]).toEqual([]);
});
