import { expect, it } from 'vitest';
import { world } from '../controller-in-test.suite.ts';
import { scaleDefaults } from '../settings.ts';

it('gives the partitions of a new topic to that broker of a zone which has less traffic, though both have as many partitions', async () => {
  const { control, during, fleet, clock, placements } = world(6);
  const controller = control(undefined, { scale: { ...scaleDefaults, brokersMin: 6, brokersMax: 6 } });
  await during(controller.start());
  const spec = { clusterId: 'c', configs: {} };
  const old = await during(controller.createTopic({ ...spec, name: 'c.old', partitions: 12 }));
  const [{ partitions }] = (await placements()) as [Awaited<ReturnType<typeof placements>>[0]];
  const busy = partitions[0]!.brokerId;
  const log = { topicId: old.topicId, partition: 0, bytesIn: 0, bytesOut: 0, requests: 0 };
  for (const dimension of ['bytesIn', 'bytesOut'] as const) {
    // Half a broker's capacity or more, in a log that no move would make lighter.
    fleet.traffic.set(busy, [{ ...log, [dimension]: 200 * 1024 * 1024 }]);
    await clock.advance(60_000);
    const fresh = await during(controller.createTopic({ ...spec, name: `c.${dimension}`, partitions: 6 }));
    const row = (await placements()).find(({ topicId }) => topicId === fresh.topicId)!;
    expect(
      row.partitions.map(({ brokerId }) => brokerId),
      dimension,
    ).not.toContain(busy);
    fleet.traffic.clear();
    await clock.advance(600_000);
  }
  await during(controller.stop());
});
