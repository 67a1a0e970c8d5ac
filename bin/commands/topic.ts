/** `headgate topic`: topics of a cluster, and where their partitions are. */
import type { Command } from 'commander';
import type { TopicDetailShown, TopicShown } from '../../gateway/admin/schemas.ts';
import { CommandFailure } from '../command-failure.ts';
import { collect, pairs, wholeNumber } from '../client/parse-values.ts';
import type { OpenSession, Session } from '../client/session.ts';
import { time } from '../client/table.ts';

interface TopicFlags {
  readonly partitions?: string;
  readonly config?: readonly string[];
  readonly resetConfig?: readonly string[];
}

export function topicCommands(program: Command, open: OpenSession): void {
  const topic = program.command('topic').description('Topics: list, create, get, alter, delete, partitions');

  topic
    .command('list')
    .description('List the topics of a cluster')
    .action(async (_, command: Command) => {
      const session = open(command);
      await session.list(await session.admin.all<TopicShown>(`${await session.clusterPath()}/topics`), [
        { title: 'NAME', cell: (t) => t.name },
        { title: 'PARTITIONS', cell: (t) => t.partitions },
        { title: 'CONFIGS', cell: (t) => configText(t.configs) },
        { title: 'CREATED', cell: (t) => time(t.createdAtMs) },
      ]);
    });

  withTopicFlags(topic.command('create').description('Create a topic').argument('<name>')).action(
    async (name: string, flags: TopicFlags, command: Command) => {
      const session = open(command);
      const spec = {
        name,
        partitions: partitionsOf(flags),
        configs: Object.fromEntries(pairs('--config', flags.config ?? [])),
      };
      await show(session, await session.admin.post<TopicShown>(`${await session.clusterPath()}/topics`, spec));
    },
  );

  topic
    .command('get')
    .description('Show a topic with its offsets')
    .argument('<name>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      const found = await session.admin.get<TopicDetailShown>(await topicPath(session, name));
      const held = found.partitions.reduce((sum, p) => sum + ((p.endOffset ?? 0) - (p.startOffset ?? 0)), 0);
      const sizeBytes = found.partitions.reduce((sum, p) => sum + (p.sizeBytes ?? 0), 0);
      await session.show(found, [
        ...lines({ ...found, partitions: found.partitions.length }),
        ['offsets held', held],
        ['bytes held', sizeBytes],
      ]);
    });

  changingCommands(topic, open);
}

function changingCommands(topic: Command, open: OpenSession): void {
  withTopicFlags(
    topic.command('alter').description('Add partitions to a topic, or change its configs').argument('<name>'),
  )
    .option('--reset-config <name>', 'Set a config back to its default; may be repeated', collect)
    .action(async (name: string, flags: TopicFlags, command: Command) => {
      const session = open(command);
      const configs = Object.fromEntries<string | null>([
        ...pairs('--config', flags.config ?? []),
        ...(flags.resetConfig ?? []).map((config): [string, null] => [config, null]),
      ]);
      const partitions = partitionsOf(flags);
      if (partitions === undefined && Object.keys(configs).length === 0) {
        throw new CommandFailure('usage', 'nothing to change: give --partitions, --config or --reset-config');
      }
      await show(
        session,
        await session.admin.patch<TopicShown>(await topicPath(session, name), { partitions, configs }),
      );
    });

  topic
    .command('delete')
    .description('Delete a topic and its records')
    .argument('<name>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      await session.admin.delete(await topicPath(session, name));
      await session.done({ deleted: name }, `topic ${name} is deleted`);
    });

  topic
    .command('partitions')
    .description('Show which broker owns each partition, since when and why')
    .argument('<name>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      const { partitions } = await session.admin.get<TopicDetailShown>(await topicPath(session, name));
      await session.list(partitions, [
        { title: 'PARTITION', cell: (p) => p.partition },
        { title: 'BROKER', cell: (p) => p.broker },
        { title: 'ZONE', cell: (p) => p.zone },
        { title: 'EPOCH', cell: (p) => p.epoch },
        { title: 'REASON', cell: (p) => p.reason },
        { title: 'SINCE', cell: (p) => time(p.movedAtMs) },
        { title: 'START', cell: (p) => p.startOffset },
        { title: 'END', cell: (p) => p.endOffset },
        { title: 'BYTES', cell: (p) => p.sizeBytes },
      ]);
    });
}

function withTopicFlags(command: Command): Command {
  return command
    .option('--partitions <count>', 'Total number of partitions')
    .option('--config <name=value>', 'Set a config of the topic, e.g. retention.ms=3600000; may be repeated', collect);
}

function partitionsOf({ partitions }: TopicFlags): number | undefined {
  return partitions === undefined ? undefined : wholeNumber('--partitions', partitions, 1);
}

async function topicPath(session: Session, name: string): Promise<string> {
  return `${await session.clusterPath()}/topics/${encodeURIComponent(name)}`;
}

async function show(session: Session, topic: TopicShown): Promise<void> {
  await session.show(topic, lines(topic));
}

function lines(topic: TopicShown): (readonly [string, string | number])[] {
  return [
    ['topic', topic.name],
    ['id', topic.topicId],
    ['partitions', topic.partitions],
    ['configs', configText(topic.configs)],
    ['created', time(topic.createdAtMs)],
  ];
}

function configText(configs: Readonly<Record<string, string>>): string {
  const set = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
  return set.length === 0 ? 'defaults' : set.join(' ');
}
