/**
 * kill -9 and SIGSTOP of real brokers with 1,000 produces under way over each door: nothing acknowledged is lost, every
 * key keeps its order, nothing is stored twice whose outcome was known.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BrokerFacts, Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import {
  createTopic,
  demoAccess,
  Doubts,
  httpSender,
  judgeRecords,
  kafkaSender,
  readAll,
  type SendOne,
  sendKey,
  websocketSender,
} from './doors.ts';

// Whole installations on a busy machine: the bound is against hanging, nothing here is about speed.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const keys = 50;
const perKey = 20;

async function produceWhile(
  send: SendOne,
  label: string,
  disturb: () => Promise<void>,
): Promise<{ acknowledged: string[] }> {
  const acknowledged: string[] = [];
  const all = Array.from({ length: keys }, (_, i) => sendKey(send, `${label}-${i}`, perKey, acknowledged));
  // In the midst of it: when a part is acknowledged and the rest is under way or still to come.
  while (acknowledged.length < (keys * perKey) / 5) await new Promise((resolve) => setImmediate(resolve));
  await disturb();
  await Promise.all(all);
  return { acknowledged };
}

describe('a broker dies', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstallation();
  });
  afterAll(() => instance.remove());

  const busiest = async (): Promise<BrokerFacts> => {
    const serving = (await instance.brokers()).filter(({ state }) => state === 'serving');
    return serving.toSorted((a, b) => b.partitions - a.partitions)[0]!;
  };
  const allServe = async (): Promise<void> => {
    const deadline = Date.now() + 30_000;
    while (!(await instance.brokers()).every(({ state }) => state === 'serving')) {
      if (Date.now() > deadline) throw new Error('the brokers do not come back');
    }
  };
  const kill = async (): Promise<void> => {
    process.kill((await busiest()).pid, 'SIGKILL');
  };

  it('while HTTP requests are in flight', async () => {
    const access = demoAccess(instance);
    await createTopic(instance, access, 'kill-http', 6);
    const doubts = new Doubts();
    const { acknowledged } = await produceWhile(httpSender(instance, access, 'kill-http', doubts), 'http', kill);
    const outcome = judgeRecords(await readAll(instance, access, 'kill-http'), acknowledged, doubts);
    expect(acknowledged).toHaveLength(keys * perKey);
    expect(outcome).toEqual({ lost: [], duplicates: [], disordered: [] });
    await allServe();
  });

  it('while Kafka requests are in flight', async () => {
    const access = demoAccess(instance);
    await createTopic(instance, access, 'kill-kafka', 6);
    const sender = await kafkaSender(instance, access, 'kill-kafka');
    const { acknowledged } = await produceWhile(sender.send, 'kafka', kill);
    await sender.close();
    const outcome = judgeRecords(await readAll(instance, access, 'kill-kafka'), acknowledged);
    expect(outcome).toEqual({ lost: [], duplicates: [], disordered: [] });
    await allServe();
  });

  it('while WebSocket requests are in flight', async () => {
    const access = demoAccess(instance);
    await createTopic(instance, access, 'kill-websocket', 6);
    const doubts = new Doubts();
    const sender = await websocketSender(instance, access, 'kill-websocket', doubts);
    const { acknowledged } = await produceWhile(sender.send, 'websocket', kill);
    sender.close();
    const outcome = judgeRecords(await readAll(instance, access, 'kill-websocket'), acknowledged, doubts);
    expect(outcome).toEqual({ lost: [], duplicates: [], disordered: [] });
    await allServe();
  });

  it('or hangs, and acknowledges nothing after it resumes', async () => {
    const access = demoAccess(instance);
    await createTopic(instance, access, 'hang', 6);
    const victim = await busiest();
    const doubts = new Doubts();
    const { acknowledged } = await produceWhile(httpSender(instance, access, 'hang', doubts), 'hang', async () => {
      process.kill(victim.pid, 'SIGSTOP');
    });
    // Its successor took over: the process was ended while it slept, or is fenced the moment it wakes.
    try {
      process.kill(victim.pid, 'SIGCONT');
    } catch {
      // Gone already.
    }
    const outcome = judgeRecords(await readAll(instance, access, 'hang'), acknowledged, doubts);
    expect(outcome).toEqual({ lost: [], duplicates: [], disordered: [] });
    await allServe();
    expect((await instance.brokers()).every(({ pid }) => pid !== victim.pid)).toBe(true);
  });
});
