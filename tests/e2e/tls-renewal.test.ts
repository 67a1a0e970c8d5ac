/** A certificate that is replaced while it is served: new connections get the new one, those that are open live on. */
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Instance } from '../../bin/demo/instance.ts';
import { uwsRefusal } from '../../gateway/http/servers/where-uws-loads.suite.ts';
import { startInstallation } from '../installation.ts';
import { authorized, demoAccess } from './doors.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const fixtures = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'tls');
const names = ['certificate.pem', 'key.pem'] as const;
const [first, second] = ['', 'next-'].map((prefix) => readFileSync(join(fixtures, `${prefix}certificate.pem`)));
const ca = [first!, second!];
const fingerprint = (pem: Buffer): string => new X509Certificate(pem).fingerprint256;

async function shake(port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca, servername: 'localhost' }).on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

async function servedAt(port: number): Promise<string> {
  const socket = await shake(port);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

const httpHead = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
/** ApiVersions v0, without a client id. */
const apiVersions = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);

const refused = await uwsRefusal();

describe.each(refused === undefined ? ['uws', 'node'] : ['node'])('a renewed certificate, %s', (driver) => {
  let folder: string;
  let instance: Instance;
  const put = (prefix: string): void => {
    for (const name of names) copyFileSync(join(fixtures, prefix + name), join(folder, name));
  };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'headgate-renewal-'));
    put('');
    const flags = ['--tls-certificate', join(folder, names[0]), '--tls-key', join(folder, names[1])];
    instance = await startInstallation([...flags, '--http-server', driver]);
  });
  afterAll(async () => {
    await instance.remove();
    rmSync(folder, { recursive: true });
  });

  it('is loaded at every door, twice, and open connections continue', async () => {
    const kafka = Number(instance.kafka.split(':')[1]);
    const http = Number(new URL(instance.http).port);
    const admin = Number(new URL(instance.environment['HEADGATE_ADMIN']!).port);
    const doors = [kafka, http, admin];
    const open = await Promise.all(doors.map(shake));
    const asks = [apiVersions, httpHead('/v1/nothing'), httpHead('/healthz')];
    const url = `wss://localhost:${http}/v1/ws`;
    const websocket = new WebSocket(url, { ca, headers: authorized(demoAccess(instance)) });
    await once(websocket, 'open');
    for (const [prefix, expected] of [['next-', second!] as const, ['', first!] as const]) {
      put(prefix);
      process.kill(instance.pid, 'SIGHUP');
      for (const port of doors) {
        await expect.poll(() => servedAt(port), { timeout: 20_000 }).toBe(fingerprint(expected));
      }
      for (const [i, socket] of open.entries()) {
        const answered = once(socket, 'data');
        socket.write(asks[i]!);
        expect(String((await answered)[0]).length).toBeGreaterThan(10);
      }
      const ponged = once(websocket, 'pong');
      websocket.ping();
      await ponged;
    }
    websocket.terminate();
    for (const socket of open) socket.destroy();
  });

  it('is not loaded while it is invalid', async () => {
    copyFileSync(join(fixtures, 'next-key.pem'), join(folder, names[1]));
    process.kill(instance.pid, 'SIGHUP');
    await expect.poll(() => instance.errors.join('\n'), { timeout: 20_000 }).toContain('tls-certificate-refused');
    for (const port of [instance.kafka.split(':')[1], new URL(instance.http).port].map(Number)) {
      expect(await servedAt(port)).toBe(fingerprint(first!));
    }
  });
});
