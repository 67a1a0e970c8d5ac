/**
 * The server's address and the caller's key: flag, then HEADGATE_* variable, then the demo.env that the server wrote. A key
 * from that file is sent only to the address in that file, never to another server that a flag or variable names.
 */
import { type SettingSchema, type SettingValues, readSettings } from '../../engine/kernel/config.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { CliContext } from '../cli-context.ts';

export const clientSettings = {
  admin: {
    kind: 'text',
    flag: 'admin',
    takes: 'url',
    default: 'http://127.0.0.1:8081',
    about: 'Address of the control plane.',
  },
  http: {
    kind: 'text',
    flag: 'http',
    takes: 'url',
    default: 'http://127.0.0.1:8080',
    about: 'Address of the HTTP and WebSocket doors.',
  },
  adminKey: { kind: 'text', flag: 'admin-key', takes: 'key', default: '', about: 'Admin key of the control plane.' },
  apiKey: {
    kind: 'text',
    flag: 'api-key',
    takes: 'key',
    default: '',
    about: 'API key of a cluster, for `produce`, `consume` and `tail`.',
  },
  cluster: {
    kind: 'text',
    flag: 'cluster',
    takes: 'id',
    default: '',
    about: 'Cluster whose topics, keys and groups are meant: its id or name.',
  },
  envFile: {
    kind: 'text',
    flag: 'env-file',
    takes: 'file',
    default: './data/demo.env',
    about: 'File of `HEADGATE_*` lines, used for whatever neither flags nor environment variables set.',
  },
} as const satisfies SettingSchema;

export type ClientSettings = SettingValues<typeof clientSettings>;

/** Throws InvalidRequest that names the flag or variable. */
export function readClientSettings(
  cli: Pick<CliContext, 'environment' | 'readFile'>,
  given: Readonly<Record<string, string | undefined>>,
): ClientSettings {
  const { envFile } = readSettings(clientSettings, given, cli.environment);
  const text = cli.readFile(envFile);
  // The server may not have written the default one yet; a file that was named is meant to exist.
  if (text === undefined && envFile !== clientSettings.envFile.default) {
    throw new InvalidRequest('env-file', `--env-file (HEADGATE_ENV_FILE) ${envFile} does not exist`);
  }
  const file = parseEnvFile(text ?? '');
  const values = readSettings(clientSettings, given, { ...file, ...nonEmpty(cli.environment) });
  const explicit = readSettings(clientSettings, given, cli.environment);
  const trusts = (address: 'admin' | 'http', variable: string): boolean => {
    const inFile = file[variable];
    return inFile === undefined || sameAddress(values[address], inFile);
  };
  return {
    ...values,
    adminKey: trusts('admin', 'HEADGATE_ADMIN') ? values.adminKey : explicit.adminKey,
    apiKey: trusts('http', 'HEADGATE_HTTP') ? values.apiKey : explicit.apiKey,
    admin: withoutSlash(values.admin),
    http: withoutSlash(values.http),
  };
}

/** An empty variable counts as not set. */
function nonEmpty(environment: CliContext['environment']): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
}

export function parseEnvFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^(?:export )?(HEADGATE_\w+)=(.*)$/.exec(line.trim());
    if (match) values[match[1]!] = match[2]!.replace(/^(['"])(.*)\1$/, '$2');
  }
  return values;
}

function sameAddress(a: string, b: string): boolean {
  return withoutSlash(a) === withoutSlash(b);
}

function withoutSlash(address: string): string {
  return address.replace(/\/+$/, '');
}
