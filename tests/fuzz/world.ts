/**
 * Who takes part: an installation, an attacker with a cluster of its own, and a victim whose records, offsets and names
 * must neither change nor show up in anything that the attacker receives.
 */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiByKey, type ApiKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { make } from '../../engine/protocol/make.ts';
import { uuidOf } from '../../engine/kernel/uuid.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import type { Instance, TenantAccess } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { RawClient } from '../../gateway/kafka/door.suite.ts';
import { WebSocket } from 'ws';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** The installation that is attacked. */
export interface Target {
  /** Server of the HTTP and WebSocket doors. */
  readonly server: 'uws' | 'node';
  /** With a certificate for localhost; the process that attacks must trust it (NODE_EXTRA_CA_CERTS). */
  readonly tls: boolean;
}

const fixtures = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'tls');

/** What the attacker may know: names and ids of both sides. */
export interface Known {
  readonly own: TenantAccess;
  readonly topics: readonly string[];
  readonly topicIds: readonly string[];
  readonly victimClusterId: string;
  readonly victimTopic: string;
  readonly victimTopicId: string;
  readonly victimGroup: string;
  readonly cursors: readonly string[];
}

export const victimTopic = 'payroll';
export const victimGroup = 'payroll-readers';
export const ownTopics: readonly string[] = ['orders', 'clicks'];
/** Written by requests that are refused or not, and deleted by none. */
export const keptTopic = 'half';
const mendAttemptsMax = 10;

/** More of the attacker's partitions than this, and topics that inputs have made or grown are deleted between two rounds. */
const partitionsKeptMax = 40;
const partitionsMax = 120;

export class World {
  readonly instance: Instance;
  readonly attacker: TenantAccess;
  readonly victim: TenantAccess;
  /** Never sent by the attacker. */
  readonly secrets: readonly Buffer[];
  readonly canary: string;
  known: Known;
  readonly pids: readonly number[];

  private constructor(
    instance: Instance,
    attacker: TenantAccess,
    victim: TenantAccess,
    canary: string,
    known: Known,
    pids: readonly number[],
  ) {
    this.instance = instance;
    this.attacker = attacker;
    this.victim = victim;
    this.canary = canary;
    this.secrets = [canary, victim.apiKey].map((text) => Buffer.from(text));
    this.known = known;
    this.pids = pids;
  }

