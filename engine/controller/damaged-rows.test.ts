/** Rows of the metadata store that decay so far that nothing in them can be read, under controllers that run and start. */
import { describe, expect, it } from 'vitest';
import type { RowKey } from '../ports.ts';
import { states, world } from './controller-in-test.suite.ts';
import { spec, sharedWorld } from './controllers-in-test.suite.ts';
import { decodeBrokerSession } from './rows/broker-session.ts';

const session: RowKey = { pk: 'BROKER', sk: '2' };
const lease: RowKey = { pk: 'LEASE', sk: 'broker-2' };

type World = ReturnType<typeof world>;

async function started(): Promise<World & { readonly controller: ReturnType<World['control']> }> {
  const made = world();
  const controller = made.control();
  await made.during(controller.start());
  await made.fill(controller);
  return { ...made, controller };
}

async function rot({ store }: Pick<World, 'store'>, key: RowKey): Promise<void> {
  const row = await store.get(key);
  expect(row).toBeDefined();
  store.rot(key, row!.value.slice(0, row!.value.length >> 1));
}

/** The slot's broker dies; others take its partitions, and the slot serves again. */
async function expectToSurvive(made: Awaited<ReturnType<typeof started>>, brokerId = 2): Promise<void> {
  const { clock, fleet, controller, owners, placements } = made;
  const before = (await placements()).flatMap(({ partitions }) => partitions).length;
  fleet.crash(brokerId);
  for (let i = 0; i < 1000 && states(controller).some((state) => state !== 'serving'); i++) await clock.advance(10);
  await clock.advance(1000);
  expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  expect([...(await owners()).values()].reduce((a, b) => a + b)).toBe(before);
  await made.during(controller.createTopic(spec('c9', 'after')));
  expect(controller.events().filter(({ kind }) => kind === 'background-failed')).toEqual([]);
}

describe('a damaged row', () => {
  it.each<[string, RowKey]>([
    ['a session', session],
    ['another broker’s session', { pk: 'BROKER', sk: '1' }],
    ['a lease', lease],
    ['the controller’s lease', { pk: 'LEASE', sk: '' }],
    ['the shard that keeps the fleet', { pk: 'SHARD', sk: '00' }],
    ['another shard', { pk: 'SHARD', sk: '41' }],
    ['what the fleet reports', { pk: 'FLEET', sk: 'REPORT' }],
  ])('%s: dead brokers are still replaced', async (_, { pk, sk }) => {
    const made = await started();
    const key = sk === '' ? { pk, sk: (await made.store.range(pk, { from: 'controller-' })).rows[0]!.sk } : { pk, sk };
    await rot(made, key);
    await expectToSurvive(made);
  });

  it('a session of a broker that serves is restored from memory, and its broker goes on', async () => {
    const made = await started();
    const { clock, store, controller, kinds } = made;
    const before = (await store.get(session))!;
    const pids = controller.brokers().map(({ pid }) => pid);
    await rot(made, session);
    await clock.advance(3000);
    expect(await store.get(session)).toEqual({ ...before, version: before.version + 1 });
    expect(controller.brokers().map(({ pid }) => pid)).toEqual(pids);
    expect(kinds(controller)).toContain('row-restored');
    await expectToSurvive(made);
  });

  it.each(['serving', 'closed'] as const)(
    'a session that was %s is restored from its lease after a start',
    async (state) => {
      const made = await started();
      const { store, control, controller, during, fleet, kinds } = made;
      if (state === 'closed') await during(controller.stop());
      else {
        // The controller dies with its brokers: nothing is left in memory.
        void controller.stop().catch(() => undefined);
        for (const id of [1, 2, 3]) fleet.crash(id);
      }
      await rot({ store }, session);
      const next = control();
      await during(next.start());
      await made.clock.advance(10_000);
      expect(states(next)).toEqual(['serving', 'serving', 'serving']);
      expect(kinds(next)).toContain('row-restored');
      expect((await made.owners()).size).toBe(3);
    },
  );

  it('a session whose lease is damaged too costs its slot alone, and the event says what to do', async () => {
    const made = await started();
    const { store, control, controller, during, clock } = made;
    await during(controller.stop());
    await rot({ store }, session);
    await rot({ store }, lease);
    const next = control();
    void next.start();
    await clock.advance(90_000);
    expect(next.brokers().map((broker) => [broker.brokerId, broker.state === 'serving'])).toEqual([
      [1, true],
      [2, false],
      [3, true],
    ]);
    const failed = next.events().find(({ kind }) => kind === 'recovery-failed');
    expect(failed?.brokerId).toBe(2);
    expect(failed?.reason).toContain('row BROKER 2');
    expect(failed?.reason).toContain('backup');
  });

  it('rows of one topic cost that topic alone', async () => {
    const made = await started();
    const { store, control, controller, during } = made;
    const all = [...store.all()];
    const ofTopics = [
      all.find(({ sk }) => sk.startsWith('PLACE#'))!,
      all.findLast(({ sk }) => sk.startsWith('TOPIC#'))!,
    ];
    for (const row of ofTopics) store.rot(row, row.value.slice(0, 9));
    // In memory: nothing is lost, and a repair writes the placement again.
    await during(controller.createTopic(spec('c8', 'more')));
    // Without memory.
    await during(controller.stop());
    const next = control();
    await during(next.start());
    for (let shard = 0; shard < 8; shard++) await during(next.createTopic(spec(`c${shard}`, `again`)));
    made.fleet.crash(1);
    await made.clock.advance(5000);
    expect(states(next)).toEqual(['serving', 'serving', 'serving']);
  });

  it.each([
    ['row-mended', (value: string) => value.replace('serving', 'sarving')],
    ['row-damaged', (value: string) => value.slice(1)],
  ])('is told to operators once: %s', async (kind, change) => {
    const made = await started();
    const { clock, store, controller } = made;
    store.rot(session, change((await store.get(session))!.value));
    await clock.advance(3000);
    const told = controller.events().filter((event) => event.kind === kind);
    expect(told).toHaveLength(1);
    expect(told[0]!.detail).toMatchObject({ pk: 'BROKER', sk: '2' });
    await expectToSurvive(made);
  });

  it('an evacuated zone stays evacuated after a start, whatever became of the wish', async () => {
    const made = await started();
    const { clock, store, control, controller, during, kinds } = made;
    await during(controller.evacuateZone('b'));
    await clock.advance(5000);
    await during(controller.stop());
    await rot({ store }, { pk: 'FLEET', sk: 'WANTED' });
    const next = control();
    await during(next.start());
    await clock.advance(1000);
    expect(next.scaling()).toMatchObject({ evacuatedZones: ['b'], brokers: 3 });
    expect(kinds(next)).toContain('row-restored');
    await during(next.createTopic(spec('c9', 'after')));
    expect((await made.owners()).get(2) ?? 0).toBe(0);
  });

  it('the next producer id is one that nobody has', async () => {
    const made = await started();
    const { store, control, controller, during } = made;
    const given = new Set<number>();
    for (let i = 0; i < 2500; i++) given.add(await during(controller.allocateProducerId()));
    await rot(made, { pk: 'IDS', sk: 'PRODUCER' });
    await during(controller.stop());
    const next = control();
    await during(next.start());
    for (let i = 0; i < 2500; i++) given.add(await during(next.allocateProducerId()));
    expect(given.size).toBe(5000);
    expect([...store.all()].filter(({ pk }) => pk === 'IDS')).toHaveLength(1);
  });
});

