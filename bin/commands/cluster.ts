/** `headgate cluster`: a tenant's clusters, with their limits and usage. */
import type { Command } from 'commander';
import type { ClusterShown } from '../../gateway/admin/schemas.ts';
import { CommandFailure } from '../command-failure.ts';
import { collect, limits, oneOf, onOff, wholeNumber } from '../client/parse-values.ts';
import { adminPath, type OpenSession, type Session } from '../client/session.ts';
import { time } from '../client/table.ts';

interface ChangeFlags {
  readonly state?: string;
  readonly defaultPartitions?: string;
  readonly autoCreateTopics?: string;
  readonly limit?: readonly string[];
}

export function clusterCommands(program: Command, open: OpenSession): void {
  const cluster = program.command('cluster').description('Clusters: list, create, get, update, delete');

  cluster
    .command('list')
    .description('List clusters')
    .option('--tenant <tenant>', 'Only the clusters of this tenant: its id or name')
    .action(async ({ tenant }: { tenant?: string }, command: Command) => {
      const session = open(command);
      const tenantId = tenant === undefined ? undefined : await session.tenantId(tenant);
      await session.list(await session.admin.all<ClusterShown>(`${adminPath}/clusters`, { tenantId }), [
        { title: 'ID', cell: (c) => c.clusterId },
        { title: 'NAME', cell: (c) => c.name },
        { title: 'TENANT', cell: (c) => c.tenantId },
        { title: 'STATE', cell: (c) => c.state },
        { title: 'TOPICS', cell: (c) => c.usage.topics.used },
        { title: 'PARTITIONS', cell: (c) => usedOf(c.usage.partitions) },
        { title: 'CONNECTIONS', cell: (c) => usedOf(c.usage.connections) },
      ]);
    });

  withChanges(cluster.command('create').description('Create a cluster').argument('<name>'))
    .requiredOption('--tenant <tenant>', 'Tenant that owns the cluster: its id or name')
    .option(
      '--profile <profile>',
      'Profile (msk-serverless or unlimited) of the limits that --limit does not set; by default that of the server',
    )
    .action(async (name: string, flags: ChangeFlags & { tenant: string; profile?: string }, command: Command) => {
      const session = open(command);
      const tenantId = await session.tenantId(flags.tenant);
      const spec = { tenantId, name, profile: flags.profile, ...changesOf(flags) };
      await show(session, await session.admin.post<ClusterShown>(`${adminPath}/clusters`, spec));
    });

  cluster
    .command('get')
    .description('Show a cluster with its limits and usage')
    .argument('[cluster]', 'id or name')
    .action(async (named: string | undefined, _, command: Command) => {
      const session = open(command);
      await show(session, await session.admin.get<ClusterShown>(await session.clusterPath(named)));
    });

  withChanges(cluster.command('update').description('Change a cluster').argument('[cluster]', 'id or name'))
    .option('--state <state>', 'State: serving, or suspended (no reads and writes, but the data is kept)')
    .action(async (named: string | undefined, flags: ChangeFlags, command: Command) => {
      const session = open(command);
      const changes = {
        ...changesOf(flags),
        ...(flags.state && { state: oneOf('--state', flags.state, ['serving', 'suspended']) }),
      };
      if (Object.keys(changes).length === 0) throw new CommandFailure('usage', 'nothing to change: see --help');
      await show(session, await session.admin.patch<ClusterShown>(await session.clusterPath(named), changes));
    });

  cluster
    .command('delete')
    .description('Delete a cluster with its keys, topics and groups')
    .argument('<cluster>', 'id or name')
    .action(async (named: string, _, command: Command) => {
      const session = open(command);
      await session.admin.delete(await session.clusterPath(named));
      await session.done({ deleted: named }, `cluster ${named} is deleted`);
    });
}

function withChanges(command: Command): Command {
  return command
    .option('--default-partitions <count>', 'Partitions of a topic that is created without a number')
    .option('--auto-create-topics <true|false>', 'Whether the first use of a topic creates it')
    .option('--limit <name=value>', 'Set a limit to a number, or to none; may be repeated', collect);
}

function changesOf(flags: ChangeFlags): Record<string, unknown> {
  const { defaultPartitions, autoCreateTopics, limit } = flags;
  return {
    ...(defaultPartitions !== undefined && {
      defaultPartitions: wholeNumber('--default-partitions', defaultPartitions, 1),
    }),
    ...(autoCreateTopics !== undefined && { autoCreateTopics: onOff('--auto-create-topics', autoCreateTopics) }),
    ...(limit !== undefined && { limits: limits(limit) }),
  };
}

async function show(session: Session, cluster: ClusterShown): Promise<void> {
  await session.show(cluster, [
    ['cluster', cluster.clusterId],
    ['name', cluster.name],
    ['tenant', cluster.tenantId],
    ['state', cluster.state],
    ['created', time(cluster.createdAtMs)],
    ['auto-create topics', cluster.autoCreateTopics],
    ['default partitions', cluster.defaultPartitions],
    ['topics', cluster.usage.topics.used],
    ['partitions', usedOf(cluster.usage.partitions)],
    ['connections', usedOf(cluster.usage.connections)],
    ...Object.entries(cluster.limits).map(([name, limit]) => [`limit ${name}`, limit ?? 'none'] as const),
  ]);
}

function usedOf({ used, limit }: { used: number; limit: number | null }): string {
  return limit === null ? String(used) : `${used}/${limit}`;
}
