/** `headgate tenant`: who may have clusters. */
import type { Command } from 'commander';
import type { TenantShown } from '../../gateway/admin/schemas.ts';
import { adminPath, type OpenSession } from '../client/session.ts';
import { time } from '../client/table.ts';

export function tenantCommands(program: Command, open: OpenSession): void {
  const tenant = program.command('tenant').description('Tenants: list, create, delete');

  tenant
    .command('list')
    .description('List tenants')
    .action(async (_, command: Command) => {
      const session = open(command);
      await session.list(await session.admin.all<TenantShown>(`${adminPath}/tenants`), [
        { title: 'ID', cell: (t) => t.tenantId },
        { title: 'NAME', cell: (t) => t.name },
        { title: 'CREATED', cell: (t) => time(t.createdAtMs) },
      ]);
    });

  tenant
    .command('create')
    .description('Create a tenant')
    .argument('<name>')
    .action(async (name: string, _, command: Command) => {
      const session = open(command);
      const made = await session.admin.post<TenantShown>(`${adminPath}/tenants`, { name });
      await session.show(made, [
        ['tenant', made.tenantId],
        ['name', made.name],
      ]);
    });

  tenant
    .command('delete')
    .description('Delete a tenant that has no clusters')
    .argument('<tenant>', 'id or name')
    .action(async (named: string, _, command: Command) => {
      const session = open(command);
      const tenantId = await session.tenantId(named);
      await session.admin.delete(`${adminPath}/tenants/${tenantId}`);
      await session.done({ deleted: tenantId }, `tenant ${named} is deleted`);
    });
}