  static async start({ server, tls }: Target): Promise<World> {
    const secured = ['--tls-certificate', join(fixtures, 'certificate.pem'), '--tls-key', join(fixtures, 'key.pem')];
    const instance = await startInstallation(['--http-server', server, ...(tls ? secured : [])]);
    const attacker = await tenantOf(instance, 'attacker');
    const victim = await tenantOf(instance, 'victim');
    const canary = `canary-${systemRandom.bytes(9).toString('hex')}`;
    for (const name of [...ownTopics, keptTopic])
      await ask(instance, attacker, 'POST', '/v1/topics', { name, partitions: 2 });
    for (const name of [victimTopic, canary]) {
      await ask(instance, victim, 'POST', '/v1/topics', { name, partitions: 2 });
      const records = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: `${canary}-${i}` }));
      await ask(instance, victim, 'POST', `/v1/topics/${name}/records`, { records });
    }
    await commitAsVictim(instance, victim, canary);
    const pids = [instance.pid, ...(await instance.brokers()).map(({ pid }) => pid)];
    const known = await knownOf(instance, attacker, victim);
    return new World(instance, attacker, victim, canary, known, pids);
  }

  get kafka(): Address {
    const [host, port] = this.instance.kafka.split(':');
    return { host: host!, port: Number(port), tls: this.isTls };
  }

  get http(): Address {
    const { hostname, port } = new URL(this.instance.http);
    return { host: hostname, port: Number(port), tls: this.isTls };
  }

  get admin(): Address {
    const { hostname, port } = new URL(this.instance.environment['HEADGATE_ADMIN']!);
    return { host: hostname, port: Number(port), tls: this.isTls };
  }

  get isTls(): boolean {
    return this.instance.http.startsWith('https:');
  }

  get adminKey(): string {
    return this.instance.environment['HEADGATE_ADMIN_KEY']!;
  }

  /**
   * Makes again what the attacker has deleted of its own. More than once: a deletion whose sender did not wait for the
   * answer may still stand in the queue of the cluster's topic changes.
   */
  async mend(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const refusals: string[] = [];
      await this.#makeRoom().catch((error: unknown) => refusals.push(String(error)));
      for (const name of ownTopics) {
        await ask(this.instance, this.attacker, 'POST', '/v1/topics', { name, partitions: 2 }).catch((error: unknown) =>
          refusals.push(String(error)),
        );
      }
      try {
        this.known = await knownOf(this.instance, this.attacker, this.victim);
        return;
      } catch (error) {
        if (attempt === mendAttemptsMax) throw new Error(`${String(error)}; made again: ${refusals.join('; ')}`);
      }
    }
  }

  /** At the quota of partitions what inputs have deleted could not be made again. */
  async #makeRoom(): Promise<void> {
    type Listed = { topics: { name: string; partition_count: number }[] };
    const { topics } = await ask<Listed>(this.instance, this.attacker, 'GET', '/v1/topics');
    if (topics.reduce((sum, topic) => sum + topic.partition_count, 0) <= partitionsKeptMax) return;
    for (const { name } of topics) {
      if (name === keptTopic) continue;
      await ask(this.instance, this.attacker, 'DELETE', `/v1/topics/${encodeURIComponent(name)}`);
    }
  }

  /** Resident bytes of every process. A process that has gone counts 0. */
  memory(): number[] {
    return this.pids.map((pid) => {
      try {
        return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
      } catch {
        return 0;
      }
    });
  }

  /** What is wrong with the installation as others see it. Empty: nothing. */
  async examine(): Promise<string[]> {
    const faults: string[] = [];
    const note = (name: string) => (error: unknown) => faults.push(`${name}: ${String(error)}`);
    if (!this.instance.isRunning) return ['the gateway has ended'];
    const pids = [this.instance.pid, ...(await this.instance.brokers()).map(({ pid }) => pid)];
    if (String(pids) !== String(this.pids)) faults.push(`processes changed: ${this.pids} to ${pids}`);
    await within(healthMsMax, this.#overHttp()).catch(note('healthy HTTP client'));
    await within(healthMsMax, this.#overKafka()).catch(note('healthy Kafka client'));
    await within(healthMsMax, this.#overWebSocket()).catch(note('healthy WebSocket client'));
    await within(healthMsMax, this.#victimIsWhole()).catch(note('victim'));
    return faults;
  }

  async #overHttp(): Promise<void> {
    await ask(this.instance, this.victim, 'POST', '/v1/topics/healthy', 'x');
    await ask(this.instance, this.victim, 'GET', '/v1/topics/healthy/records?from=-1');
  }

  async #overKafka(): Promise<void> {
    const client = await RawClient.connect(this.kafka.port, this.isTls);
    try {
      const { errorCode } = await client.login(this.victim);
      if (errorCode !== 0) throw new Error(`login refused with ${errorCode}`);
      const topics = [{ topic: victimTopic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] }];
      const fetched = await client.ask(1, 12, whole(1, { maxBytes: 1000, topics }));
      if (fetched.responses[0]?.partitions[0]?.errorCode !== 0) throw new Error('fetch failed');
    } finally {
      client.end();
    }
  }

  async #overWebSocket(): Promise<void> {
    const headers = { authorization: `Bearer ${this.victim.apiKey}` };
    const socket = new WebSocket(`${this.instance.http.replace('http', 'ws')}/v1/ws`, { headers });
    try {
      await new Promise((resolve, reject) => {
        socket.once('error', reject);
        socket.once('close', (code) => reject(new Error(`closed with ${code}`)));
        socket.once('message', resolve);
        socket.once('open', () =>
          socket.send(JSON.stringify({ id: 1, op: 'produce', topic: 'healthy', records: [{ value: 1 }] })),
        );
      });
    } finally {
      socket.terminate();
    }
  }

  /** A partition that is slow to answer is left out of a page, which then is not up to date. */
  async #valuesOf(topic: string): Promise<string[]> {
    const values: string[] = [];
    for (let place = 'from=earliest'; ; ) {
      const page = await ask<{ records: { value: string }[]; next: string; up_to_date: boolean }>(
        this.instance,
        this.victim,
        'GET',
        `/v1/topics/${topic}/records?${place}&max_records=1000`,
      );
      values.push(...page.records.map(({ value }) => value));
      if (page.up_to_date) return values;
      place = `cursor=${page.next}`;
    }
  }

  async #victimIsWhole(): Promise<void> {
    for (const name of [victimTopic, this.canary]) {
      const values = await this.#valuesOf(name);
      if (values.length !== 20 || new Set(values).size !== 20) throw new Error(`${name} has ${values.length} records`);
    }
    const group = await ask(this.instance, this.victim, 'GET', `/v1/groups/${victimGroup}`);
    if (!JSON.stringify(group).includes('"committed":7')) {
      const text = JSON.stringify(group);
      if (!/[^0-9]7[^0-9]/.test(text)) throw new Error(`the committed offset has changed: ${text}`);
    }
  }
}

