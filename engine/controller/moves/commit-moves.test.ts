/** What a move depends on besides the row that it changes. */
import { describe, expect, it } from 'vitest';
import { world } from '../controller-in-test.suite.ts';
import { decodeBrokerSession, encodeBrokerSession } from '../rows/broker-session.ts';

describe('a planned move', () => {
  it('gives nothing to a target whose session changed unnoticed between release and write', async () => {
    const { control, during, fill, fleet, store, placements, owners } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    const key = { pk: 'BROKER', sk: '2' };
    const row = (await store.get(key))!;
    fleet.onRelease = async () => {
      fleet.onRelease = () => undefined;
      const value = encodeBrokerSession({ ...decodeBrokerSession(row), state: 'draining' });
      await store.transact([{ op: 'put', key, value }]);
    };
    const before = (await owners()).get(2);
    await during(controller.drainBroker(1));
    expect(await owners()).toEqual(
      new Map([
        [2, before],
        [3, 72 - before!],
      ]),
    );
    // Partitions that were moving to it went back to the broker that had released them, and from there to another.
    const epochs = (await placements()).flatMap(({ partitions }) => partitions.map(({ leaderEpoch }) => leaderEpoch));
    expect(Math.max(...epochs)).toBe(2);
  });
});
