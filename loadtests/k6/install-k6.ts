/** k6 in one version, built from source by Go into a folder that git ignores: done once, in about two minutes. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const version = 'v1.8.1';

/** Path of the program. Throws when Go is missing or the build fails. */
export async function installK6(root: string, log: (line: string) => void): Promise<string> {
  const folder = join(root, '.cache', 'k6');
  const path = join(folder, `k6-${version.slice(1)}`);
  if (existsSync(path)) return path;
  if (spawnSync('go', ['version']).status !== 0) {
    throw new Error('k6 is built with Go, and there is no `go` on the path: install Go 1.24 or newer');
  }
  mkdirSync(folder, { recursive: true });
  log(`building k6 ${version} (once, about two minutes) …`);
  const beginMs = Date.now();
  const build = spawn('go', ['install', `go.k6.io/k6@${version}`], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  build.stderr.on('data', (text: Buffer) => {
    errors = (errors + text.toString()).slice(-8_000);
  });
  const progress = setInterval(() => log(`building k6: ${Math.round((Date.now() - beginMs) / 1e3)} s`), 15_000);
  const code = await new Promise<number | null>((resolve) => build.once('exit', resolve));
  clearInterval(progress);
  if (code !== 0) throw new Error(`go install go.k6.io/k6@${version} failed:\n${errors}`);
  renameSync(join(folder, 'k6'), path);
  log(`built k6 in ${Math.round((Date.now() - beginMs) / 1e3)} s`);
  return path;
}
