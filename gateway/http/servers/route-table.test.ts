import { expect, test } from 'vitest';
import { RouteTable } from './route-table.ts';
import type { HttpHandler } from './server.ts';

const named = new Map<string, HttpHandler>();
function table(...patterns: string[]): (method: string, path: string) => readonly unknown[] {
  const routes = patterns.map((line) => {
    const [method = '', pattern = ''] = line.split(' ');
    const handler: HttpHandler = () => {};
    named.set(line, handler);
    return { method, pattern, handler };
  });
  const built = new RouteTable(routes);
  return (method, path) => {
    const match = built.match(method, path);
    const line = [...named].find(([, handler]) => handler === match.handler)?.[0];
    return [line, match.values.join(' '), match.allowedMethods.join()];
  };
}

test('literals win over parameters, unless the rest of the path does not match', () => {
  const match = table('GET /a/b', 'GET /a/{x}', 'GET /a/{x}/c', 'GET /a/b/d');
  expect(match('GET', '/a/b')).toEqual(['GET /a/b', '', '']);
  expect(match('GET', '/a/z')).toEqual(['GET /a/{x}', 'z', '']);
  expect(match('GET', '/a/b/c')).toEqual(['GET /a/{x}/c', 'b', '']);
  expect(match('GET', '/a/b/e')).toEqual([undefined, '', '']);
  expect(match('GET', '/a/')).toEqual([undefined, '', '']);
});

test('a parameter may have a literal ending', () => {
  const match = table('POST /g/{g}', 'POST /g/{g}:poll');
  expect(match('POST', '/g/x:poll')).toEqual(['POST /g/{g}:poll', 'x', '']);
  expect(match('POST', '/g/x')).toEqual(['POST /g/{g}', 'x', '']);
  expect(match('POST', '/g/:poll')).toEqual(['POST /g/{g}', ':poll', '']);
});

test('a star takes the rest, and a lone star is the last resort of its method', () => {
  const match = table('GET /s/*', 'OPTIONS *', 'PUT /s/{x}');
  expect(match('GET', '/s/a/b%2F')).toEqual(['GET /s/*', 'a/b%2F', '']);
  expect(match('OPTIONS', '/nowhere')).toEqual(['OPTIONS *', '', '']);
});

test('HEAD is served by GET; for other methods the allowed ones are named', () => {
  const match = table('GET /t', 'POST /t');
  expect(match('HEAD', '/t')).toEqual(['GET /t', '', '']);
  expect(match('DELETE', '/t')).toEqual([undefined, '', 'GET,HEAD,POST']);
});

test('a route given twice is a bug', () => {
  expect(() => table('GET /t/{a}', 'GET /t/{b}')).toThrow('given twice');
});
