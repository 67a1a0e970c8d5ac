/** A group's first request races with the deletion of its cluster: whichever comes first, no internal topic remains. */
import { expect, it } from 'vitest';
import { StoreCatalogue } from '../../engine/catalogue.ts';
import { world as controlled } from '../../engine/controller/controller-in-test.suite.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { ensureCoordinatorTopic } from '../../engine/routing/whole-engine.ts';
import { newCluster } from '../../tenancy/gateways.suite.ts';
import { innerName } from '../../tenancy/naming.ts';
import { openTenancy } from '../../tenancy/open-tenancy.ts';
import { topicNameKey } from '../../tenancy/rows/name-claim.ts';
import type { GatewayContext } from '../context.ts';
import { deleteTopicsOf } from './delete-topics.ts';

/** `turns`: event loop turns that the deletion is ahead. `isSeen`: whether its catalogue has heard of the topic. */
async function deleteBeside(turns: number, isSeen: boolean) {
  const { clock, store, control, during, placements } = controlled();
  const controller = control();
  await during(controller.start());
  const catalogue = new StoreCatalogue(store.connect(), clock);
  await during(catalogue.start());
  const tenancy = await openTenancy({ store: store.connect(), clock, random: seededRandom(9), settings: {} });
  const clusterId = await during(newCluster(tenancy));
  let lag = isSeen ? 0 : 1;
  const lagging = { ofCluster: (id: string): Iterable<TopicEntry> => (lag-- > 0 ? [] : catalogue.ofCluster(id)) };
  const context = { engine: { catalogue: lagging, deleteTopic: controller.deleteTopic }, tenancy };
  const deletion = tenancy.deleteCluster(clusterId, () =>
    deleteTopicsOf(context as unknown as GatewayContext, clusterId),
  );
  for (let turn = 0; turn < turns; turn++) await Promise.resolve();
  const topics = {
    createTopic: controller.createTopic,
    catalogue,
    partitions: 8,
    guard: (id: string) => tenancy.counts.reserveInternal(id, 1),
  };
  const made = ensureCoordinatorTopic(topics, clusterId).then(
    () => 'made',
    (error: unknown) => (error instanceof Failure ? error.code : error),
  );
  await during(deletion);
  const outcome = await during(made);
  expect(tenancy.clusters()).toEqual([]);
  expect(await placements()).toEqual([]);
  return outcome;
}

it('gives back the names that its topics held', async () => {
  const { clock, store, control, during } = controlled();
  const controller = control();
  await during(controller.start());
  const catalogue = new StoreCatalogue(store.connect(), clock);
  await during(catalogue.start());
  const tenancy = await openTenancy({ store: store.connect(), clock, random: seededRandom(9), settings: {} });
  const clusterId = await during(newCluster(tenancy));
  const spec = { name: innerName(clusterId, 'a.b'), clusterId, partitions: 1, configs: {} };
  await during(controller.createTopic(spec, (change) => tenancy.counts.reserve(clusterId, change, 'a.b')));
  const names = async (): Promise<number> => (await store.range(topicNameKey(clusterId, '').pk)).rows.length;
  expect(await names()).toBe(1);
  const context = { engine: { catalogue, deleteTopic: controller.deleteTopic }, tenancy };
  await during(tenancy.deleteCluster(clusterId, () => deleteTopicsOf(context as unknown as GatewayContext, clusterId)));
  expect(await names()).toBe(0);
});

it('leaves no coordinator topic, whichever comes first', async () => {
  const outcomes = new Set<unknown>();
  for (const isSeen of [true, false]) {
    for (let turns = 0; turns < 40; turns++) outcomes.add(await deleteBeside(turns, isSeen));
  }
  expect(outcomes).toContain('made');
  expect([...outcomes].filter((outcome) => outcome !== 'made').length).toBeGreaterThan(0);
});
