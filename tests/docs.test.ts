/** The generated pages of docs/ are what the code says. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { processContext } from '../bin/cli-context.ts';
import { cliPage } from '../bin/docs/cli-page.ts';
import { configurationPage } from '../bin/docs/configuration-page.ts';
import { createProgram } from '../bin/program.ts';

const docs = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs');
const page = (name: string): string => readFileSync(join(docs, name), 'utf8');

describe('generated pages', () => {
  it('docs/configuration.md matches the settings', () => {
    expect(page('configuration.md')).toBe(configurationPage());
  });

  it('docs/cli.md matches the commands', () => {
    expect(page('cli.md')).toBe(cliPage(createProgram(processContext())));
  });
});
