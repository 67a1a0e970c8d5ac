/** Everything that `headgate serve` lets one set. docs/configuration.md is generated from here. */
import type { SettingSchema, SettingValues } from '../engine/kernel/config.ts';

export const serveSettings = {
  role: {
    kind: 'text',
    flag: 'role',
    default: 'all',
    values: ['all'],
    about: 'What this process does. `all`: gateway, controller and, as child processes, the brokers.',
  },
  data: { kind: 'text', flag: 'data', default: './data', about: 'Folder of volumes, segments, metadata and keys.' },
  host: {
    kind: 'text',
    flag: 'host',
    default: '127.0.0.1',
    about: 'Address on which all doors and the control plane listen.',
  },
  advertisedHost: {
    kind: 'text',
    flag: 'advertised-host',
    default: '',
    about: 'Host name that Kafka clients are told to connect to. Empty: the same as `--host`.',
  },
  kafkaPort: {
    kind: 'integer',
    flag: 'kafka-port',
    default: 9092,
    min: 0,
    max: 65535,
    unit: 'port',
    about: 'Port of the Kafka door; 0 picks a free one.',
  },
  httpPort: {
    kind: 'integer',
    flag: 'http-port',
    default: 8080,
    min: 0,
    max: 65535,
    unit: 'port',
    about: 'Port of the HTTP and WebSocket doors; 0 picks a free one.',
  },
  adminPort: {
    kind: 'integer',
    flag: 'admin-port',
    default: 8081,
    min: 0,
    max: 65535,
    unit: 'port',
    about: 'Port of the control plane; 0 picks a free one.',
  },
  zones: { kind: 'text', flag: 'zones', default: 'a,b,c', about: 'Availability zones, by comma.' },
  brokers: {
    kind: 'integer',
    flag: 'brokers',
    default: 3,
    min: 1,
    max: 99,
    unit: 'brokers',
    about: 'Number of brokers, spread over the zones in turn.',
  },
  brokerMode: {
    kind: 'text',
    flag: 'broker-mode',
    default: 'processes',
    values: ['processes', 'in-process'],
    about:
      'Where the brokers live. `processes`: one child process each, so that one can die alone. `in-process`: inside the gateway, faster and smaller, and a broker that fails ends all of it. The data folder is the same: the mode may change between starts.',
  },
  spareBrokers: {
    kind: 'integer',
    flag: 'spare-brokers',
    default: 1,
    min: 0,
    max: 99,
    unit: 'processes',
    about:
      'Broker processes that stand by, loaded and idle (about 70 MB each), so that the slot of one that died is filled at once.',
  },
  durability: {
    kind: 'text',
    flag: 'durability',
    default: 'fsync',
    values: ['fsync', 'page-cache'],
    about:
      'When a write counts as stored: on the disk, or in the page cache of the operating system as Apache Kafka does by default.',
  },
  quotaProfile: {
    kind: 'text',
    flag: 'quota-profile',
    default: 'msk-serverless',
    values: ['msk-serverless', 'unlimited'],
    about: 'Limits of clusters that are created without their own.',
  },
  httpServer: {
    kind: 'text',
    flag: 'http-server',
    default: 'auto',
    values: ['auto', 'uws', 'node'],
    about: 'Server of the HTTP and WebSocket doors. `auto`: uWebSockets.js where it loads, else node:http with ws.',
  },
  leaseMs: {
    kind: 'integer',
    flag: 'lease-ms',
    default: 3000,
    min: 300,
    max: 60_000,
    unit: 'milliseconds',
    about: 'Lease of a broker session. A hung broker is replaced after this long; a killed one at once.',
  },
  tlsCertificate: {
    kind: 'text',
    flag: 'tls-certificate',
    default: '',
    about: 'PEM file with the certificate chain. With `--tls-key` all doors speak TLS.',
  },
  tlsKey: { kind: 'text', flag: 'tls-key', default: '', about: 'PEM file with the private key.' },
} as const satisfies SettingSchema;

export type ServeSettings = SettingValues<typeof serveSettings>;
