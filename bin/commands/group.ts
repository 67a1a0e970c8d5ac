/** `headgate group`: consumer groups of a cluster and how far behind they are. */
import type { Command } from 'commander';
import type { GroupDetailShown, GroupShown } from '../../gateway/admin/schemas.ts';
import type { OpenSession, Session } from '../client/session.ts';
import { fields, table } from '../client/table.ts';

export function groupCommands(program: Command, open: OpenSession): void {
  const group = program.command('group').description('Consumer groups: list, get, delete');

  group
    .command('list')
    .description('List the consumer groups of a cluster')
    .action(async (_, command: Command) => {
      const session = open(command);
      await session.list(await session.admin.all<GroupShown>(`${await session.clusterPath()}/groups`), [
        { title: 'GROUP', cell: (g) => g.groupId },
        { title: 'STATE', cell: (g) => g.state },
        { title: 'TYPE', cell: (g) => g.protocolType },
      ]);
    });

  group
    .command('get')
    .description('Show the members, committed offsets and lag of a group')
    .argument('<group>')
    .action(async (groupId: string, _, command: Command) => {
      const session = open(command);
      const found = await session.admin.get<GroupDetailShown>(await groupPath(session, groupId));
      if (session.isJson) await session.json(found);
      else await session.cli.out(groupText(found));
    });

  group
    .command('delete')
    .description('Delete a group that has no members')
    .argument('<group>')
    .action(async (groupId: string, _, command: Command) => {
      const session = open(command);
      await session.admin.delete(await groupPath(session, groupId));
      await session.done({ deleted: groupId }, `group ${groupId} is deleted`);
    });
}

async function groupPath(session: Session, groupId: string): Promise<string> {
  return `${await session.clusterPath()}/groups/${encodeURIComponent(groupId)}`;
}

function groupText({ groupId, state, lag, members, offsets }: GroupDetailShown): string {
  let text = fields([
    ['group', groupId],
    ['state', state],
    ['lag', lag],
  ]);
  if (members.length > 0) {
    text += `\n${table(
      [
        { title: 'MEMBER', cell: (m) => m.memberId },
        { title: 'INSTANCE', cell: (m) => m.instanceId },
        { title: 'CLIENT', cell: (m) => m.clientId },
        { title: 'HOST', cell: (m) => m.clientHost },
      ],
      members,
    )}`;
  }
  if (offsets.length > 0) {
    text += `\n${table(
      [
        { title: 'TOPIC', cell: (o) => o.topic },
        { title: 'PARTITION', cell: (o) => o.partition },
        { title: 'COMMITTED', cell: (o) => o.committedOffset },
        { title: 'END', cell: (o) => o.endOffset },
        { title: 'LAG', cell: (o) => o.lag },
      ],
      offsets,
    )}`;
  }
  return text;
}
