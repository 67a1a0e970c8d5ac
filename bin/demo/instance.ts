/**
 * A separate Headgate instance for the demo and for end-to-end tests: started on free ports, queried through its control
 * plane, killed at will.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface TenantAccess {
  readonly name: string;
  readonly clusterId: string;
  readonly keyId: string;
  readonly apiKey: string;
}

export interface BrokerFacts {
  readonly brokerId: number;
  readonly zone: string;
  readonly state: string;
  readonly sessionEpoch: number;
  readonly pid: number;
  readonly partitions: number;
  /** The operator's pending request for it, until it is done or withdrawn. */
  readonly wish?: string;
}

const readyWaitMsMax = 60_000;
const stopWaitMsMax = 20_000;

export interface InstanceOptions {
  /** The compiled bin/main.js. */
  readonly program: string;
  /** Further flags of `headgate serve`. */
  readonly flags?: readonly string[];
  /** An earlier instance's folder; absent: a temporary one, removed by `remove`. */
  readonly data?: string;
  /** Words before the program's own, and the path where it finds `data`: to start it where that folder has another name. */
  readonly within?: { readonly entrance: readonly string[]; readonly data: string };
}

export class Instance {
  readonly #child: ChildProcess;
  readonly data: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly errors: string[];

  private constructor(child: ChildProcess, data: string, environment: Record<string, string>, errors: string[]) {
    this.#child = child;
    this.data = data;
    this.environment = environment;
    this.errors = errors;
  }

  static async start({ program, flags = [], data: given, within }: InstanceOptions): Promise<Instance> {
    const data = given ?? mkdtempSync(join(tmpdir(), 'headgate-'));
    const ports = ['--kafka-port', '0', '--http-port', '0', '--admin-port', '0'];
    const args = [program, 'serve', '--role', 'all', '--data', within?.data ?? data, ...ports, ...flags];
    const [command = '', ...words] = [...(within?.entrance ?? []), process.execPath, ...args];
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    const errors: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      errors.push(line);
      if (errors.length > 2000) errors.shift();
    });
    const lines = createInterface({ input: child.stdout });
    const deadline = setTimeout(() => child.kill('SIGKILL'), readyWaitMsMax);
    await Promise.race([
      new Promise<void>((resolve) => {
        lines.on('line', (line) => {
          if (line.includes('Headgate serves')) resolve();
        });
      }),
      // Not 'exit': after it, the last output may still be in the pipe.
      once(child, 'close').then(([code, signal]) => {
        throw new Error(`headgate did not start (${String(signal ?? code)}):\n${errors.join('\n')}`);
      }),
    ]).catch((error: unknown) => {
      clearTimeout(deadline);
      // Nobody else knows the folder that was made for it.
      if (given === undefined) rmSync(data, { recursive: true, force: true, maxRetries: 5 });
      throw error;
    });
    clearTimeout(deadline);
    const environment: Record<string, string> = {};
    for (const line of readFileSync(join(data, 'demo.env'), 'utf8').trim().split('\n')) {
      const at = line.indexOf('=');
      environment[line.slice(0, at)] = line.slice(at + 1);
    }
    return new Instance(child, data, environment, errors);
  }

  get http(): string {
    return this.environment['HEADGATE_HTTP']!;
  }

  get kafka(): string {
    return this.environment['HEADGATE_KAFKA']!;
  }

  async admin<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.environment['HEADGATE_ADMIN']}/admin/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.environment['HEADGATE_ADMIN_KEY']}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  /** A tenant with one cluster and one key. */
  async tenant(name: string): Promise<TenantAccess> {
    const { tenantId } = await this.admin<{ tenantId: string }>('POST', '/tenants', { name });
    const { clusterId } = await this.admin<{ clusterId: string }>('POST', '/clusters', { tenantId, name });
    const { keyId, apiKey } = await this.admin<{ keyId: string; apiKey: string }>(
      'POST',
      `/clusters/${clusterId}/keys`,
      { name: 'demo' },
    );
    return { name, clusterId, keyId, apiKey };
  }

  async brokers(): Promise<BrokerFacts[]> {
    return (await this.admin<{ items: BrokerFacts[] }>('GET', '/brokers')).items;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends it `signal` and resolves with the exit code when it has ended; kills it when it takes too long. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.isRunning) {
      const exited = once(this.#child, 'exit');
      this.#child.kill(signal);
      const deadline = setTimeout(() => this.#child.kill('SIGKILL'), stopWaitMsMax);
      await exited;
      clearTimeout(deadline);
    }
    return this.#child.exitCode;
  }

  /** Stops it and removes its folder. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}
