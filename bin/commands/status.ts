/** `headgate status`, one screen: whether it serves, which brokers serve, what they hold, the latest events. */
import type { Command } from 'commander';
import type { BrokerShown, ClusterShown, EventShown } from '../../gateway/admin/schemas.ts';
import { adminPath, type OpenSession, type Session } from '../client/session.ts';
import { bytes, table } from '../client/table.ts';
import { brokerColumns, listBrokers } from './broker.ts';
import { eventText } from './events.ts';
import { Refused } from '../client/api-client.ts';

interface Readiness {
  readonly status: string;
  readonly reasons: readonly string[];
}

interface ClusterUsage {
  readonly cluster: ClusterShown;
  readonly producedBytes: number;
  readonly fetchedBytes: number;
}

const clustersShownMax = 20;
const eventsShownMax = 8;

export function statusCommand(program: Command, open: OpenSession): void {
  program
    .command('status')
    .description('Show brokers, clusters and the last events on one screen')
    .action(async (_, command: Command) => {
      const session = open(command);
      const { admin } = session;
      const readiness = await readinessOf(session);
      const brokers = await listBrokers(session);
      const all = await admin.all<ClusterShown>(`${adminPath}/clusters`);
      const clusters = await Promise.all(all.slice(0, clustersShownMax).map((cluster) => usageOf(session, cluster)));
      const limit = eventsShownMax;
      const { items: events } = await admin.get<{ items: EventShown[] }>(`${adminPath}/events`, { limit });
      if (session.isJson) await session.json({ readiness, brokers, clusters, clustersTotal: all.length, events });
      else await session.cli.out(screen(admin.endpoint.address, readiness, brokers, clusters, all.length, events));
    });
}

async function readinessOf({ cli, admin }: Session): Promise<Readiness> {
  try {
    return await admin.get<Readiness>('/readyz');
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 503) throw error;
    // A server that is not ready still gives an answer.
    const response = await cli.fetch(`${admin.endpoint.address}/readyz`, { signal: cli.signal });
    return (await response.json()) as Readiness;
  }
}

async function usageOf({ admin }: Session, cluster: ClusterShown): Promise<ClusterUsage> {
  const usage = await admin.get<{ producedBytes: number; fetchedBytes: number }>(
    `${adminPath}/clusters/${cluster.clusterId}/usage`,
  );
  return { cluster, producedBytes: usage.producedBytes, fetchedBytes: usage.fetchedBytes };
}

function screen(
  address: string,
  { status, reasons }: Readiness,
  brokers: readonly BrokerShown[],
  clusters: readonly ClusterUsage[],
  clustersTotal: number,
  events: readonly EventShown[],
): string {
  const head = `${address}: ${status}${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}\n`;
  const more = clustersTotal > clusters.length ? `… and ${clustersTotal - clusters.length} more\n` : '';
  const clusterTable = table(
    [
      { title: 'CLUSTER', cell: (c) => c.cluster.clusterId },
      { title: 'NAME', cell: (c) => c.cluster.name },
      { title: 'STATE', cell: (c) => c.cluster.state },
      { title: 'TOPICS', cell: (c) => c.cluster.usage.topics.used },
      { title: 'PARTITIONS', cell: (c) => c.cluster.usage.partitions.used },
      { title: 'CONNECTIONS', cell: (c) => c.cluster.usage.connections.used },
      { title: 'IN', cell: (c) => bytes(c.producedBytes) },
      { title: 'OUT', cell: (c) => bytes(c.fetchedBytes) },
    ],
    clusters,
  );
  const tail = events.length > 0 ? `\n${events.map(eventText).join('')}` : '';
  return `${head}\n${table(brokerColumns, brokers)}\n${clusterTable}${more}${tail}`;
}
