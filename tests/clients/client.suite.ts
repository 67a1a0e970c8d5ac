/**
 * What a client must be able to do, whichever it is and whomever it talks to. A step that a client has no call for is
 * prepared with another client (kafkajs) where later steps need it.
 */
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { ClientDriver, Compression, KeyedValue, Member, Produce } from './driver.ts';
import { killChildren, until } from './processes.ts';
import { kafkajsProgram, programDriver } from './programs.ts';
import type { Access, ClientName } from './targets.ts';

const groupWaitMsMax = 60_000;
const changeWaitMsMax = 30_000;
const padding = 'headgate-'.repeat(8);

/** `count` records whose values start with `prefix`, their keys spread over the partitions. */
function keyedValues(prefix: string, count: number): KeyedValue[] {
  return Array.from({ length: count }, (_, i) => ({ key: `key-${i}`, value: `${prefix}-${i}-${padding}` }));
}

const valuesOf = (records: readonly { readonly value: string }[]): string[] => records.map(({ value }) => value);
const anyway = { compression: 'none', idempotent: false } as const;
const preparing = programDriver(kafkajsProgram, []);

/** `more`: tests of features that only this client has. */
export function clientSuite(name: ClientName, driver: ClientDriver, more?: (at: Access) => void): void {
  afterAll(killChildren);
  for (const { name: target, access } of inject('targets')) {
    describe(target, () => {
      describe(name, () => steps(name, driver, access[name], more));
    });
  }
}

