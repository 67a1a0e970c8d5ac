/** Readers that follow a topic while one of its segment files is gone, and is put back: over SSE and over WebSocket. */
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess } from './doors.ts';

vi.setConfig({ testTimeout: 120_000 });

const partitions = [0, 1, 2, 3, 4, 5];
let instance: Instance;
afterEach(() => instance.remove());

const authorization = (): string => `Bearer ${instance.environment['HEADGATE_API_KEY']}`;

interface Heard {
  readonly values: string[];
  readonly unavailable: number[];
  readonly available: number[];
}

const nothing = (): Heard => ({ values: [], unavailable: [], available: [] });

async function followStream(heard: Heard, signal: AbortSignal): Promise<void> {
  const headers = { authorization: authorization(), accept: 'text/event-stream' };
  const stream = await fetch(`${instance.http}/v1/topics/kept/records?from=earliest`, { headers, signal });
  let text = '';
  for await (const chunk of stream.body!) {
    text += Buffer.from(chunk).toString();
    const events = text.split('\n\n');
    text = events.pop()!;
    for (const event of events) {
      const [, kind = 'record'] = /^event: (.*)$/m.exec(event) ?? [];
      const [, data = '{}'] = /^data: (.*)$/m.exec(event) ?? [];
      const told = JSON.parse(data) as { partition: number; value: string; problem?: { code: string } };
      if (kind === 'record' && 'value' in told) heard.values.push(told.value);
      if (kind === 'available') heard.available.push(told.partition);
      if (kind === 'unavailable' && told.problem?.code === 'records-unavailable')
        heard.unavailable.push(told.partition);
    }
  }
}

function followSocket(heard: Heard): WebSocket {
  const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, {
    headers: { authorization: authorization() },
  });
  socket.on('open', () => socket.send(JSON.stringify({ op: 'subscribe', sub: 1, topic: 'kept', from: 'earliest' })));
  socket.on('message', (data: Buffer) => {
    const told = JSON.parse(data.toString()) as {
      event: string;
      partition: number;
      records: { value: string }[];
      problem?: { code: string };
    };
    if (told.event === 'batch') heard.values.push(...told.records.map(({ value }) => value));
    if (told.event === 'available') heard.available.push(told.partition);
    if (told.event === 'unavailable' && told.problem?.code === 'records-unavailable')
      heard.unavailable.push(told.partition);
  });
  return socket;
}

it('readers learn which partitions cannot be read, get the others, and get all when the file is back', async () => {
  instance = await startInstallation();
  await createTopic(instance, demoAccess(instance), 'kept', partitions.length);
  for (const partition of partitions) {
    const stored = await fetch(`${instance.http}/v1/topics/kept`, {
      method: 'POST',
      headers: {
        authorization: authorization(),
        'record-partition': String(partition),
        'content-type': 'application/json',
      },
      body: `"of ${partition}"`,
    });
    expect(stored.status).toBe(200);
  }
  await instance.stop();
  const segments = join(instance.data, 'segments');
  const [name = ''] = readdirSync(segments);
  renameSync(join(segments, name), join(instance.data, name));
  instance = await startInstallation([], instance.data);

  const [overStream, overSocket] = [nothing(), nothing()];
  const abort = new AbortController();
  const streaming = followStream(overStream, abort.signal);
  streaming.catch(() => undefined);
  const socket = followSocket(overSocket);
  const lost = (heard: Heard): string[] => heard.unavailable.map((partition) => `of ${partition}`);
  const isTold = ({ values, unavailable }: Heard): boolean =>
    unavailable.length > 0 && values.length + unavailable.length === partitions.length;
  await expect.poll(() => [overStream, overSocket].every(isTold), { timeout: 30_000 }).toBe(true);
  const all = partitions.map((partition) => `of ${partition}`);
  for (const heard of [overStream, overSocket]) expect([...heard.values, ...lost(heard)].sort()).toEqual(all);

  renameSync(join(instance.data, name), join(segments, name));
  for (const heard of [overStream, overSocket]) {
    await expect.poll(() => [...heard.values].sort(), { timeout: 30_000 }).toEqual(all);
    expect(new Set(heard.available)).toEqual(new Set(heard.unavailable));
  }
  abort.abort();
  socket.close();
});
