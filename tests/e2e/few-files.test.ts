/**
 * A client that never logs in opens more connections than the process may have files, on every port, while brokers are
 * killed. The limit is the real limit of the process, set by its shell.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';

const dist = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist');
const partitions = [0, 1, 2, 3, 4, 5];
let instance: Instance;
const flood: Socket[] = [];
afterEach(async () => {
  for (const socket of flood.splice(0)) socket.destroy();
  await instance.remove();
});

async function start(filesMax: number): Promise<void> {
  const entrance = ['/bin/sh', '-c', `ulimit -n ${filesMax}; exec "$@"`, 'sh'];
  const data = mkdtempSync(join(tmpdir(), 'few-files-'));
  instance = await startInstallation([], data, { entrance, data });
  const admin = kafka().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: partitions.length }], waitForLeaders: true });
  await admin.disconnect();
}

function kafka(): Kafka {
  const { HEADGATE_SASL_USERNAME: username, HEADGATE_SASL_PASSWORD: password } = instance.environment;
  return new Kafka({
    brokers: [instance.kafka],
    sasl: { mechanism: 'plain', username: username!, password: password! },
    logLevel: logLevel.NOTHING,
  });
}

/** So many connections to each port that all but the kept part of the files is taken. */
async function connectMany(count: number): Promise<void> {
  const { kafka: bootstrap, http, environment } = instance;
  const ports = [bootstrap, new URL(http).host, new URL(environment['HEADGATE_ADMIN']!).host];
  const settled: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect(Number(ports[i % ports.length]!.split(':')[1]), '127.0.0.1');
    socket.on('error', () => undefined);
    settled.push(Promise.race([once(socket, 'connect'), once(socket, 'close')]));
    flood.push(socket);
  }
  await Promise.all(settled);
}

async function killTwo(): Promise<void> {
  const brokers = await instance.brokers();
  await connectMany(1_500);
  for (const { pid } of brokers.slice(0, 2)) process.kill(pid, 'SIGKILL');
}

async function write(): Promise<void> {
  const producer = kafka().producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic: 'kept', messages: partitions.map((partition) => ({ partition, value: 'x' })) });
  await producer.disconnect();
}

it('a failover can open its files, and a client can log in, beside any number of connections', async () => {
  await start(1_024);
  await killTwo();
  await write();
  expect(instance.errors.join('\n')).toContain('connections-full');
  expect(instance.isRunning).toBe(true);
});

it('a failover that ran out of files completes once the connections have ended', async () => {
  // So few that the reserved files are not enough.
  await start(160);
  await killTwo();
  for (const socket of flood.splice(0)) socket.destroy();
  await write();
  expect(instance.isRunning).toBe(true);
});

it('a broker that cannot start for lack of files is refused, and started later', async () => {
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { systemClock } from '${dist}/engine/kernel/clock.js';
    import { processFleet } from '${dist}/infra/fleet/process.js';
    const home = { data: '${tmpdir()}', notes: '${tmpdir()}' };
    const fleet = processFleet({ clock: systemClock, program: '-e', arguments: ['1'], spares: 0, home, log: () => undefined });
    const start = () => fleet.start({ brokerId: 1, zone: 'a', volume: '', address: '' }).then(() => 'made', ({ code }) => code);
    const held = [];
    try { for (;;) held.push(openSync('/dev/null')); } catch { /* None left. */ }
    const refused = await start();
    for (const file of held) closeSync(file);
    process.stdout.write(refused + ' ' + (await start()));
    process.exit();`;
  const words = [process.execPath, '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...words]);
  expect(stdout).toBe('EMFILE made');
});
