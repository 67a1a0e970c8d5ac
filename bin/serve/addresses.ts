/**
 * The addresses of a server: the one that Kafka clients are told to connect to, and those in `demo.env` and the welcome. An
 * address that means "all addresses of this machine" can be listened on but not connected to: Apache Kafka refuses to
 * advertise it.
 */
import { isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { ServeSettings } from './settings.ts';

export interface Addresses {
  /** Where Kafka clients are sent once they have connected. */
  readonly kafkaHost: string;
  /** The addresses of the HTTP door and the control plane. */
  readonly httpHost: string;
  readonly kafkaPort: number;
  readonly httpPort: number;
  readonly adminPort: number;
  readonly tls: boolean;
}

export type Interfaces = Readonly<
  Record<string, readonly Pick<NetworkInterfaceInfo, 'address' | 'family' | 'internal'>[] | undefined>
>;

const loopback = '127.0.0.1';
/** Means something only together with an interface of the client's own machine. */
const linkLocal = /^fe[89ab]/i;

export function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || /^(0*:)+0*$/.test(host);
}

/**
 * Throws InvalidRequest. A port or brackets in a host would be looked up as part of the name, in `--advertised-host` by every
 * client.
 */
export function checkHosts({ advertisedHost, host }: Pick<ServeSettings, 'advertisedHost' | 'host'>): void {
  for (const [flag, value, ports] of [
    ['--host', host, '--kafka-port, --http-port and --admin-port'],
    ['--advertised-host', advertisedHost, '--kafka-port'],
  ] as const) {
    if (isIPv6(value) || !/[:/[\]\s]/.test(value)) continue;
    const advice = `give a name or an address alone; a port is set by ${ports}, and IPv6 has no brackets here`;
    throw new InvalidRequest(flag, `${flag} ${value}: ${advice}`);
  }
}

/** Without `--advertised-host` and with a door that listens everywhere: the first address that other machines can reach. */
export function advertisedHostOf(
  { advertisedHost, host }: Pick<ServeSettings, 'advertisedHost' | 'host'>,
  interfaces: Interfaces,
): string {
  if (advertisedHost !== '') return advertisedHost;
  if (!isEveryAddress(host)) return host;
  const seen = Object.values(interfaces).flatMap((each) => each ?? []);
  const abroad = seen.filter(({ address, internal }) => !internal && !linkLocal.test(address));
  const found = abroad.find(({ family }) => family === 'IPv4') ?? (host.includes(':') ? abroad[0] : undefined);
  return found?.address ?? loopback;
}

/** `--advertised-host` may be a name that resolves only elsewhere, but it is the one in a certificate. */
export function httpHostOf({ host }: Pick<ServeSettings, 'host'>, kafkaHost: string, tls: boolean): string {
  return tls || isEveryAddress(host) ? kafkaHost : host;
}

/** `host:port` as written in a URL. */
export function hostAndPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
