/** Reads a uWebSockets.js request while its callback lasts. */
import { SocketAddress } from 'node:net';
import type { UwsRequest, UwsResponse } from './uws-types.ts';

const methods: Readonly<Record<string, string>> = {
  get: 'GET',
  post: 'POST',
  put: 'PUT',
  delete: 'DELETE',
  head: 'HEAD',
  options: 'OPTIONS',
  patch: 'PATCH',
};

// One array is filled per request; the callback is shared, so that no closure is made.
let collected: string[] = [];
let collectedBytes = 0;
const collect = (name: string, value: string): void => {
  collectedBytes += name.length + value.length + headerSeparatorBytes;
  collected.push(name, value);
};
/** Colon, blank, line break. */
const headerSeparatorBytes = 4;

export function uwsHeaders(request: UwsRequest): string[] {
  collected = [];
  collectedBytes = 0;
  request.forEach(collect);
  return collected;
}

/** The size of the head that was read last. uWS enforces its own limit only against heads that arrive in several pieces. */
export function uwsHeaderBytes(): number {
  return collectedBytes;
}

export function uwsMethod(request: UwsRequest): string {
  const method = request.getMethod();
  return methods[method] ?? method.toUpperCase();
}

export function uwsAddress(response: UwsResponse): string {
  const bytes = Buffer.from(response.getRemoteAddress());
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const isMapped = bytes.readUInt32BE(8) === 0xffff && bytes.readBigUInt64BE(0) === 0n;
  if (isMapped) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
