/** With a certificate every door and the control plane speak TLS, and nothing else. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Instance } from '../../bin/demo/instance.ts';
import { uwsRefusal } from '../../gateway/http/servers/where-uws-loads.suite.ts';
import { startInstallation } from '../installation.ts';
import { authorized, demoAccess } from './doors.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** A self-signed pair for localhost, for tests alone. */
const fixtures = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'tls');
const certificateFile = join(fixtures, 'certificate.pem');
const ca = readFileSync(certificateFile, 'utf8');

const refused = await uwsRefusal();
if (refused !== undefined) it.skip(refused, () => undefined);

describe.each(refused === undefined ? ['uws', 'node'] : ['node'])('TLS, %s', (driver) => {
  let instance: Instance;
  beforeAll(async () => {
    const flags = ['--tls-certificate', certificateFile, '--tls-key', join(fixtures, 'key.pem')];
    instance = await startInstallation([...flags, '--http-server', driver]);
  });
  afterAll(() => instance.remove());

  function ask(url: string, method: string, body?: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { method, ca, headers: authorized(demoAccess(instance)) }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode!, text: String(Buffer.concat(chunks)) }));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  it('HTTP in, Kafka and WebSocket out', async () => {
    const { keyId, apiKey } = demoAccess(instance);
    expect(instance.http).toMatch(/^https:/);
    expect((await ask(`${instance.http}/v1/topics/secured`, 'POST', '"hello"')).status).toBe(200);
    const kafka = new Kafka({
      brokers: [instance.kafka],
      ssl: { ca },
      sasl: { mechanism: 'plain', username: keyId, password: apiKey },
      logLevel: logLevel.NOTHING,
    });
    const admin = kafka.admin();
    await admin.connect();
    expect(await admin.fetchTopicOffsets('secured')).toMatchObject([{ partition: 0, offset: '1' }]);
    await admin.disconnect();
    const value = await new Promise((resolve, reject) => {
      const url = `${instance.http.replace('http', 'ws')}/v1/ws`;
      const socket = new WebSocket(url, { ca, headers: authorized(demoAccess(instance)) });
      socket.on('error', reject);
      socket.on('open', () => {
        socket.send(JSON.stringify({ op: 'subscribe', sub: 1, topic: 'secured', from: 'earliest' }));
      });
      socket.on('message', (data) => {
        const event = JSON.parse(String(data)) as { event: string; records?: { value: unknown }[] };
        if (event.event !== 'batch') return;
        socket.terminate();
        resolve(event.records?.[0]?.value);
      });
    });
    expect(value).toBe('hello');
  });

  it('the control plane too, and plain text is refused', async () => {
    const admin = instance.environment['HEADGATE_ADMIN']!;
    expect((await ask(`${admin}/readyz`, 'GET')).status).toBe(200);
    const described = JSON.parse((await ask(`${admin}/openapi.json`, 'GET')).text) as {
      readonly paths: Readonly<Record<string, { readonly servers?: readonly unknown[] }>>;
    };
    expect(described.paths['/v1/topics']?.servers?.[0]).toEqual({ url: instance.http });
    await expect(fetch(instance.http.replace('https:', 'http:'))).rejects.toThrow();
    await expect(fetch(admin.replace('https:', 'http:'))).rejects.toThrow();
  });
});
