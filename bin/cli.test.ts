import { describe, expect, it } from 'vitest';
import { type Asked, headgate, json, type Reply } from './cli-in-test.suite.ts';

const cluster = {
  clusterId: 'abcdefgh2345',
  tenantId: 't1',
  name: 'main',
  state: 'serving',
  autoCreateTopics: false,
  defaultPartitions: 1,
  createdAtMs: 0,
  limits: { partitionsMax: 5, connectionsMax: null },
  usage: { topics: { used: 1 }, partitions: { used: 3, limit: 5 }, connections: { used: 0, limit: null } },
};
const demoEnv = [
  'HEADGATE_ADMIN=http://127.0.0.1:9999',
  'HEADGATE_HTTP=http://127.0.0.1:9998',
  'HEADGATE_ADMIN_KEY=hga_file',
  'HEADGATE_API_KEY=hgk_file',
  'HEADGATE_CLUSTER=main',
].join('\n');
const files = { './data/demo.env': demoEnv };

/** A control plane with one cluster; `more` answers the rest. */
function withCluster(more: Reply): Reply {
  return (asked) =>
    asked.path === '/admin/v1/clusters' && asked.method === 'GET' ? json({ items: [cluster] }) : more(asked);
}

describe('settings', () => {
  const brokers: Reply = () => json({ items: [] });

  it('come from the file that the server wrote', async () => {
    const { asked, code } = await headgate('broker list', brokers, { files });
    expect(code).toBe(0);
    expect(asked[0]).toMatchObject({ address: 'http://127.0.0.1:9999', key: 'hga_file' });
  });

  it('prefer flags to variables and variables to the file, wherever the flag stands', async () => {
    const environment = { HEADGATE_ADMIN_KEY: 'hga_variable', HEADGATE_ADMIN: '' };
    expect((await headgate('broker list', brokers, { files, environment })).asked[0]?.key).toBe('hga_variable');
    for (const words of ['--admin-key hga_flag broker list', 'broker list --admin-key hga_flag']) {
      expect((await headgate(words, brokers, { files, environment })).asked[0]?.key).toBe('hga_flag');
    }
  });

  it('are not guessed if the named file does not exist', async () => {
    const { asked, code, err } = await headgate('broker list --env-file /nowhere', brokers, { files });
    expect([asked, code]).toEqual([[], 2]);
    expect(err).toContain('/nowhere does not exist');
  });

  it('never send the key in the file to another server', async () => {
    const other = await headgate('broker list --admin http://other:1/', brokers, { files });
    expect(other.asked[0]).toMatchObject({ address: 'http://other:1', key: undefined });
    const same = await headgate('broker list --admin http://127.0.0.1:9999/', brokers, { files });
    expect(same.asked[0]?.key).toBe('hga_file');
    const named = await headgate('broker list --admin http://other:1 --admin-key k', brokers, { files });
    expect(named.asked[0]?.key).toBe('k');
  });
});

describe('the engine', () => {
  it('is shown in one status, and its events with broker and zone', async () => {
    const broker = { brokerId: 1, zone: 'a', state: 'serving', sessionEpoch: 4, partitions: 2, pid: 77 };
    const engine = {
      ready: true,
      zones: [{ zone: 'a', state: 'serving', brokers: 1, serving: 1, partitions: 2 }],
      brokers: [broker],
      partitions: { total: 2, withoutOwner: 0, moving: 0 },
      controllers: [{ controllerId: 'k1', alive: true, shards: 64, keepsFleet: true }],
    };
    const event = { id: '1-1', seq: 1, atMs: 0, kind: 'broker-dead', reason: 'process ended', brokerId: 1, zone: 'a' };
    const reply: Reply = ({ path }) =>
      json(path.endsWith('/engine') ? engine : { items: [{ ...event, detail: { livedMs: 5 } }] });
    const status = (await headgate('engine status', reply, { files })).out;
    for (const part of ['1 of 1', 'serving', '64', 'k1']) expect(status).toContain(part);
    const events = (await headgate('engine events', reply, { files })).out;
    expect(events).toContain('broker-dead           process ended broker=1 zone=a livedMs=5');
    expect((await headgate('events', reply, { files })).out).toBe(events);
  });
});