const healthMsMax = 20_000;

export function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing within ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Rates off, so that it is not the quotas that protect; counts on, because they are what bounds a tenant. */
async function tenantOf(instance: Instance, name: string): Promise<TenantAccess> {
  const tenant = await instance.tenant(name);
  const limits = {
    ingressBytesPerSecondMax: null,
    egressBytesPerSecondMax: null,
    partitionIngressBytesPerSecondMax: null,
    partitionEgressBytesPerSecondMax: null,
    requestsPerSecondMax: null,
    connectionAttemptsPerSecondMax: null,
    topicMutationsPerSecondMax: 1_000,
    partitionMutationsPer5MinutesMax: 1_000_000,
    partitionsMax,
    groupsMax: 200,
  };
  await instance.admin('PATCH', `/clusters/${tenant.clusterId}`, { limits, autoCreateTopics: true });
  return tenant;
}

function kafkaClient(instance: Instance): Promise<RawClient> {
  return RawClient.connect(Number(instance.kafka.split(':')[1]), instance.http.startsWith('https:'));
}

async function commitAsVictim(instance: Instance, victim: TenantAccess, canary: string): Promise<void> {
  const client = await kafkaClient(instance);
  await client.login(victim);
  const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: canary }];
  await client.ask(8, 8, whole(8, { groupId: victimGroup, topics: [{ name: victimTopic, partitions }] }));
  client.end();
}

async function knownOf(instance: Instance, attacker: TenantAccess, victim: TenantAccess): Promise<Known> {
  const idsOf = async (tenant: TenantAccess, names: readonly string[]): Promise<string[]> => {
    const client = await kafkaClient(instance);
    await client.login(tenant);
    const { topics } = await client.ask(3, 12, whole(3, { topics: names.map((name) => ({ name })) }));
    client.end();
    return topics.map(({ topicId }) => topicId);
  };
  const cursors: string[] = [];
  for (const [tenant, name] of [
    [attacker, 'orders'],
    [victim, victimTopic],
  ] as const) {
    // From the end: the attacker may have broken the first batch of its own topic.
    const path = `/v1/topics/${name}/records?from=latest&max_records=1`;
    cursors.push((await ask<{ next: string }>(instance, tenant, 'GET', path)).next);
  }
  return {
    own: attacker,
    topics: ownTopics,
    topicIds: await idsOf(attacker, ownTopics),
    victimClusterId: victim.clusterId,
    victimTopic,
    victimTopicId: (await idsOf(victim, [victimTopic]))[0] ?? uuidOf(systemRandom),
    victimGroup,
    cursors,
  };
}

/** A whole request of the fields that matter. */
export function whole<K extends ApiKey>(key: K, part: object): RequestOf<K> {
  return make(apiByKey.get(key)!.request, part as never) as RequestOf<K>;
}

/** `body` is the whole problem. */
export class AskFailed extends Error {
  readonly body: string;
  constructor(message: string, body: string) {
    super(message);
    this.body = body;
  }
}

/** Over a separate connection: what the attack does to shared ones is not the question. */
export function ask<T>(
  instance: Instance,
  access: TenantAccess,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${access.apiKey}`,
      ...(body !== undefined && typeof body !== 'string' ? { 'content-type': 'application/json' } : {}),
    };
    const send = instance.http.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(`${instance.http}${path}`, { method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        const isGood = (response.statusCode ?? 0) < 300;
        if (isGood) resolve((text === '' ? undefined : JSON.parse(text)) as T);
        else reject(new AskFailed(`${method} ${path}: ${response.statusCode} ${text.slice(0, 300)}`, text));
      });
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
}
