/** `headgate key`: API keys of a cluster. A secret is printed once, by the command that makes it. */
import type { Command } from 'commander';
import type { IssuedKeyShown, KeyShown } from '../../gateway/admin/schemas.ts';
import { durationMs } from '../client/parse-values.ts';
import type { OpenSession, Session } from '../client/session.ts';
import { time } from '../client/table.ts';

export function keyCommands(program: Command, open: OpenSession): void {
  const key = program.command('key').description('API keys: list, create, rotate, revoke');

  key
    .command('list')
    .description('List the API keys of a cluster, without their secrets')
    .action(async (_, command: Command) => {
      const session = open(command);
      await session.list(await session.admin.all<KeyShown>(`${await session.clusterPath()}/keys`), [
        { title: 'ID', cell: (k) => k.keyId },
        { title: 'NAME', cell: (k) => k.name },
        { title: 'CREATED', cell: (k) => time(k.createdAtMs) },
        { title: 'EXPIRES', cell: (k) => (k.expiresAtMs === null ? null : time(k.expiresAtMs)) },
      ]);
    });

  key
    .command('create')
    .description('Create an API key and print its secret, this one time')
    .argument('<name>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      await show(session, await session.admin.post<IssuedKeyShown>(`${await session.clusterPath()}/keys`, { name }));
    });

  key
    .command('rotate')
    .description('Replace an API key with a new one')
    .argument('<keyId>')
    .option('--grace <time>', 'How long the old key keeps working, e.g. 1h', '0s')
    .action(async (keyId: string, { grace }: { grace: string }, command: Command) => {
      const session = open(command);
      const graceMs = durationMs('--grace', grace);
      const path = `${await session.clusterPath()}/keys/${encodeURIComponent(keyId)}/rotate`;
      await show(session, await session.admin.post<IssuedKeyShown>(path, { graceMs }));
    });

  key
    .command('revoke')
    .description('Revoke an API key and close the connections that it opened')
    .argument('<keyId>')
    .action(async (keyId: string, _, command: Command) => {
      const session = open(command);
      await session.admin.delete(`${await session.clusterPath()}/keys/${encodeURIComponent(keyId)}`);
      await session.done({ revoked: keyId }, `key ${keyId} is revoked`);
    });
}

async function show(session: Session, { keyId, apiKey }: IssuedKeyShown): Promise<void> {
  await session.show({ keyId, apiKey }, [
    ['key id', keyId],
    ['API key', apiKey],
  ]);
  if (!session.isJson) session.cli.err('Save it now: it is not shown again.\n');
}