describe('commands', () => {
  it('print tables for people and JSON for machines', async () => {
    const reply = withCluster(() => json({}, 500));
    const people = await headgate('cluster list', reply);
    expect(people.out.split('\n')).toEqual([
      'ID            NAME  TENANT  STATE    TOPICS  PARTITIONS  CONNECTIONS',
      'abcdefgh2345  main  t1      serving       1  3/5         0',
      '',
    ]);
    const machines = await headgate('cluster list --json', reply);
    expect(JSON.parse(machines.out)).toEqual([cluster]);
    expect(machines.err).toBe('');
  });

  it('read every page of a list', async () => {
    const reply: Reply = ({ query }) =>
      query['cursor'] === 'more'
        ? json({ items: [{ tenantId: 't2', name: 'two', createdAtMs: 0 }] })
        : json({ items: [{ tenantId: 't1', name: 'one', createdAtMs: 0 }], nextCursor: 'more' });
    const { out } = await headgate('tenant list --json', reply);
    expect((JSON.parse(out) as unknown[]).length).toBe(2);
  });

  it('create with the values of the flags', async () => {
    const reply: Reply = (asked) =>
      asked.method === 'GET' ? json({ items: [{ tenantId: 't1', name: 'acme' }] }) : json(cluster, 201);
    const words =
      'cluster create main --tenant acme --default-partitions 3 --auto-create-topics true --limit partitionsMax=9 --limit groupsMax=none';
    const { asked, code } = await headgate(words, reply);
    expect(code).toBe(0);
    expect(asked.at(-1)?.body).toEqual({
      tenantId: 't1',
      name: 'main',
      defaultPartitions: 3,
      autoCreateTopics: true,
      limits: { partitionsMax: 9, groupsMax: null },
    });
  });

  it('find the cluster by name and quote names in paths', async () => {
    const topic = { name: 'a/b', topicId: 'x', partitions: 4, configs: {}, createdAtMs: 0 };
    const { asked } = await headgate(
      'topic alter a/b --cluster main --partitions 4 --config retention.ms=5 --reset-config x',
      withCluster(() => json(topic)),
    );
    expect(asked.at(-1)).toMatchObject({
      method: 'PATCH',
      path: '/admin/v1/clusters/abcdefgh2345/topics/a%2Fb',
      body: { partitions: 4, configs: { 'retention.ms': '5', x: null } },
    });
  });

  it('show a secret once, only on standard output', async () => {
    const made = { keyId: 'k1', apiKey: 'hgk_secret' };
    const { out, err } = await headgate(
      'key create app --cluster main',
      withCluster(() => json(made, 201)),
    );
    expect(out).toContain('hgk_secret');
    expect(err).not.toContain('hgk_secret');
  });

  it('keep control characters in received data from the terminal', async () => {
    const evil = { items: [{ tenantId: 't1', name: '\u001b[2Jgone', createdAtMs: 0 }] };
    expect((await headgate('tenant list', () => json(evil))).out).toContain('\\x1b[2Jgone');
  });
});

