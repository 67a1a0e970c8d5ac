/** One run of a client command: its settings, its two endpoints, and how it prints. */
import type { Command } from 'commander';
import type { ClusterShown, TenantShown } from '../../gateway/admin/schemas.ts';
import { ApiClient } from './api-client.ts';
import type { CliContext } from '../cli-context.ts';
import { type ClientSettings, readClientSettings } from './client-settings.ts';
import { CommandFailure } from '../command-failure.ts';
import { type Cell, type Column, fields, table } from './table.ts';

export const adminPath = '/admin/v1';

export class Session {
  readonly cli: CliContext;
  readonly settings: ClientSettings;
  readonly isJson: boolean;
  readonly admin: ApiClient;
  readonly http: ApiClient;

  constructor(cli: CliContext, settings: ClientSettings, isJson: boolean) {
    this.cli = cli;
    this.settings = settings;
    this.isJson = isJson;
    this.admin = new ApiClient(cli, {
      address: settings.admin,
      key: settings.adminKey,
      addressNames: '--admin or HEADGATE_ADMIN',
      keyNames: '--admin-key or HEADGATE_ADMIN_KEY',
    });
    this.http = new ApiClient(cli, {
      address: settings.http,
      key: settings.apiKey,
      addressNames: '--http or HEADGATE_HTTP',
      keyNames: '--api-key or HEADGATE_API_KEY',
    });
  }

  /** A list: an array for machines, a table for people. */
  async list<T>(rows: readonly T[], columns: readonly Column<T>[]): Promise<void> {
    if (this.isJson) await this.json(rows);
    else if (rows.length === 0) this.cli.err('none\n');
    else await this.cli.out(table(columns, rows));
  }

  /** One item: itself for machines, lines for people. */
  async show(value: object, pairs: readonly (readonly [name: string, value: Cell])[]): Promise<void> {
    if (this.isJson) await this.json(value);
    else await this.cli.out(fields(pairs));
  }

  /**
   * The result of an action, when there is nothing to show: an object for machines, a sentence on standard error for
   * people.
   */
  async done(value: object, sentence: string): Promise<void> {
    if (this.isJson) await this.json(value);
    else this.cli.err(`${sentence}\n`);
  }

  async json(value: unknown): Promise<void> {
    await this.cli.out(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** A cluster by id or, if only one cluster has it, by name. */
  async clusterId(named = this.settings.cluster): Promise<string> {
    if (named === '') {
      throw new CommandFailure('usage', 'no cluster was given: set --cluster or HEADGATE_CLUSTER to its id or name');
    }
    const clusters = await this.admin.all<ClusterShown>(`${adminPath}/clusters`);
    if (clusters.some(({ clusterId }) => clusterId === named)) return named;
    const found = clusters.filter(({ name }) => name === named);
    if (found.length === 1) return found[0]!.clusterId;
    if (found.length === 0) throw new CommandFailure('notFound', `there is no cluster '${named}'`);
    throw new CommandFailure('usage', `${found.length} clusters are named '${named}': use the id`);
  }

  /** The path of the chosen cluster. */
  async clusterPath(named?: string): Promise<string> {
    return `${adminPath}/clusters/${encodeURIComponent(await this.clusterId(named))}`;
  }

  async tenantId(named: string): Promise<string> {
    const tenants = await this.admin.all<TenantShown>(`${adminPath}/tenants`);
    const found = tenants.find(({ tenantId }) => tenantId === named) ?? tenants.find(({ name }) => name === named);
    if (!found) throw new CommandFailure('notFound', `there is no tenant '${named}'`);
    return found.tenantId;
  }
}

/** Opens the session of a running command. */
export type OpenSession = (command: Command) => Session;

export function sessionOpener(cli: CliContext): OpenSession {
  return (command) => {
    const given: Record<string, unknown> = command.optsWithGlobals();
    const texts = Object.fromEntries(Object.entries(given).filter(([, value]) => typeof value === 'string'));
    return new Session(cli, readClientSettings(cli, texts as Record<string, string>), given['json'] === true);
  };
}
