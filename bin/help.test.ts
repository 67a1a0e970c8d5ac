/** What `--help` says, of all commands alike. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { headgate, json } from './cli-in-test.suite.ts';
import { examplesOf } from './examples.ts';
import { createProgram } from './program.ts';
import { serveSettings } from './serve/settings.ts';

const program = createProgram({
  out: async () => undefined,
  err: () => undefined,
  environment: {},
  readFile: () => undefined,
  stdin: (async function* () {})(),
  fetch,
  signal: new AbortController().signal,
});
const all = commandsOf(program, '');
const leaves = all.filter(([, { commands }]) => commands.length === 0);

function commandsOf(parent: Command, path: string): [path: string, command: Command][] {
  return parent.commands.flatMap((command) => {
    const own = `${path} ${command.name()}`.trim();
    return [[own, command], ...commandsOf(command, own)];
  });
}

const sentence = /^[A-Z].*[^.]$/;

it.each(all)('%s is described in sentences without a full stop', (_, command) => {
  expect(command.description()).toMatch(sentence);
  for (const { description } of command.options) expect(description).toMatch(sentence);
  for (const { description } of command.registeredArguments) expect(description).toMatch(/^(?!.*\.$)/);
});

it.each(leaves)('%s has examples that use only flags it knows', async (path, command) => {
  const { out, code } = await headgate(`${path} --help`, () => json({}));
  expect(code).toBe(0);
  expect(examplesOf(path).length).toBeGreaterThan(0);
  const known = [...command.options, ...program.options].map(({ long }) => long);
  for (const line of examplesOf(path)) {
    expect(out).toContain(`\n  ${line}\n`);
    expect(line).toContain(`headgate ${path}`);
    for (const [flag] of line.matchAll(/(?<= )--[a-z-]+/g)) expect(known).toContain(flag);
  }
});

it.each(all)('%s fits the width of a terminal, except for its examples', async (path) => {
  const { out } = await headgate(`${path} --help`, () => json({}));
  const [told] = out.split('\nExamples:\n');
  // Commander wraps words; a longer word gets a line of its own.
  expect(told!.split('\n').filter((line) => line.length > 80 && line.trim().includes(' '))).toEqual([]);
});

it('lists every setting of serve', async () => {
  const { out } = await headgate('serve --help', () => json({}));
  for (const { flag } of Object.values(serveSettings)) expect(out).toContain(`\n  --${flag} <`);
});

it('a clone that is not compiled prints its version, and says what to do', () => {
  const clone = mkdtempSync(join(tmpdir(), 'headgate-clone-'));
  const root = fileURLToPath(new URL('..', import.meta.url));
  for (const file of ['bin/headgate.mjs', 'package.json']) cpSync(join(root, file), join(clone, file));
  const run = (word: string) =>
    spawnSync(process.execPath, [join(clone, 'bin/headgate.mjs'), word], { encoding: 'utf8' });
  expect(run('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
  expect(run('status')).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('npm start') as string,
  });
  rmSync(clone, { recursive: true });
});
