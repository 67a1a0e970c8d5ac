/**
 * Writes the generated pages: docs/configuration.md from the settings, docs/cli.md from the commands. `--check` writes
 * nothing and exits with 1 when a page is stale.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processContext } from './cli-context.ts';
import { cliPage } from './docs/cli-page.ts';
import { configurationPage } from './docs/configuration-page.ts';
import { createProgram } from './program.ts';

const pages: Readonly<Record<string, string>> = {
  'docs/configuration.md': configurationPage(),
  'docs/cli.md': cliPage(createProgram(processContext())),
};

/** Above dist/bin/ when compiled, above bin/ when not. */
function rootFolder(): string {
  const above = fileURLToPath(new URL('..', import.meta.url));
  return existsSync(join(above, 'package.json')) ? above : join(above, '..');
}

const root = rootFolder();
const isCheck = process.argv.includes('--check');
for (const [page, text] of Object.entries(pages)) {
  const path = join(root, page);
  const isStale = !existsSync(path) || readFileSync(path, 'utf8') !== text;
  if (!isStale) continue;
  if (isCheck) {
    process.stderr.write(`${page} is stale: run \`npm run docs\`\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    process.stderr.write(`${page} is written\n`);
  }
}