function steps(name: ClientName, driver: ClientDriver, at: Access, more?: (at: Access) => void): void {
  /** Clients may share a cluster, so each has names of its own. */
  const own = (what: string): string => `${name}-${what}`;
  const createTopic = driver.createTopic ?? preparing.createTopic!;
  const produce = (wanted: Partial<Produce> & Pick<Produce, 'topic' | 'records'>): Promise<void> =>
    driver.produce(at, { ...anyway, ...wanted });

  if (driver.createTopic) {
    it('creates a topic', async () => {
      await createTopic(at, own('created'), 3);
      await until('it is there', changeWaitMsMax, async () => {
        const described = await preparing.describeTopic!(at, own('created')).catch(() => undefined);
        return described?.size === 3;
      });
    });
  } else {
    it('creates a topic by producing to it', async () => {
      await produce({ topic: own('created'), records: keyedValues('first', 10) });
      const read = await driver.read(at, { topic: own('created'), count: 10 });
      expect(valuesOf(read).sort()).toEqual(valuesOf(keyedValues('first', 10)).sort());
    });
  }

  it.each(driver.compressions)('produces with compression %s and reads it back', async (compression: Compression) => {
    const topic = own(`compressed-${compression}`);
    await createTopic(at, topic, 3);
    const records = keyedValues(compression, 100);
    await produce({ topic, records, compression });
    const read = await driver.read(at, { topic, count: records.length });
    expect(valuesOf(read).sort()).toEqual(valuesOf(records).sort());
  });

  it('produces idempotently: each record once, in order', async () => {
    await createTopic(at, own('idempotent'), 1);
    const records = keyedValues('once', 300);
    await produce({ topic: own('idempotent'), records, idempotent: true });
    const read = await driver.read(at, { topic: own('idempotent'), count: records.length });
    expect(valuesOf(read)).toEqual(valuesOf(records));
    expect(read.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
  });

  it('seeks by time', async () => {
    await createTopic(at, own('timed'), 1);
    await produce({ topic: own('timed'), records: keyedValues('early', 20) });
    await produce({ topic: own('timed'), records: keyedValues('late', 20) });
    const all = await driver.read(at, { topic: own('timed'), count: 40 });
    const late = all.filter(({ value }) => value.startsWith('late'));
    const sinceMs = Math.min(...late.map(({ timestampMs }) => timestampMs));
    const read = await driver.read(at, { topic: own('timed'), count: 20, sinceMs });
    expect(valuesOf(read)).toEqual(valuesOf(keyedValues('late', 20)));
  });

  it('commits, and resumes from the commit', async () => {
    await createTopic(at, own('resumed'), 1);
    const records = keyedValues('resumed', 30);
    await produce({ topic: own('resumed'), records });
    const join = { group: own('resumers'), topic: own('resumed') };
    expect(await driver.take(at, { ...join, count: 10 })).toEqual(valuesOf(records.slice(0, 10)));
    if (driver.committed) expect(await driver.committed(at, join)).toEqual(new Map([[0, 10]]));
    expect(await driver.take(at, { ...join, count: 20 })).toEqual(valuesOf(records.slice(10)));
  });

  it('reads in a group of three, of which one is killed', async () => {
    await createTopic(at, own('shared'), 6);
    const join = { group: own('sharers'), topic: own('shared') };
    const members = [0, 1, 2].map(() => driver.member(at, join));
    const tell = (): string =>
      members.map((m) => `[${m.assigned}] ${m.records.length} records\n${m.errors.slice(-10).join('\n')}`).join('\n');
    await until('each has partitions', groupWaitMsMax, () => isShared(members, 6, 3), tell);
    if (driver.describeGroup)
      expect(await driver.describeGroup(at, join.group)).toMatchObject({ state: 'stable', members: 3 });
    if (driver.deleteGroup) expect(await refused(driver.deleteGroup(at, join.group))).toMatch(/(not|non).?empty/i);

    const before = keyedValues('before', 60);
    await produce({ topic: join.topic, records: before });
    await until('all read before the death', groupWaitMsMax, () => haveRead(members, before), tell);
    await members[0]!.kill();
    const after = keyedValues('after', 60);
    await produce({ topic: join.topic, records: after });
    const survivors = members.slice(1);
    await until('all read after the death', groupWaitMsMax, () => haveRead(survivors, after), tell);
    await until('the survivors share', groupWaitMsMax, () => isShared(survivors, 6, 2), tell);
    for (const survivor of survivors) await survivor.leave();
    if (!driver.committed) return;
    const committed = await driver.committed(at, join);
    expect([...committed.values()].reduce((sum, offset) => sum + offset, 0)).toBe(120);
  });

  it('is refused with a wrong password', async () => {
    const ask = driver.topics ?? preparing.topics!;
    expect(await refused(ask({ ...at, password: `${at.password}x` }))).toMatch(/authentication/i);
  });

  if (driver.createTopic) {
    it('is told that a topic exists', async () => {
      expect(await refused(createTopic(at, own('shared'), 6))).toMatch(/already.exists/i);
    });
  }

  const { addPartitions, configs, setConfig, deleteRecords } = driver;
  if (addPartitions) {
    it('adds partitions', async () => {
      await addPartitions(at, own('created'), 5);
      const described = (): Promise<ReadonlyMap<number, number>> => preparing.describeTopic!(at, own('created'));
      await until('they are there', changeWaitMsMax, async () => (await described()).size === 5);
    });
  }
  if (configs && setConfig) {
    it('reads and changes a setting', async () => {
      const retention = async (): Promise<string | undefined> =>
        (await configs(at, own('created'))).get('retention.ms');
      expect(await retention()).toBe('86400000');
      await setConfig(at, own('created'), 'retention.ms', '172800000');
      await until('it is changed', changeWaitMsMax, async () => (await retention()) === '172800000');
    });
  }
  if (setConfig) {
    it('reads records that the broker recompressed', async () => {
      const topic = own('recompressed');
      await createTopic(at, topic, 1);
      const records = keyedValues('anew', 200);
      for (const [part, codec] of ['zstd', 'uncompressed', 'lz4', 'producer'].entries()) {
        await setConfig(at, topic, 'compression.type', codec);
        await produce({
          topic,
          records: records.slice(part * 50, (part + 1) * 50),
          compression: 'gzip',
          idempotent: true,
        });
      }
      const read = await driver.read(at, { topic, count: records.length });
      expect(valuesOf(read)).toEqual(valuesOf(records));
      expect(read.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
    });
  }
  if (deleteRecords) {
    it('deletes records', async () => {
      await deleteRecords(at, own('resumed'), 0, 25);
      const read = await driver.read(at, { topic: own('resumed'), count: 5 });
      expect(read.map(({ offset }) => offset)).toEqual([25, 26, 27, 28, 29]);
    });
  }
  more?.(at);

  const { topics, describeTopic, groups, describeGroup, deleteGroup, deleteTopic } = driver;
  if (topics) {
    it('lists topics', async () => {
      const listed = await topics(at);
      expect(listed).toEqual(expect.arrayContaining([own('resumed'), own('shared'), own('timed')]));
    });
  }
  if (describeTopic) {
    it('describes a topic', async () => {
      const leaders = await describeTopic(at, own('shared'));
      expect(new Set(leaders.keys())).toEqual(new Set([0, 1, 2, 3, 4, 5]));
      for (const leader of leaders.values()) expect(leader).toBeGreaterThanOrEqual(0);
    });
  }
  if (groups) {
    it('lists groups', async () => {
      expect(await groups(at)).toEqual(expect.arrayContaining([own('resumers'), own('sharers')]));
    });
  }
  if (describeGroup) {
    it('describes an empty group', async () => {
      expect(await describeGroup(at, own('resumers'))).toMatchObject({ state: 'empty', members: 0 });
    });
  }
  if (groups && deleteGroup) {
    it('deletes a group', async () => {
      await deleteGroup(at, own('resumers'));
      expect(await groups(at)).not.toContain(own('resumers'));
    });
  }
  if (topics && deleteTopic) {
    it('deletes a topic', async () => {
      await deleteTopic(at, own('timed'));
      await until('it is gone', changeWaitMsMax, async () => !(await topics(at)).includes(own('timed')));
    });
  }
}

function mustRun(members: readonly Member[]): void {
  for (const member of members) {
    if (!member.isRunning) throw new Error(`a member has ended:\n${member.errors.join('\n')}`);
  }
}

/** Whether these members, `sharing` in number, have all the partitions, each of them some. */
function isShared(members: readonly Member[], partitions: number, sharing: number): boolean {
  mustRun(members);
  const all = members.flatMap(({ assigned }) => assigned);
  const having = members.filter(({ assigned }) => assigned.length > 0);
  return having.length === sharing && all.length === partitions && new Set(all).size === partitions;
}

function haveRead(members: readonly Member[], records: readonly KeyedValue[]): boolean {
  mustRun(members);
  const seen = new Set(members.flatMap((member) => valuesOf(member.records)));
  return records.every(({ value }) => seen.has(value));
}

/** Why it failed; an error when it did not. */
async function refused(call: Promise<unknown>): Promise<string> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error('it was not refused');
  return outcome.message;
}