describe('a damaged row of one controller among several', () => {
  it('a session that nobody has in memory is restored while its broker serves, and the broker adopted', async () => {
    const { clock, store, fleet, join, during } = await sharedWorld();
    const [first, second] = [await join(), await join()];
    await clock.advance(3000);
    for (let i = 0; i < 8; i++) await during(first.controller.createTopic(spec(`c${i}`, 't')));
    const before = (await store.get(session))!;
    // All controllers end, and the brokers outlive them.
    for (const member of [first, second]) member.isAway = true;
    store.rot(session, before.value.slice(0, 9));
    const third = await join();
    await clock.advance(10_000);
    expect(states(third.controller)).toEqual(['serving', 'serving', 'serving']);
    expect(decodeBrokerSession((await store.get(session))!)).toEqual(decodeBrokerSession(before));
    expect(third.controller.events()).toContainEqual(expect.objectContaining({ kind: 'broker-adopted', brokerId: 2 }));
    expect(third.controller.events().filter(({ kind }) => kind === 'session-held')).toEqual([]);
    expect(fleet.starts).toHaveLength(3);
    fleet.crash(2);
    await clock.advance(5000);
    expect(states(third.controller)).toEqual(['serving', 'serving', 'serving']);
  });

  it('its lease counts for as long as a lease can last, and its shards are taken afterwards', async () => {
    const { clock, store, join, sharesOf } = await sharedWorld();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(3000);
    expect(await sharesOf(first, second)).toEqual([32, 32]);
    first.isAway = true;
    const key = { pk: 'LEASE', sk: `controller-${first.controller.controllerId}` };
    store.rot(key, '{');
    await clock.advance(30_000);
    expect(await sharesOf(first, second)).toEqual([32, 32]);
    await clock.advance(40_000);
    expect(await sharesOf(first, second)).toEqual([0, 64]);
  });

  it('a shard whose row cannot be read has one owner soon', async () => {
    const { clock, store, join, during, sharesOf, owners } = await sharedWorld();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(3000);
    for (let shard = 0; shard < 64; shard += 3) store.rot({ pk: 'SHARD', sk: String(shard).padStart(2, '0') }, 'x');
    await clock.advance(3000);
    expect([...(await owners()).values()].reduce((a, b) => a + b)).toBe(64);
    expect((await sharesOf(first, second)).reduce((a, b) => a + b)).toBe(64);
    for (let i = 0; i < 8; i++) await during(first.controller.createTopic(spec(`c${i}`, 't')));
  });
});
