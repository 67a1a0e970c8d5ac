// @ts-check
/**
 * The server of the example page, in plain Node:
 *
 *   set -a; . data/demo.env; set +a; node docs/examples/browser/serve.mjs
 *
 * It holds the API key, so that the page need not: the page asks for a ticket, which opens one WebSocket within 30 s. A
 * server of yours does the same behind its own login.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const http = process.env.HEADGATE_HTTP ?? 'http://127.0.0.1:8080';
const apiKey = process.env.HEADGATE_API_KEY;
const port = Number(process.env.PORT ?? 8000);
const files = { '/': 'index.html', '/page.js': 'page.js', '/subscription.js': 'subscription.js' };
if (!apiKey) {
  process.stderr.write('HEADGATE_API_KEY is not set\n');
  process.exit(1);
}

async function ticket() {
  const headers = { authorization: `Bearer ${apiKey}` };
  const response = await fetch(`${http}/v1/ws-tickets`, {
    method: 'POST',
    headers,
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  const { ticket } = await response.json();
  return { url: `${http.replace(/^http/, 'ws')}/v1/ws`, ticket };
}

const server = createServer((request, response) => void answer(request, response));

/** @param {import('node:http').IncomingMessage} request  @param {import('node:http').ServerResponse} response */
async function answer({ method, url = '/' }, response) {
  const { pathname } = new URL(url, 'http://page');
  try {
    if (method === 'POST' && pathname === '/ticket') {
      const body = JSON.stringify(await ticket());
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      return response.end(body);
    }
    const file = files[pathname];
    if (method !== 'GET' || !file) return response.writeHead(404).end('there is no such page\n');
    const type = file.endsWith('.js') ? 'text/javascript' : 'text/html';
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` });
    return response.end(await readFile(new URL(file, import.meta.url)));
  } catch (error) {
    if (!response.headersSent) response.writeHead(502);
    return response.end(`${error}\n`);
  }
}

server.listen(port, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`http://127.0.0.1:${typeof address === 'object' ? address?.port : port}/?topic=orders\n`);
});