describe('what goes wrong', () => {
  const refuse =
    (status: number, problem: object): Reply =>
    () =>
      json(problem, status, { 'Content-Type': 'application/problem+json' });

  it.each([
    [401, {}, 4, '--admin-key or HEADGATE_ADMIN_KEY'],
    [403, { detail: 'the cluster is suspended' }, 4, 'suspended'],
    [404, { detail: "broker '9' does not exist" }, 5, 'does not exist'],
    [404, { detail: 'there is no broker 9' }, 5, 'there is no broker 9'],
    [404, { detail: 'there is nothing here', kind: 'path' }, 3, '--admin or HEADGATE_ADMIN'],
    [409, { detail: 'exists' }, 1, 'exists'],
    [503, { detail: 'moving', retryable: true }, 6, 'try again'],
    [500, {}, 1, 'HTTP 500'],
    [
      400,
      {
        detail: 'name: wrong',
        faults: [
          { field: 'name', message: 'wrong' },
          { field: 'x', message: 'bad' },
        ],
      },
      1,
      '\n  x: bad',
    ],
  ])('HTTP %i ends with its exit code and a message', async (status, problem, code, words) => {
    const ended = await headgate('broker drain 9', refuse(status, problem));
    expect(ended.code).toBe(code);
    expect(ended.err).toContain(words);
    expect(ended.out).toBe('');
  });

  it.each([
    ['a page for what it does not have', 404, 'text/html'],
    ['JSON of its own', 404, 'application/json'],
    ['a method that it does not have', 501, 'text/html'],
    ['a page for every path', 200, 'text/html'],
  ])('a server that is not Headgate is named as such: %s', async (_, status, type) => {
    const answer = new Response('{}', { status, headers: { 'Content-Type': type } });
    const ended = await headgate('broker drain 2', () => answer);
    expect(ended).toMatchObject({ code: 3, out: '' });
    expect(ended.err).toMatch(/is another server: is the port right\? --admin or HEADGATE_ADMIN sets the address\n$/);
  });

  it.each([
    ['consume t', 'application/x-ndjson', 'v\n'],
    ['broker list', 'application/json', ''],
  ])('%s: an answer that breaks off is no answer, and Ctrl-C ends it without a word', async (words, type, printed) => {
    const abort = new AbortController();
    const cut = (end: () => void): Response => {
      const record = JSON.stringify({ partition: 0, offset: 0, timestamp: 0, key: null, value: 'v' });
      let pulls = 0;
      const body = new ReadableStream({
        pull(controller) {
          if (++pulls === 1) return controller.enqueue(Buffer.from(`${record}\n{`));
          end();
          controller.error(new TypeError('terminated'));
        },
      });
      return new Response(body, { headers: { 'Content-Type': type } });
    };
    const broken = await headgate(words, () => cut(() => undefined));
    expect(broken).toMatchObject({ code: 3, out: printed });
    expect(broken.err).toMatch(/^headgate: http:\S+ broke off its answer\n$/);
    const reply = (): Response => cut(() => abort.abort());
    expect(await headgate(words, reply, { signal: abort.signal })).toMatchObject({ code: 130, out: printed, err: '' });
  });

  it('engine status shows which zone was evacuated', async () => {
    const zone = { state: 'serving', brokers: 1, serving: 1, partitions: 0 };
    const partitions = { total: 0, withoutOwner: 0, moving: 0 };
    const zones = [
      { zone: 'a', ...zone },
      { zone: 'b', ...zone },
    ];
    const shown = { ready: true, partitions, zones, brokers: [], controllers: [], scaling: { evacuatedZones: ['b'] } };
    const { out } = await headgate('engine status', () => json(shown));
    expect(out).toMatch(/^a +serving +1 of 1 +0$/m);
    expect(out).toMatch(/^b +serving, evacuated +1 of 1 +0$/m);
  });

  it.each([
    ['broker drain 2', { broker: {}, partitionsLeft: 3 }, 'broker 2'],
    ['zone evacuate b', { zone: 'b', evacuated: true, partitionsLeft: 3 }, 'zone b'],
  ])('%s fails while partitions are left', async (words, answer, where) => {
    const left = await headgate(words, () => json(answer));
    expect(left).toMatchObject({ code: 1, out: '' });
    expect(left.err).toBe(
      `headgate: ${where} takes no more partitions, but 3 are left: no other broker could take them\n`,
    );
    const machines = await headgate(`${words} --json`, () => json(answer));
    expect([machines.code, JSON.parse(machines.out)]).toEqual([1, answer]);
    expect((await headgate(words, () => json({ ...answer, partitionsLeft: 0 }))).code).toBe(0);
  });

  it('no server: says where it looked and how to start one', async () => {
    const reply: Reply = () => {
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) });
    };
    const ended = await headgate('status', reply);
    expect(ended.code).toBe(3);
    expect(ended.err).toContain(
      'http://127.0.0.1:8081 (ECONNREFUSED): is `headgate serve` running? (--admin or HEADGATE_ADMIN',
    );
  });

  it.each([
    ['nonsense', 'unknown command'],
    ['topic create', 'missing required argument'],
    ['topic list', '--cluster or HEADGATE_CLUSTER'],
    ['broker restart', '--all'],
    ['broker restart 1 --all', '--all'],
    ['broker scale many', 'whole number'],
    ['broker scale 0', 'whole number, 1 or more'],
    ['consume t --partition 0,x', '--partition x: use a whole number'],
    ['tail t --partition -1', '--partition -1: use a whole number'],
    ['broker drain x', 'whole number'],
    ['broker scrub 1 --act foo', 'status, start, pause, resume'],
    ['cluster update main --state foo', 'serving, suspended'],
    ['consume t --max 0', 'whole number, 1 or more'],
    ['key rotate k --grace 1y --cluster main', 'use a time such as'],
    ['cluster update main', 'nothing to change'],
    ['completion tcsh', 'bash, zsh or fish'],
    ['broker list --admin nonsense', 'is not an address'],
  ])('%s is a usage error', async (words, told) => {
    const ended = await headgate(
      words,
      withCluster(() => json({}, 500)),
    );
    expect(ended.code).toBe(2);
    expect(ended.err).toContain(told);
  });

  it('Ctrl-C ends without a message', async () => {
    const abort = new AbortController();
    const reply: Reply = () => {
      abort.abort();
      throw abort.signal.reason;
    };
    const ended = await headgate('broker list', reply, { signal: abort.signal });
    expect(ended).toMatchObject({ code: 130, out: '', err: '' });
  });
});

