/**
 * Adds a fourth broker to three full ones and measures the time from the request until it has its share and every partition
 * has taken a durable write again. No record is copied, so the time should not depend on the amount of data.
 *
 * The broker's share is one of load: when the three have just been written to, eight of the busier partitions may be a
 * quarter. So the end is not a number of partitions but the moment when no more moves follow.
 */
import type { Bench, BenchEnvironment, Fact } from '../compare/bench.ts';
import { type Headgate, startHeadgate } from '../servers/serve.ts';

const topic = 'full';
const partitions = 40;
const recordBytes = 512 * 1024;
const lanes = 6;
const mibPerBroker = [150, 1500];
/** No move for this long: the round of moves is over. */
const quietMs = 1500;
/** As a part of an even share of the partitions: a broker with fewer has not been filled. */
const shareMin = 0.7;

export const addBroker: Bench = {
  name: 'add-broker',
  about: `A fourth broker added to three that hold ${mibPerBroker.join(' and then ')} MiB each in ${partitions} partitions, until it carries its share; goal: 0.7 s, however much there is`,
  unit: 'brokers',
  async facts(environment) {
    const facts: Fact[] = [];
    for (const mib of mibPerBroker.map((each) => Math.max(1, Math.round(each * environment.scale)))) {
      const measured = await addOne(environment, mib);
      const what = `${mib} MiB a broker`;
      facts.push(
        { name: `owns its share, ${what}`, value: measured.sharedMs / 1000, unit: 's' },
        { name: `of that until its process serves, ${what}`, value: measured.servesMs / 1000, unit: 's' },
        { name: `all partitions written again, ${what}`, value: measured.writtenMs / 1000, unit: 's' },
        { name: `partitions that it has then, ${what}`, value: measured.partitions, unit: `of ${partitions}` },
      );
    }
    return facts;
  },
};

async function addOne(
  environment: BenchEnvironment,
  mib: number,
): Promise<{ servesMs: number; sharedMs: number; writtenMs: number; partitions: number }> {
  // One zone, so that a single broker can be added. A spare process stands by, as in an installation.
  const flags = [
    '--durability',
    'fsync',
    '--zones',
    'a',
    '--brokers',
    '3',
    '--brokers-max',
    '4',
    '--spare-brokers',
    '1',
  ];
  const headgate = await startHeadgate(environment, flags);
  try {
    await headgate.topic(topic, partitions);
    await fill(headgate, mib * 3);
    environment.log(`${mib} MiB a broker are written`);
    const begin = performance.now();
    const scaled = headgate.instance.admin('POST', '/fleet/scale', { brokers: 4 });
    let servesMs = 0;
    let sharedMs = 0;
    let writtenMs = 0;
    for (let owned = 0; owned < (partitions / 4) * shareMin || performance.now() - begin < sharedMs + quietMs; ) {
      const added = (await headgate.instance.brokers()).find(({ brokerId }) => brokerId === 4);
      if (servesMs === 0 && added?.state === 'serving') servesMs = performance.now() - begin;
      if (added && added.partitions !== owned) {
        owned = added.partitions;
        sharedMs = performance.now() - begin;
        if (owned >= (partitions / 4) * shareMin) await writeAll(headgate);
        writtenMs = performance.now() - begin;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await scaled;
    const owned = (await headgate.instance.brokers()).find(({ brokerId }) => brokerId === 4)!.partitions;
    return { servesMs, sharedMs, writtenMs, partitions: owned };
  } finally {
    await headgate.stop();
  }
}

/** Random bytes: compressible ones would not be the stated amount. */
async function fill(headgate: Headgate, mib: number): Promise<void> {
  const body = crypto.getRandomValues(new Uint8Array(65_536));
  const record = new Uint8Array(recordBytes);
  for (let at = 0; at < recordBytes; at += body.length) record.set(body, at);
  const records = (mib * 1024 * 1024) / recordBytes;
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < records; i = next++) {
      const headers = { 'content-type': 'application/octet-stream', 'record-key': `k${i}` };
      await headgate.post(`/v1/topics/${topic}`, record, headers);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function writeAll(headgate: Headgate): Promise<void> {
  const records = Array.from({ length: partitions }, (_, partition) => ({ partition, value: 'k' }));
  const answer = (await headgate.post(`/v1/topics/${topic}/records`, JSON.stringify({ records }), {
    'content-type': 'application/json',
  })) as { failed: number };
  if (answer.failed > 0) throw new Error(`${answer.failed} partitions take no write`);
}
