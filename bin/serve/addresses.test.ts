import { expect, it } from 'vitest';
import { advertisedHostOf, hostAndPort, httpHostOf, isEveryAddress } from './addresses.ts';

const interfaces = {
  lo: [{ address: '127.0.0.1', family: 'IPv4', internal: true }],
  eth0: [
    { address: 'fe80::1', family: 'IPv6', internal: false },
    { address: '192.0.2.7', family: 'IPv4', internal: false },
  ],
} as const;

it.each(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'])('%s is every address, and none to connect to', (host) => {
  expect(isEveryAddress(host)).toBe(true);
  expect(advertisedHostOf({ host, advertisedHost: '' }, interfaces)).toBe('192.0.2.7');
  expect(advertisedHostOf({ host, advertisedHost: 'gate.example' }, interfaces)).toBe('gate.example');
  expect(advertisedHostOf({ host, advertisedHost: '' }, { lo: interfaces.lo })).toBe('127.0.0.1');
});

it.each(['127.0.0.1', '::1', '10.0.0.0', 'localhost', 'a0'])('%s is one that clients can be told', (host) => {
  expect(advertisedHostOf({ host, advertisedHost: '' }, interfaces)).toBe(host);
});

it('HTTP and the control plane are named where they listen, or as in their certificate', () => {
  expect(httpHostOf({ host: '127.0.0.1' }, 'gate.example', false)).toBe('127.0.0.1');
  expect(httpHostOf({ host: '127.0.0.1' }, 'gate.example', true)).toBe('gate.example');
  expect(httpHostOf({ host: '::' }, 'gate.example', false)).toBe('gate.example');
});

it('an IPv6 address stands in brackets', () => {
  expect(hostAndPort('::1', 8080)).toBe('[::1]:8080');
  expect(hostAndPort('gate.example', 8080)).toBe('gate.example:8080');
});
