/** docs/configuration.md: the settings of `headgate serve` and the client commands, and the fixed limits. */
import { environmentName, type Setting } from '../../engine/kernel/config.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import { adminLimitsDefault } from '../../gateway/admin/options.ts';
import { gatewayDefaults } from '../../gateway/settings.ts';
import { clientSettings } from '../client/client-settings.ts';
import { serveSettings } from '../serve/settings.ts';
import { generatedNote, markdownTable } from './markdown.ts';

/** Pure. */
export function configurationPage(): string {
  return `${generatedNote}
# Configuration

Every setting is a flag and an environment variable. The flag wins over the variable, the variable over the default. A
value that is not allowed ends the program with a message that names the flag or variable.

## \`headgate serve\`

${settingsTable(Object.values(serveSettings))}
## Client commands

Between the variable and the default stands the file of \`--env-file\`: the server writes the demo tenant's address and keys
there. A key from it is sent to the address in it only.

${settingsTable(Object.values(clientSettings))}
## Limits

Everything that could grow has a limit. These are fixed. The unit is in the name, and a comment in the named file says what each one bounds.

### Doors (gateway/settings.ts)

${limitsTable(gatewayDefaults)}
### Control plane (gateway/admin/options.ts)

${limitsTable(adminLimitsDefault)}
### Logs of embedded brokers (engine/log/settings.ts)

${limitsTable(logSettingsDefault)}`;
}

function settingsTable(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => [
    `\`--${setting.flag}\``,
    `\`${environmentName(setting.flag)}\``,
    setting.default === '' ? '' : `\`${setting.default}\``,
    takes(setting),
    setting.about,
  ]);
  return markdownTable(['flag', 'variable', 'default', 'takes', 'meaning'], rows);
}

function takes(setting: Setting): string {
  if (setting.kind === 'integer') return `${setting.min} to ${setting.max} (${setting.unit})`;
  return setting.values ? setting.values.map((value) => `\`${value}\``).join(', ') : (setting.takes ?? 'text');
}

/** Fields that are not limits are documented by `serve`'s own settings. */
const notLimits: ReadonlySet<string> = new Set(['advertisedHost', 'advertisedPort', 'durability']);

function limitsTable(limits: object): string {
  const entries: [string, unknown][] = Object.entries(limits);
  const rows = entries
    .filter(([name]) => !notLimits.has(name))
    .map(([name, value]) => [`\`${name}\``, shown(name, value)]);
  return markdownTable(['limit', 'value'], rows);
}

const mebi = 1024 * 1024;

function shown(name: string, value: unknown): string {
  if (typeof value !== 'number') return String(value);
  if (!/bytes/i.test(name) || value < 1024) return value.toLocaleString('en-US');
  return value % mebi === 0 ? `${value / mebi} MiB` : `${value / 1024} KiB`;
}
