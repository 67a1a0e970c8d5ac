import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { welcome } from './welcome.ts';

it.each(['plain', 'with  spaces', `it's "quoted" $HOME \`id\``, 'дата', 'new\nline'])(
  'the first line to paste reads the keys of a data folder named %j',
  (name) => {
    const folder = mkdtempSync(join(tmpdir(), `welcome ${name}`));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const demoEnv = join(folder, 'demo.env');
    writeFileSync(demoEnv, 'HEADGATE_API_KEY=told\n');
    const access = { adminKey: 'a', apiKey: 'told', keyId: 'k', clusterId: 'c' };
    const addresses = { kafkaHost: 'h', httpHost: 'h', kafkaPort: 1, httpPort: 2, adminPort: 3, tls: false };
    const text = welcome(access, addresses, demoEnv, true);
    const line = /set -a; [^]*?; set \+a/.exec(text)![0];
    expect(execFileSync('/bin/sh', ['-c', `${line}; printf %s "$HEADGATE_API_KEY"`], { encoding: 'utf8' })).toBe(
      'told',
    );
  },
);
