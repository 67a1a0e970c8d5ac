/**
 * The live engine page at /engine: files of gateway/admin/console, with its modules as compiled. The files are public
 * because they contain no data; the page requests its data with the admin key. The policy lets the page load from and
 * connect to this origin only, and forbids turning strings into markup.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Hono } from 'hono';
import { assert } from '../../engine/kernel/assert.ts';
import type { AdminEnv } from './routes/route.ts';

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const contentTypes: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

export function consolePage(app: Hono<AdminEnv>): void {
  const root = projectFolder();
  const sources = join(root, 'gateway', 'admin', 'console');
  const compiled = join(root, 'dist', 'gateway', 'admin', 'console');
  const page = readFileSync(join(sources, 'engine.html'), 'utf8');
  app.get('/', (c) => c.redirect('/engine'));
  app.get('/engine', (c) =>
    c.html(page, 200, {
      'Content-Security-Policy': policy,
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-cache',
    }),
  );
  for (const [folder, name] of [...filesOf(sources, ['css', 'svg']), ...filesOf(compiled, ['js'])]) {
    const contentType = contentTypes[extensionOf(name)]!;
    const bytes = new Uint8Array(readFileSync(join(folder, name)));
    app.get(`/engine/${name}`, (c) => c.body(bytes, 200, { 'Content-Type': contentType, 'Cache-Control': 'no-cache' }));
  }
}

function filesOf(folder: string, extensions: readonly string[]): (readonly [folder: string, name: string])[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => extensions.includes(extensionOf(name))).map((name) => [folder, name] as const);
}

function extensionOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** This module runs from its source in tests and from dist otherwise; it finds the page's files from both. */
function projectFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    assert(dirname(folder) !== folder, 'Headgate runs inside its project folder');
    folder = dirname(folder);
  }
  return folder;
}