describe('records', () => {
  const stored: Reply = ({ body }) => {
    const { records } = body as { records: unknown[] };
    return json({ results: records.map((_, i) => ({ partition: 0, offset: i, timestamp: 1 })), failed: 0 });
  };

  it('are produced from lines, wherever the input is cut', async () => {
    const bytes = Buffer.from('één\r\ntwo\n\nlast');
    const stdin = [bytes.subarray(0, 1), bytes.subarray(1, 7), bytes.subarray(7)];
    const { asked, err, code } = await headgate('produce orders --key k', stored, { stdin, files });
    const values = asked.flatMap(({ body }) => (body as { records: { value: { $text: string } }[] }).records);
    expect(values.map(({ value }) => value.$text)).toEqual(['één', 'two', '', 'last']);
    expect(asked[0]).toMatchObject({
      address: 'http://127.0.0.1:9998',
      key: 'hgk_file',
      path: '/v1/topics/orders/records',
    });
    expect(err).toBe('4 records stored in orders\n');
    expect(code).toBe(0);
  });

  it('are produced from JSON lines, and an invalid line is named', async () => {
    const { asked } = await headgate('produce t --ndjson --partition 2', stored, {
      stdin: ['{"key":"a","value":1}\n'],
    });
    expect(asked[0]?.body).toEqual({ records: [{ partition: 2, key: 'a', value: 1 }] });
    const wrong = await headgate('produce t --ndjson', stored, { stdin: ['{}\n[]\n'] });
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('line 2');
  });

  it('keep bytes that are not UTF-8, and every digit', async () => {
    const binary = await headgate('produce t', stored, { stdin: [Buffer.from([0xff, 0xfe, 0x0a, 0x61])] });
    expect(binary.asked.flatMap(({ body }) => (body as { records: unknown[] }).records)).toEqual([
      { value: { $b64: '//4=' } },
      { value: { $text: 'a' } },
    ]);
    expect(binary.err).toBe('2 records stored in t\n');
    const line = '{"key":"é","value":12345678901234567890}';
    const { asked, err } = await headgate('produce t --ndjson', stored, { stdin: [`${line}\n`] });
    expect(asked[0]?.text).toBe(`{"records":[${line}]}`);
    expect(err).toBe('1 record stored in t\n');
    const wrong = await headgate('produce t --ndjson', stored, {
      stdin: [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    });
    expect(wrong).toMatchObject({ code: 2, asked: [] });
    expect(wrong.err).toContain('not UTF-8');
  });

  it('leave in requests of limited size, until Ctrl-C', async () => {
    const sizes = async (lines: readonly string[]): Promise<number[]> => {
      const { asked, code } = await headgate('produce t', stored, {
        stdin: [lines.map((line) => `${line}\n`).join('')],
      });
      expect(code).toBe(0);
      return asked.map(({ body }) => (body as { readonly records: unknown[] }).records.length);
    };
    expect(await sizes(Array.from({ length: 2_500 }, () => 'v'))).toEqual([1_000, 1_000, 500]);
    expect(await sizes(Array.from({ length: 2_000 }, () => 'v'))).toEqual([1_000, 1_000]);
    expect(await sizes(Array.from({ length: 3 }, () => 'v'.repeat(600_000)))).toEqual([2, 1]);
    const abort = new AbortController();
    const stop: Reply = (asked) => {
      abort.abort();
      return stored(asked);
    };
    const stopped = await headgate('produce t', stop, { stdin: ['a\n', 'b\n'], signal: abort.signal });
    expect(stopped).toMatchObject({ code: 130, err: '', asked: { length: 1 } });
    expect(await headgate('produce t --json', stored, { stdin: ['a\n'] })).toMatchObject({ code: 0, err: '' });
  });

  it('are sent again if none of them was stored', async () => {
    let refusals = 2;
    const reply: Reply = (asked) =>
      refusals-- > 0 ? json({ detail: 'slow down', retryable: true, retry_after_ms: 1 }, 429) : stored(asked);
    const { asked, code } = await headgate('produce t --value x --json', reply);
    expect(asked).toHaveLength(3);
    expect(code).toBe(0);
    const unknown = await headgate('produce t --value x', () => json({ detail: 'lost', retryable: true }, 504));
    expect(unknown).toMatchObject({ code: 6, asked: { length: 1 } });
  });

  it('are consumed page by page to the end', async () => {
    const line = (offset: number, value: unknown): string =>
      `${JSON.stringify({ partition: 0, offset, timestamp: 0, key: null, value })}\n`;
    const reply: Reply = ({ query }) =>
      query['cursor'] === 'c1'
        ? new Response(line(1, { $b64: 'AA==' }), { headers: { 'Next-Cursor': 'c2', 'Up-To-Date': 'true' } })
        : new Response(line(0, 'one'), { headers: { 'Next-Cursor': 'c1', 'Up-To-Date': 'false' } });
    const { asked, out } = await headgate('consume t --from -5', reply);
    expect(out).toBe('one\nbase64:AA==\n');
    expect(asked.map(({ query }) => query['from'] ?? query['cursor'])).toEqual(['-5', 'c1']);
    expect(asked[0]?.query['wait']).toBeUndefined();
  });

  it('are waited for with --max, and pass unchanged with --json', async () => {
    const exact = '{"partition":0,"offset":0,"timestamp":0,"key":null,"value":12345678901234567890}\n';
    let page = 0;
    const reply: Reply = () =>
      new Response(page++ === 0 ? '' : exact, { headers: { 'Next-Cursor': 'c', 'Up-To-Date': 'true' } });
    const { asked, out } = await headgate('consume t --max 1 --json', reply);
    expect(out).toBe(exact);
    expect(asked.map(({ query }: Asked) => [query['wait'], query['max_records']])).toEqual([
      ['20s', '1'],
      ['20s', '1'],
    ]);
  });
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('%s knows commands and flags', async (shell) => {
    const { out, code } = await headgate(`completion ${shell}`, () => json({}));
    expect(code).toBe(0);
    for (const word of ['topic', 'partitions', 'undrain', shell === 'fish' ? '-l reset-config' : '--reset-config']) {
      expect(out).toContain(word);
    }
    expect(out).not.toContain('broker-id');
  });
});
