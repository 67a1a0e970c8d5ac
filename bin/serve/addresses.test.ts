import { expect, it } from 'vitest';
import { advertisedHostOf, checkHosts, hostAndPort, httpHostOf, isEveryAddress } from './addresses.ts';

const interfaces = {
  lo: [{ address: '127.0.0.1', family: 'IPv4', internal: true }],
  eth0: [
    { address: 'fe80::1', family: 'IPv6', internal: false },
    { address: '192.0.2.7', family: 'IPv4', internal: false },
  ],
} as const;

it.each(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'])(
  '%s means every address, and clients cannot connect to it',
  (host) => {
    expect(isEveryAddress(host)).toBe(true);
    expect(advertisedHostOf({ host, advertisedHost: '' }, interfaces)).toBe('192.0.2.7');
    expect(advertisedHostOf({ host, advertisedHost: 'gate.example' }, interfaces)).toBe('gate.example');
    expect(advertisedHostOf({ host, advertisedHost: '' }, { lo: interfaces.lo })).toBe('127.0.0.1');
  },
);

it('a machine that has only IPv6 is named by its IPv6 address if the doors listen there', () => {
  const [local] = interfaces.eth0;
  const ipv6Only = {
    lo: interfaces.lo,
    eth0: [local, { address: '2001:db8::7', family: 'IPv6', internal: false }],
  } as const;
  expect(advertisedHostOf({ host: '::', advertisedHost: '' }, ipv6Only)).toBe('2001:db8::7');
  expect(advertisedHostOf({ host: '0.0.0.0', advertisedHost: '' }, ipv6Only)).toBe('127.0.0.1');
  expect(advertisedHostOf({ host: '::', advertisedHost: '' }, { eth0: [local] })).toBe('127.0.0.1');
});

it.each(['127.0.0.1', '::1', '10.0.0.0', 'localhost', 'a0'])('%s is an address that clients can be given', (host) => {
  expect(advertisedHostOf({ host, advertisedHost: '' }, interfaces)).toBe(host);
});

it('HTTP and the control plane are named by their listening address, or as in their certificate', () => {
  expect(httpHostOf({ host: '127.0.0.1' }, 'gate.example', false)).toBe('127.0.0.1');
  expect(httpHostOf({ host: '127.0.0.1' }, 'gate.example', true)).toBe('gate.example');
  expect(httpHostOf({ host: '::' }, 'gate.example', false)).toBe('gate.example');
});

it('an IPv6 address is put in brackets', () => {
  expect(hostAndPort('::1', 8080)).toBe('[::1]:8080');
  expect(hostAndPort('gate.example', 8080)).toBe('gate.example:8080');
});

it.each(['', 'localhost', 'kafka.example.com', '0.0.0.0', '::', '::1', 'fe80::1%eth0'])('"%s" is a host', (host) => {
  expect(() => checkHosts({ host, advertisedHost: host })).not.toThrow();
});

it.each(['kafka.example.com:9092', '[::1]', 'http://kafka', '10.0.0.1:80', 'a b'])('"%s" is not a host', (host) => {
  expect(() => checkHosts({ host, advertisedHost: '' })).toThrow(`--host ${host}: give a name or an address alone`);
  expect(() => checkHosts({ host: '', advertisedHost: host })).toThrow(`--advertised-host ${host}: give a name`);
});
