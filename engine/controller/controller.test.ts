import { describe, expect, it } from 'vitest';
import type { TopicGuard } from '../engine.ts';
import { DataCorrupt } from '../log/log.ts';
import { StoreConflict, StoreUnavailable, storeTokenMs } from '../ports.ts';
import { type StoreFaults } from '../store-memory.ts';
import { byNumber, expectEven, states, world } from './controller-in-test.suite.ts';
import { shardPk } from './rows/shard.ts';

function leavingStore() {
  const store = {
    isAway: false,
    faults: (): undefined => {
      if (store.isAway) throw new StoreUnavailable('away');
    },
  };
  return store;
}

describe('a controller', () => {
  it('starts the fleet, spreads topics over the zones, and returns the placement', async () => {
    const { control, during, placements } = world();
    const controller = control();
    expect(controller.ready()).toBe(false);
    await during(controller.start());
    expect(controller.ready()).toBe(true);
    const entry = await during(
      controller.createTopic({ name: 'c.t', clusterId: 'c', partitions: 6, configs: { a: 'b' } }),
    );
    expect(entry.partitions.map((p) => p.brokerId).sort(byNumber)).toEqual([1, 1, 2, 2, 3, 3]);
    expect(entry.partitions).toEqual((await placements())[0]!.partitions.map((p, index) => ({ index, ...p })));
    expect(controller.brokers().map((b) => [b.brokerId, b.zone, b.state, b.sessionEpoch, b.partitions])).toEqual([
      [1, 'a', 'serving', 1, 2],
      [2, 'b', 'serving', 1, 2],
      [3, 'c', 'serving', 1, 2],
    ]);
  });

  it('changes topics, and names what is wrong with a request', async () => {
    const { control, during, store } = world();
    const controller = control();
    await during(controller.start());
    const spec = { name: 'c.t', clusterId: 'c', partitions: 2, configs: { x: '1' } };
    await during(controller.createTopic(spec));
    await expect(during(controller.createTopic(spec))).rejects.toMatchObject({ code: 'already-exists' });
    await expect(during(controller.deleteTopic('c.other'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(during(controller.createPartitions('c.t', 2))).rejects.toMatchObject({ code: 'invalid-request' });
    const zero = { ...spec, name: 'c.z', partitions: 0 };
    await expect(during(controller.createTopic(zero))).rejects.toMatchObject({ code: 'invalid-request' });
    const grown = await during(controller.createPartitions('c.t', 5));
    expect(grown.partitions).toHaveLength(5);
    expect(grown.replicas).toBeUndefined();
    const replicas = { factor: 1, nodeIds: [[1], [2], [3], [1], [2], [3]] };
    expect(await during(controller.createPartitions('c.t', 6, undefined, replicas))).toMatchObject({ replicas });
    const configured = await during(controller.alterConfigs('c.t', () => ({ x: null, y: '2' })));
    expect(configured.configs).toEqual({ y: '2' });
    expect(configured.replicas).toEqual(replicas);
    const halved = await during(
      controller.alterReplicas('c.t', (topic) => ({ factor: 2, nodeIds: topic.partitions.map(() => [2, 1]) })),
    );
    expect(halved).toMatchObject({ configs: { y: '2' }, replicas: { factor: 2 } });
    expect(halved.replicas!.nodeIds).toHaveLength(6);

    const counter = { pk: 'T', sk: 'count' };
    const guard: TopicGuard = async () => [{ op: 'put', key: counter, value: '1', if: { absent: true } }];
    await during(controller.createTopic({ ...spec, name: 'c.u' }, guard));
    const refused = during(controller.createTopic({ ...spec, name: 'c.v' }, guard));
    await expect(refused).rejects.toBeInstanceOf(StoreConflict);
    await expect(refused).rejects.toMatchObject({ index: 0 });
    expect((await store.get(counter))!.version).toBe(1);
    await during(controller.createTopic({ ...spec, name: 'c.v' }));
  });

  it('tells a guard what is added and removed at that moment, whoever else changes the topic', async () => {
    const { control, during } = world();
    const controller = control();
    await during(controller.start());
    let partitions = 0;
    const counted: TopicGuard = async (change) => {
      partitions += change.partitions;
      return [];
    };
    await during(controller.createTopic({ name: 'c.t', clusterId: 'c', partitions: 2, configs: {} }, counted));
    const changes = [5, 9].map((total) => controller.createPartitions('c.t', total, counted));
    await during(Promise.all([...changes, controller.deleteTopic('c.t', counted)]));
    expect(partitions).toBe(0);
  });

  it('never deletes a later topic of the same name by the id of the former', async () => {
    const { control, during } = world();
    const controller = control();
    await during(controller.start());
    const spec = { name: 'c.t', clusterId: 'c', partitions: 1, configs: {} };
    const { topicId } = await during(controller.createTopic(spec));
    await during(controller.deleteTopic('c.t', undefined, topicId));
    const later = await during(controller.createTopic(spec));
    await expect(during(controller.deleteTopic('c.t', undefined, topicId))).rejects.toMatchObject({
      code: 'not-found',
    });
    await during(controller.deleteTopic('c.t', undefined, later.topicId));
  });

  it('gives producer ids that never repeat, even over restarts', async () => {
    const { control, during } = world();
    const first = control();
    await during(first.start());
    const ids = await during(Promise.all(Array.from({ length: 1500 }, () => first.allocateProducerId())));
    expect(new Set(ids).size).toBe(1500);
    await during(first.stop());
    const second = control();
    await during(second.start());
    expect(ids).not.toContain(await during(second.allocateProducerId()));
  });

  it('frees the space of a deleted topic, later if an owner is away', async () => {
    const { control, during, fleet, clock, store } = world();
    const controller = control();
    await during(controller.start());
    await during(controller.createTopic({ name: 'c.t', clusterId: 'c', partitions: 3, configs: {} }));
    fleet.deaf.add(2);
    await during(controller.deleteTopic('c.t'));
    await clock.advance(100);
    expect(new Set(fleet.closed.map((text) => text.split(':')[0]))).toEqual(new Set(['1', '3']));
    fleet.deaf.delete(2);
    await clock.advance(1100);
    expect(new Set(fleet.closed.map((text) => text.split(':')[0]))).toEqual(new Set(['1', '2', '3']));
    for (let shard = 0; shard < 64; shard++) expect((await store.range(shardPk(shard))).rows).toEqual([]);
  });

  it('frees hundreds of deleted topics at once, and reports them in one event', async () => {
    const { control, during, fleet, clock, store } = world();
    const controller = control();
    await during(controller.start());
    const names = Array.from({ length: 250 }, (_, i) => `c.t${i}`);
    for (const brokerId of [1, 2, 3]) fleet.deaf.add(brokerId);
    for (const name of names) {
      await during(controller.createTopic({ name, clusterId: 'c', partitions: 2, configs: {} }));
      await during(controller.deleteTopic(name));
    }
    fleet.deaf.clear();
    await clock.advance(1100);
    const told = controller.events().filter(({ kind }) => kind === 'topic-freed');
    expect(told.map(({ detail }) => detail)).toEqual([{ topics: 250 }]);
    expect(fleet.closed).toHaveLength(500);
    for (let shard = 0; shard < 64; shard++) expect((await store.range(shardPk(shard))).rows).toEqual([]);
  });
});

describe('a broker that dies', () => {
  it('is fenced, recovered, remapped and replaced, and gets its share back', async () => {
    const { control, during, fleet, clock, owners, fill, kinds, placements } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    const before = await placements();
    let duringRecovery: string[] = [];
    fleet.onRecover = () => {
      duringRecovery = states(controller);
    };
    fleet.crash(2);
    await clock.advance(15);
    expect(duringRecovery).toEqual(['serving', 'fenced', 'serving']);
    expect((await owners()).get(2)).toBeUndefined();
    for (const { topicId, partitions } of await placements()) {
      const old = before.find((row) => row.topicId === topicId)!;
      for (const [i, { brokerId, leaderEpoch, reason }] of partitions.entries()) {
        const moved = old.partitions[i]!.brokerId === 2;
        expect(leaderEpoch).toBe(moved ? 1 : 0);
        expect(reason).toBe(moved ? 'broker-dead' : 'created');
        if (!moved) expect(brokerId).toBe(old.partitions[i]!.brokerId);
      }
    }
    await clock.advance(1000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    expectEven(await owners());
    expect(fleet.recovered).toEqual(['2@1']);
    expect(kinds(controller)).toEqual(
      expect.arrayContaining([
        'broker-dead',
        'broker-fenced',
        'volume-recovered',
        'partitions-moved',
        'broker-started',
      ]),
    );
  });

  it('is cleaned up after others serve its partitions, and restarts only after that', async () => {
    const { control, during, fleet, clock, fill, owners } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    let left: number | undefined = -1;
    fleet.onCleanUp = async () => {
      left = (await owners()).get(2);
      await new Promise<void>((resolve) => clock.after(500, resolve));
    };
    fleet.crash(2);
    await clock.advance(400);
    expect(left).toBeUndefined();
    expect(states(controller)).toEqual(['serving', 'fenced', 'serving']);
    await clock.advance(1000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  });

  it.each([
    ['waits with its start while another one is being recovered', 3, 'fenced'],
    ['does not wait for the recovery of others where most are dead', 2, 'serving'],
  ])('%s', async (_, survivors, expected) => {
    const { control, during, fleet, clock, fill } = world(6);
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.onRecover = ({ brokerId }) =>
      brokerId === 1 ? undefined : new Promise<void>((resolve) => clock.after(350, resolve));
    fleet.crash(1);
    await clock.advance(50);
    for (let id = 2 + survivors; id <= 6; id++) fleet.crash(id);
    await clock.advance(250);
    expect(states(controller)[0]).toBe(expected);
    await clock.advance(2000);
    expect(new Set(states(controller))).toEqual(new Set(['serving']));
  });

  it('that hangs is killed after its lease, and no other broker is', async () => {
    const { control, during, fleet, clock, owners, fill } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.hang(3);
    await clock.advance(1200);
    expect(fleet.kills).toEqual([]);
    await clock.advance(800);
    expect(fleet.kills).toEqual([3]);
    await clock.advance(1000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    expectEven(await owners());
  });

  it('together with its zone is one event', async () => {
    const { control, during, fleet, clock, placements, fill, owners } = world(6);
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.onRecover = () => new Promise<void>((resolve) => clock.after(10, resolve));
    fleet.crash(1);
    fleet.crash(4);
    await clock.advance(24);
    const reasons = new Set((await placements()).flatMap((row) => row.partitions.map((p) => p.reason)));
    expect(reasons).toEqual(new Set(['created', 'zone-dead']));
    expect(controller.events().filter((event) => event.kind === 'partitions-moved')).toHaveLength(1);
    await clock.advance(2000);
    expect((await owners()).size).toBe(6);
  });

  it('does not wait for an earlier one that is being recovered', async () => {
    const { control, during, fleet, clock, placements, fill } = world(6);
    const controller = control();
    await during(controller.start());
    await fill(controller);
    const reasons = async () => new Set((await placements()).flatMap((row) => row.partitions.map((p) => p.reason)));
    fleet.onRecover = ({ brokerId }) =>
      brokerId === 1 ? new Promise<void>((resolve) => clock.after(1000, resolve)) : undefined;
    fleet.crash(1);
    await clock.advance(200);
    expect(await reasons()).toEqual(new Set(['created']));
    fleet.crash(2);
    await clock.advance(24);
    expect(await reasons()).toEqual(new Set(['created', 'broker-dead']));
  });

  it('has its log read once, while its session is being fenced', async () => {
    const { control, during, fleet, clock } = world();
    const controller = control();
    await during(controller.start());
    let failures = 1;
    fleet.onRecover = () => {
      if (failures-- > 0) throw new Error('a disk that answers slowly');
    };
    fleet.crash(1);
    fleet.crash(2);
    await clock.advance(3000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    expect([...fleet.recovered].sort()).toEqual(['1@1', '2@1']);
    // Rows that were read before a failed attempt may be out of date.
    expect(fleet.ahead).toHaveLength(1);
  });

  it('together with most of the others waits briefly before its restart, however often it died before', async () => {
    const { control, during, fleet, clock } = world();
    const controller = control();
    await during(controller.start());
    for (let death = 0; death < 8; death++) {
      for (const id of [2, 3]) fleet.crash(id);
      await clock.advance(1500);
      expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    }
  });

  it('together with all the others keeps its partitions, and all come back', async () => {
    const { control, during, fleet, clock, owners, fill, placements } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    for (const id of [1, 2, 3]) fleet.crash(id);
    await clock.advance(3000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    expect([...(await owners()).values()].reduce((a, b) => a + b)).toBe(72);
    expect((await placements()).flatMap((row) => row.partitions).some((p) => p.brokerId < 0)).toBe(false);
  });

  it('together with all the others, before it may restart, loses its partitions to the first broker that serves', async () => {
    const { control, during, fleet, clock, owners, fill } = world();
    const controller = control();
    await during(controller.start());
    for (let death = 0; death < 6; death++) {
      fleet.crash(2);
      await clock.advance(5000);
    }
    await fill(controller);
    expect((await owners()).get(2)).toBeGreaterThan(0);
    // The last broker to die inherits the partitions of the others, and no broker is left to inherit from it.
    for (const id of [1, 3, 2]) fleet.crash(id);
    await clock.advance(10);
    expect([...(await owners()).keys()]).toEqual([2]);
    await clock.advance(990);
    expect(states(controller)).toEqual(['serving', 'closed', 'serving']);
    expect((await owners()).get(2)).toBeUndefined();
    await clock.advance(5000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  });

  it('during the recovery of another one is recovered too', async () => {
    const { control, during, fleet, clock, owners, fill } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.onRecover = async (session) => {
      if (session.brokerId === 1) fleet.crash(2);
      await new Promise<void>((resolve) => clock.after(30, resolve));
    };
    fleet.crash(1);
    await clock.advance(5000);
    expect(fleet.recovered).toEqual(expect.arrayContaining(['1@1', '2@1']));
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    expectEven(await owners());
  });

  it('and whose recovery fails stays fenced until it succeeds', async () => {
    const { control, during, fleet, clock, owners, fill, kinds } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    let failures = 3;
    fleet.onRecover = () => {
      if (failures-- > 0) throw new Error('a disk that answers slowly');
    };
    fleet.crash(1);
    await clock.advance(150);
    expect((await owners()).get(1)).toBe(24);
    await clock.advance(3000);
    expect(kinds(controller).filter((kind) => kind === 'recovery-failed')).toHaveLength(3);
    expectEven(await owners());
  });

  it('together with all the others loses its partitions to the first whose spare process stands by', async () => {
    const { control, during, fleet, clock, owners, fill } = world();
    let load: () => void = () => undefined;
    const loaded = new Promise<void>((resolve) => (load = resolve));
    let isStarted = false;
    fleet.standby = (brokerId) => (isStarted && brokerId !== 3 ? loaded : Promise.resolve());
    const controller = control();
    await during(controller.start());
    await fill(controller);
    isStarted = true;
    for (const id of [1, 2, 3]) fleet.crash(id);
    await clock.advance(300);
    expect(states(controller)).toEqual(['closed', 'closed', 'serving']);
    expect([...(await owners()).keys()]).toEqual([3]);
    load();
    await clock.advance(3000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  });

  it('together with all the others waits briefly before its restart, however often it died before', async () => {
    const { control, during, fleet, clock } = world();
    const controller = control();
    await during(controller.start());
    for (let death = 0; death < 8; death++) {
      for (const id of [1, 2, 3]) fleet.crash(id);
      await clock.advance(1000);
      expect(states(controller)).toContain('serving');
    }
  });

  it('that hangs is killed as soon as the fleet reports it', async () => {
    const { control, during, fleet, clock, fill, kinds } = world();
    let tell: (brokerId: number, reason: string) => void = () => undefined;
    fleet.onHung = (listener) => void (tell = listener);
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.hang(2);
    for (let times = 0; times < 3; times++) tell(2, 'process stopped');
    await clock.advance(250);
    expect(fleet.kills).toEqual([2]);
    expect(controller.brokers().map(({ sessionEpoch }) => sessionEpoch)).toEqual([1, 2, 1]);
    const told = ['broker-hung', 'broker-dead', 'broker-fenced', 'volume-recovered', 'partitions-moved'];
    expect(
      kinds(controller)
        .filter((kind) => told.includes(kind))
        .slice(0, 5),
    ).toEqual(told);
  });

  it('again and again is restarted with a growing pause', async () => {
    const { control, during, fleet, clock } = world();
    const controller = control(undefined, { startWaitMsMax: 100 });
    await during(controller.start());
    fleet.broken.add(1);
    fleet.crash(1);
    await clock.advance(60_000);
    expect(fleet.starts.filter((id) => id === 1).length).toBeLessThan(20);
    fleet.broken.clear();
    await clock.advance(11_000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  });
});

describe('the brake', () => {
  it('kills no broker when most look hung, and lets go if they keep looking hung', async () => {
    const { control, during, fleet, clock, kinds } = world();
    const controller = control();
    await during(controller.start());
    fleet.hang(1);
    fleet.hang(2);
    fleet.hang(3);
    await clock.advance(5000);
    expect(kinds(controller)).toContain('brake');
    expect(fleet.kills).toEqual([]);
    await clock.advance(10_000);
    expect([...fleet.kills].sort(byNumber)).toEqual([1, 2, 3]);
    await clock.advance(3000);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  });

  it('kills no broker while the store is away for all', async () => {
    const { control, during, fleet, clock } = world();
    const store = leavingStore();
    const controller = control(store.faults);
    await during(controller.start());
    store.isAway = true;
    await clock.advance(20_000);
    store.isAway = false;
    await clock.advance(5000);
    expect(fleet.kills).toEqual([]);
  });

  it('restarts a slot whose broker died while the store was away, however long that lasts', async () => {
    const { control, during, fleet, clock } = world();
    const store = leavingStore();
    const controller = control(store.faults);
    await during(controller.start());
    store.isAway = true;
    await clock.advance(1000);
    fleet.crash(2);
    // Longer than other reads are retried.
    await clock.advance(storeTokenMs / 2 + 10_000);
    store.isAway = false;
    await clock.advance(5000);
    expect(fleet.starts).toEqual([1, 2, 3, 2]);
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
  });
});

describe('startup after a crash of everything', () => {
  it('settles sessions whose process is gone at once, in their slots', async () => {
    const { control, during, fleet, clock, fill, placements } = world();
    let dead = false;
    const first = control(() => {
      if (dead) throw new StoreUnavailable('this process is gone');
      return undefined;
    });
    await during(first.start());
    await fill(first);
    const before = await placements();
    // The parent and its children are gone together: no exit is ever reported to the next controller.
    dead = true;
    for (const id of [1, 2, 3]) fleet.crash(id);
    await clock.advance(10);
    const second = control();
    const startedAtMs = clock.monotonicMs();
    await during(second.start());
    expect(clock.monotonicMs() - startedAtMs).toBeLessThan(500);
    expect(new Set(fleet.recovered)).toEqual(new Set(['1@1', '2@1', '3@1']));
    expect(second.brokers().every((broker) => broker.sessionEpoch >= 2)).toBe(true);
    expect((await placements()).map((row) => row.topicId)).toEqual(before.map((row) => row.topicId));
  });

  it('starts a settled slot while another is still being recovered, and gives it the partitions of that one', async () => {
    const { control, during, fleet, clock, fill, owners } = world();
    let dead = false;
    const first = control(() => {
      if (dead) throw new StoreUnavailable('this process is gone');
      return undefined;
    });
    await during(first.start());
    await fill(first);
    dead = true;
    for (const id of [1, 2, 3]) fleet.crash(id);
    await clock.advance(10);
    let goOn: () => void = () => undefined;
    const longRecovery = new Promise<void>((resolve) => (goOn = resolve));
    fleet.onRecover = ({ brokerId }) => (brokerId === 1 ? longRecovery : undefined);
    const second = control();
    const starting = second.start();
    await clock.advance(500);
    expect(states(second)).toEqual([expect.not.stringMatching('serving'), 'serving', 'serving']);
    expect(await during(second.settled)).toBe(true);
    // No other broker owns its partitions before its log is recovered.
    expect((await owners()).get(1)).toBeGreaterThan(0);
    goOn();
    await during(starting);
    await clock.advance(1000);
    expect(states(second)).toEqual(['serving', 'serving', 'serving']);
    expect(fleet.recovered.filter((session) => session === '1@1')).toHaveLength(1);
  });

  it('serves with the other brokers while the log of one is damaged, and with that one once it is repaired', async () => {
    const { control, during, fleet, clock, fill } = world();
    let dead = false;
    const first = control(() => {
      if (dead) throw new StoreUnavailable('this process is gone');
      return undefined;
    });
    await during(first.start());
    await fill(first);
    dead = true;
    for (const id of [1, 2, 3]) fleet.crash(id);
    await clock.advance(10);
    fleet.onRecover = ({ brokerId }) => {
      if (brokerId === 2) throw new DataCorrupt('00000000.wal', 390, 'damage to what was synced');
    };
    const second = control();
    await during(second.start());
    expect(states(second)).toEqual(['serving', expect.not.stringMatching('serving'), 'serving']);
    expect(second.ready()).toBe(true);
    fleet.onRecover = () => undefined;
    await clock.advance(10_000);
    expect(states(second)).toEqual(['serving', 'serving', 'serving']);
    expect(fleet.recovered).toContain('2@1');
  });
});

describe('startup beside brokers of an earlier run', () => {
  it('waits for the lease of a process that still runs, and fences it', async () => {
    const { control, during, fleet, clock, store } = world();
    let dead = false;
    const first = control(() => {
      if (dead) throw new StoreUnavailable('this process is gone');
      return undefined;
    });
    await during(first.start());
    dead = true;
    fleet.crash(1);
    fleet.crash(2);
    // Broker 3 outlives its parent and hangs: the next controller cannot reap it.
    fleet.hang(3);
    await clock.advance(10);
    const orphan = fleet.session(3)!;
    const second = control();
    const starting = second.start();
    await clock.advance(1000);
    expect(orphan.epoch).toBe(1);
    expect(fleet.recovered).toEqual(expect.arrayContaining(['1@1', '2@1']));
    expect(fleet.recovered).not.toContain('3@1');
    fleet.onRecover = async () => {
      expect(orphan.mayAck()).toBe(false);
      expect(JSON.parse((await store.get({ pk: 'BROKER', sk: '3' }))!.value)).toMatchObject({ state: 'fenced' });
      fleet.crash(3);
    };
    await during(starting);
    expect(fleet.recovered).toContain('3@1');
  });
});

describe('two controllers', () => {
  it('the later one owns the shards, and the earlier one cannot write', async () => {
    const { control, during, store, clock, placements } = world();
    const first = control();
    await during(first.start());
    await during(first.createTopic({ name: 'c.t', clusterId: 'c', partitions: 3, configs: {} }));
    const { rows } = await store.range('SHARD');
    await store.transact(
      rows.map((row) => ({
        op: 'put' as const,
        key: { pk: row.pk, sk: row.sk },
        value: JSON.stringify({ controllerId: 'rival', epoch: 2 }),
      })),
    );
    await store.transact([
      {
        op: 'put',
        key: { pk: 'LEASE', sk: 'controller-rival' },
        value: JSON.stringify({ epoch: 1, durationMs: 1500, renewals: 0 }),
      },
    ]);
    const spec = { name: 'c.u', clusterId: 'c', partitions: 3, configs: {} };
    await expect(during(first.createTopic(spec))).rejects.toMatchObject({ code: 'not-owner' });
    expect(first.ready()).toBe(false);
    expect(await placements()).toHaveLength(1);
    // The rival never renews: its lease lapses, and the lost shards come back.
    await clock.advance(5000);
    await during(first.createTopic(spec));
    expect(await placements()).toHaveLength(2);
  });
});

describe('a store that fails at any step', () => {
  // The n-th write of the controller fails once, in each way, while a broker dies and is replaced.
  for (const way of [
    'unavailable',
    'ambiguous, applied',
    'ambiguous, not applied',
    'every other reply lost',
  ] as const) {
    it(`${way}: the sequence ends in the same state`, async () => {
      for (let failing = 0; failing < 8; failing++) {
        const { control, during, fleet, clock, owners, fill } = world();
        let armed = false;
        let writes = 0;
        const faults: StoreFaults = (operation) => {
          const isLease = operation.op === 'transact' && operation.token === undefined;
          if (!armed || operation.op !== 'transact' || isLease) return undefined;
          const n = writes++;
          if (way === 'every other reply lost') return n % 2 === failing % 2 ? { replyLost: true } : undefined;
          if (n !== failing) return undefined;
          if (way === 'ambiguous, applied') return { replyLost: true };
          throw new StoreUnavailable(way);
        };
        const controller = control(faults);
        await during(controller.start());
        await fill(controller, 4, 6);
        armed = true;
        fleet.crash(2);
        await clock.advance(5000);
        expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
        expect([...(await owners()).values()].reduce((a, b) => a + b)).toBe(24);
        expect((await owners()).size).toBe(3);
        expect(fleet.recovered).toEqual(['2@1']);
      }
    });
  }
});
