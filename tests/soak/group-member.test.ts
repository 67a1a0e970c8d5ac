/** A member that the group has lost comes back: what the soak's group does when a session ends in the middle of a run. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { Connection } from '../differential/connection.ts';
import { Downtime } from './downtime.ts';
import { readGroup } from './group-member.ts';
import { HttpClient } from './http-client.ts';
import { Recorder } from './recorder.ts';
import { group, Site } from './site.ts';
import { writeHttp } from './writers.ts';

const program = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist', 'bin', 'main.js');
const waitMsMax = 60_000;
const removals = 3;

it('joins again when its commit is told that the group does not know it', { timeout: 300_000 }, async () => {
  const recorder = new Recorder(waitMsMax);
  const site = await Site.start(program, 1, 1, recorder);
  const stop = new AbortController();
  const load = { site, recorder, downtime: new Downtime(1), partitions: 1, paceMs: 5, signal: stop.signal };
  const clients = [writeHttp(load, 0), readGroup(load)];
  try {
    const { keyId: username, apiKey: password } = site.access;
    const connection = await Connection.open({ bootstrap: site.instance.kafka, username, password });
    for (let removed = 0; removed < removals; removed++) {
      await commitsGoOn(recorder);
      const members = (await memberIds(site)).map((memberId) => ({ memberId, groupInstanceId: null, reason: null }));
      const left = await connection.ask(13, 3, { groupId: group, memberId: '', members });
      expect(left).toMatchObject({ kind: 'answer', body: { errorCode: 0, members: [{ errorCode: 0 }] } });
    }
    await commitsGoOn(recorder);
    connection.end();
    expect([...recorder.checker.crashes]).toEqual([]);
    expect(recorder.checker.anomalies).toEqual([]);
  } finally {
    stop.abort();
    await Promise.all(clients);
    await site.instance.remove();
  }
});

async function commitsGoOn({ checker: { counts } }: Recorder): Promise<void> {
  const enough = counts.commits + 3;
  await vi.waitFor(() => expect(counts.commits).toBeGreaterThanOrEqual(enough), { timeout: waitMsMax });
}

async function memberIds(site: Site): Promise<string[]> {
  const client = new HttpClient(site.http, site.access.apiKey);
  const { body } = await client.ask('GET', `/v1/groups/${group}`);
  client.close();
  return (JSON.parse(body) as { members: { member_id: string }[] }).members.map(({ member_id: id }) => id);
}
