#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';

const main = new URL('../dist/bin/main.js', import.meta.url);
if (process.argv[2] === '--version') {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  console.log(version);
} else if (existsSync(main)) {
  await import(main.href);
} else {
  console.error('headgate: this clone is not compiled yet: run `npm start` once, or `npm ci && npm run build`');
  process.exitCode = 1;
}
