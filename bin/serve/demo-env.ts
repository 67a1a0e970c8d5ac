/**
 * demo.env: the demo tenant's key and the admin key in a 0600 file of shell variables, because keys are shown only once.
 *
 * Gateways that start at the same moment keep one and the same secrets. Each content of the file, or its absence, has one
 * successor: a file whose name says what it follows, and which only one gateway can create.
 *
 *   draft            a file under a name of one's own
 *   draft = next     by a link: fails when another gateway has created the successor, whose secrets are then everybody's
 *   next -> path     unless the file has changed since it was read: then all of this is too late, and it is read again
 */
import { createHash } from 'node:crypto';
import { chmodSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Random } from '../../engine/kernel/random.ts';
import { isGone } from '../../infra/fleet/process-state.ts';
import { newApiKey, parseApiKey } from '../../tenancy/access/api-key-text.ts';
import { type Addresses, hostAndPort } from './addresses.ts';

export interface DemoAccess {
  readonly adminKey: string;
  readonly apiKey: string;
  readonly keyId: string;
  readonly clusterId: string;
}

/** The file's content before the tenant exists: no cluster. */
export type DemoSecrets = Omit<DemoAccess, 'clusterId'> & Partial<DemoAccess>;

/** Each is one change of the file by others, between two calls of the system. */
const attemptsMax = 20;
const hashLength = 16;

/**
 * The secrets that an earlier start kept, or that another gateway has just generated; otherwise generated and stored here.
 *
 * @param revoked An API key that is to be replaced, when the file still has it.
 */
export function demoSecrets(path: string, random: Random, revoked?: string): DemoSecrets {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const text = textAt(path);
    const kept = secretsIn(text);
    if (kept && kept.apiKey !== revoked) return kept;
    const apiKey = newApiKey(random);
    const adminKey = valuesIn(text).get('ADMIN_KEY') ?? `hga_${random.bytes(32).toString('base64url')}`;
    const next = successor(path, text, secretLines({ adminKey, apiKey, keyId: parseApiKey(apiKey)!.keyId }));
    if (next !== undefined) return secretsIn(next)!;
  }
  throw new Error(`${path} is changed by others without end`);
}

/** What follows `text`, by whichever gateway; undefined when the file is no longer `text`. */
function successor(path: string, text: string | undefined, lines: readonly string[]): string | undefined {
  const hash = createHash('sha256').update(text ?? 'absent');
  const next = `${path}.${hash.digest('hex').slice(0, hashLength)}.new`;
  const draft = writeDraft(path, lines);
  try {
    const own = readFileSync(draft, 'utf8');
    if (!unless('EEXIST', () => linkSync(draft, next))) {
      const others = textAt(next);
      // Looked at last: a gateway that is late makes a successor only for a moment, and only when the file has changed.
      return textAt(path) === text ? others : undefined;
    }
    if (textAt(path) === text) return unless('ENOENT', () => renameSync(next, path)) ? own : undefined;
    rmSync(next, { force: true });
    return undefined;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Written whole or not at all, and readable only by its owner from the first byte on. A file that has the same keys and
 * cannot be written (a full disk, another user's) is no reason to serve nobody: `warn` is called.
 */
export function writeDemoEnv(
  path: string,
  access: DemoAccess,
  addresses: Addresses,
  warn: (text: string) => void,
): void {
  const { kafkaHost, httpHost, kafkaPort, httpPort, adminPort, tls } = addresses;
  const scheme = tls ? 'https' : 'http';
  const lines = [
    `HEADGATE_KAFKA=${hostAndPort(kafkaHost, kafkaPort)}`,
    `HEADGATE_HTTP=${scheme}://${hostAndPort(httpHost, httpPort)}`,
    `HEADGATE_ADMIN=${scheme}://${hostAndPort(httpHost, adminPort)}`,
    ...secretLines(access),
    `HEADGATE_CLUSTER=${access.clusterId}`,
  ];
  try {
    moveOver(path, writeDraft(path, lines));
    removeRemains(path);
  } catch (error) {
    const kept = secretsIn(textAt(path));
    if (kept?.apiKey !== access.apiKey || kept.adminKey !== access.adminKey) throw error;
    warn(`${path} keeps the addresses of an earlier start: ${(error as Error).message}`);
  }
}

function moveOver(path: string, draft: string): void {
  try {
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Drafts and successors of gateways that were killed; they hold secrets. */
function removeRemains(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    const part = name.startsWith(`${basename(path)}.`) ? /\.(\w+)\.new$/.exec(name)?.[1] : undefined;
    if (part?.length === hashLength || (part !== undefined && isGone(Number(part)))) {
      rmSync(join(folder, name), { force: true });
    }
  }
}

function secretsIn(text: string | undefined): DemoSecrets | undefined {
  const values = valuesIn(text);
  const [adminKey, apiKey, keyId, clusterId] = ['ADMIN_KEY', 'API_KEY', 'SASL_USERNAME', 'CLUSTER'].map((name) =>
    values.get(name),
  );
  return adminKey && apiKey && keyId ? { adminKey, apiKey, keyId, ...(clusterId ? { clusterId } : {}) } : undefined;
}

/** The variables that have a value. */
function valuesIn(text = ''): Map<string, string> {
  return new Map(Array.from(text.matchAll(/^HEADGATE_(\w+)=(.+)$/gm), ([, name, value]) => [name!, value!]));
}

function secretLines({ adminKey, apiKey, keyId }: Omit<DemoAccess, 'clusterId'>): string[] {
  return [
    `HEADGATE_ADMIN_KEY=${adminKey}`,
    `HEADGATE_API_KEY=${apiKey}`,
    `HEADGATE_SASL_USERNAME=${keyId}`,
    `HEADGATE_SASL_PASSWORD=${apiKey}`,
  ];
}

/** Under a name that no other process uses. */
function writeDraft(path: string, lines: readonly string[]): string {
  const draft = `${path}.${process.pid}.new`;
  try {
    // On the disk before it has its name: the keys are nowhere else.
    writeFileSync(draft, `${lines.join('\n')}\n`, { mode: 0o600, flush: true });
    chmodSync(draft, 0o600);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  return draft;
}

/** Undefined when there is no such file. */
function textAt(path: string): string | undefined {
  let text: string | undefined;
  try {
    unless('ENOENT', () => (text = readFileSync(path, 'utf8')));
  } catch (error) {
    // The system's own words name no path.
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return text;
}

/** False when it fails with that error. */
function unless(code: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) throw error;
    return false;
  }
}
