/** A whole installation whose segments lie in a bucket: roll-up, restart, cold reads, deletion, an outage, a dead broker. */
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { until } from '../clients/processes.ts';
import { createTopic, demoAccess, httpSender, kafkaOf, readAll } from '../e2e/doors.ts';
import { startInstallation } from '../installation.ts';
import { bucket, S3Server } from './s3-server.ts';

const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist', 'bin', 'main.js');
const prefix = 'installation';
const valueBytes = 200_000;
const attemptsMax = 200;

describe('an installation over S3', () => {
  let server: S3Server;
  let instance: Instance;
  let number = 0;
  const stored: string[] = [];

  const flags = (): string[] => [
    `--segments=s3://${bucket}/${prefix}/`,
    `--segments-endpoint=${server.endpoint}`,
    '--brokers=1',
    '--zones=a',
    '--quota-profile=unlimited',
  ];

  /** Appends about `megabytes`, eight at a time, each until it is acknowledged. */
  async function produce(megabytes: number): Promise<void> {
    const send = httpSender(instance, demoAccess(instance), 'cold');
    const until = number + Math.ceil((megabytes * 1e6) / valueBytes);
    const one = async (): Promise<void> => {
      while (number < until) {
        const value = `${number++}:`.padEnd(valueBytes, '.');
        for (let attempt = 1; !(await send('k', value).catch(() => false)); attempt++) {
          if (attempt === attemptsMax) throw new Error(`value ${value.slice(0, 9)} is never taken`);
        }
        stored.push(value);
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
  }

  async function expectAll(): Promise<void> {
    const values = (await readAll(instance, demoAccess(instance), 'cold')).map(({ value }) => value);
    expect(new Set(values).size).toBe(values.length);
    expect(values.map((value) => value.slice(0, 9)).toSorted()).toEqual(
      stored.map((value) => value.slice(0, 9)).toSorted(),
    );
  }

  beforeAll(async () => {
    server = await S3Server.start();
    instance = await startInstallation(flags());
    await createTopic(instance, demoAccess(instance), 'cold', 2);
  });
  afterAll(async () => {
    await instance?.remove();
    await server?.remove();
  });

  it('rolls up only into the bucket', async () => {
    await produce(20);
    await until('a roll-up', 30_000, () => server.objects(prefix).length > 0);
    expect(readdirSync(join(instance.data, 'segments'))).toEqual([]);
    await expectAll();
  });

  it('serves everything from the bucket after a restart without a local segment', async () => {
    await instance.stop();
    rmSync(join(instance.data, 'segments'), { recursive: true });
    instance = await startInstallation(flags(), instance.data);
    await expectAll();
  });

  it('accepts writes while the bucket is away, and rolls up when it is back', async () => {
    await server.down();
    const before = server.objects(prefix);
    await produce(24);
    expect(server.objects(prefix)).toEqual(before);
    await server.up();
    await until('a roll-up', 60_000, () => server.objects(prefix).length > before.length);
    await expectAll();
  });

  it('is backed up with the contents of the bucket, and starts from the backup without it', async () => {
    const copy = `${instance.data}-copy`;
    const bare = promisify(execFile)(process.execPath, [main, 'backup', copy, '--data', instance.data]);
    await expect(bare).rejects.toThrow('--segments');
    const backup = ['backup', copy, '--data', instance.data, ...flags().slice(0, 2)];
    await promisify(execFile)(process.execPath, [main, ...backup]);
    const expectWhole = async (data: string, from: readonly string[]): Promise<void> => {
      const whole = await startInstallation(from, data);
      const values = (await readAll(whole, demoAccess(whole), 'cold')).map(({ value }) => value.slice(0, 9));
      await whole.remove();
      rmSync(data, { recursive: true, force: true });
      expect(values.toSorted()).toEqual(stored.map((value) => value.slice(0, 9)).toSorted());
    };
    const second = `${copy}-2`;
    cpSync(copy, second, { recursive: true });
    await expectWhole(copy, flags().slice(2));
    // Back into a bucket, under a prefix of its own.
    cpSync(join(second, 'segments'), join(server.folder, bucket, 'restored'), { recursive: true });
    rmSync(join(second, 'segments'), { recursive: true });
    await expectWhole(second, [`--segments=s3://${bucket}/restored/`, ...flags().slice(1)]);
  });

  it('recovers a dead broker into the bucket', async () => {
    await produce(3);
    const before = server.objects(prefix).length;
    const [broker] = await instance.brokers();
    process.kill(broker!.pid, 'SIGKILL');
    await until('another process serves', 30_000, async () => {
      const [now] = await instance.brokers();
      return now!.pid !== broker!.pid && now!.state === 'serving';
    });
    await expectAll();
    expect(server.objects(prefix).length).toBeGreaterThan(before);
  });

  it('removes objects together with their records', async () => {
    await instance.stop();
    instance = await startInstallation(flags(), instance.data);
    const kafka = kafkaOf(instance, demoAccess(instance)).admin();
    await kafka.connect();
    const before = server.objects(prefix).length;
    const ends = await kafka.fetchTopicOffsets('cold');
    const partitions = ends.map(({ partition, offset }) => ({ partition, offset }));
    await kafka.deleteTopicRecords({ topic: 'cold', partitions });
    expect(server.objects(prefix).length).toBeLessThan(before);
    await kafka.deleteTopics({ topics: ['cold'] });
    await kafka.disconnect();
    await until('no object is left of the topic', 30_000, () => server.objects(prefix).length <= 1);
  });
});
