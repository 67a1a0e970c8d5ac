/**
 * Under which addresses a server is found: what Kafka clients are told to connect to, and what `demo.env` and the welcome
 * say. An address that means "all of this machine's" is one to listen on, and none to connect to: Apache Kafka refuses to
 * advertise it.
 */
import type { NetworkInterfaceInfo } from 'node:os';
import type { ServeSettings } from './settings.ts';

export interface Addresses {
  /** What Kafka clients are sent to once they have connected. */
  readonly kafkaHost: string;
  /** Of the HTTP door and of the control plane. */
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

export function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || /^(0*:)+0*$/.test(host);
}

/** Without `--advertised-host` behind a door that listens everywhere: the first address that other machines can see. */
export function advertisedHostOf(
  { advertisedHost, host }: Pick<ServeSettings, 'advertisedHost' | 'host'>,
  interfaces: Interfaces,
): string {
  if (advertisedHost !== '') return advertisedHost;
  if (!isEveryAddress(host)) return host;
  const seen = Object.values(interfaces).flatMap((each) => each ?? []);
  return seen.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? loopback;
}

/** `--advertised-host` may be a name that leads here from elsewhere only, but is the one in a certificate. */
export function httpHostOf({ host }: Pick<ServeSettings, 'host'>, kafkaHost: string, tls: boolean): string {
  return tls || isEveryAddress(host) ? kafkaHost : host;
}

/** `host:port` as it stands in a URL. */
export function hostAndPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
