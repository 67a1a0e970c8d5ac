/**
 * Under TLS, on a machine with few files per process: an attacker opens connections as fast as they are closed, sends
 * half a handshake on each, and never completes one. Honest clients come from the same address, which is the worst
 * case.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { askTls } from './doors.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const fixtures = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'tls');
const certificateFile = join(fixtures, 'certificate.pem');
const ca = readFileSync(certificateFile, 'utf8');
/** The head of a handshake record whose rest does not come. */
const halfHandshake = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]);

/** Of each door. */
const attempts = 8;

let instance: Instance;
let isFlooding = false;
const flood = new Set<Socket>();
/** Ports to come to again. */
const waiting: number[] = [];
afterEach(async () => {
  isFlooding = false;
  for (const socket of flood) socket.destroy();
  await instance.remove();
});

/** Comes again when it is closed, two of all of them in a turn. */
function strike(port: number): void {
  const socket = connect(port, '127.0.0.1', () => socket.write(halfHandshake));
  flood.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => {
    flood.delete(socket);
    waiting.push(port);
  });
}

function strikeAgain(): void {
  for (const port of waiting.splice(0, 2)) strike(port);
  if (isFlooding) setImmediate(strikeAgain);
}

async function startFlooded(): Promise<void> {
  const entrance = ['/bin/sh', '-c', 'ulimit -n 512; exec "$@"', 'sh'];
  const data = mkdtempSync(join(tmpdir(), 'tls-flood-'));
  const flags = ['--tls-certificate', certificateFile, '--tls-key', join(fixtures, 'key.pem'), '--http-server', 'node'];
  instance = await startInstallation(flags, data, { entrance, data });
  isFlooding = true;
  const { kafka: bootstrap, http, environment } = instance;
  for (const address of [bootstrap, new URL(http).host, new URL(environment['HEADGATE_ADMIN']!).host]) {
    // More than any door of this process may hold.
    for (let i = 0; i < 300; i++) strike(Number(address.split(':')[1]));
  }
  strikeAgain();
  await expect.poll(() => instance.errors.join('\n'), { timeout: 20_000 }).toContain('connections-full');
}

it('clients connect over each door at their first attempt', async () => {
  await startFlooded();
  const { HEADGATE_SASL_USERNAME: username, HEADGATE_SASL_PASSWORD: password } = instance.environment;
  const outcomes = { kafka: 0, http: 0, admin: 0 };
  for (let i = 0; i < attempts; i++) {
    const kafka = new Kafka({
      brokers: [instance.kafka],
      ssl: { ca },
      sasl: { mechanism: 'plain', username: username!, password: password! },
      logLevel: logLevel.NOTHING,
      connectionTimeout: 10_000,
      retry: { retries: 0 },
    });
    const admin = kafka.admin();
    const came = admin.connect().then(() => admin.describeCluster());
    outcomes.kafka += await came.then(
      () => 1,
      () => 0,
    );
    await admin.disconnect();
    outcomes.http += await askTls(`${instance.http}/v1`, ca).then(
      () => 1,
      () => 0,
    );
    outcomes.admin += await askTls(`${instance.environment['HEADGATE_ADMIN']}/readyz`, ca).then(
      () => 1,
      () => 0,
    );
  }
  // Nearly all, and none at all when handshakes keep their room; how many depends on how fast the machine lets the flood be.
  expect(Math.min(...Object.values(outcomes))).toBeGreaterThanOrEqual(attempts / 2);
});
