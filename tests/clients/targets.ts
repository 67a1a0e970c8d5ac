/**
 * What the client tests run against: a Headgate, and the real Apache Kafka, which is the oracle. A test gets an address
 * and a user and never learns which of the two it talks to.
 */
import { startInstallation } from '../installation.ts';
import { startApacheKafka } from './apache-kafka.ts';

export const clientNames = [
  'kcat',
  'kafkajs',
  'librdkafka',
  'java-tools',
  'java-client',
  'kafka-streams',
  'franz-go',
] as const;
export type ClientName = (typeof clientNames)[number];

/** The settings that a client gets. */
export interface Access {
  readonly bootstrap: string;
  readonly username: string;
  readonly password: string;
}

export interface Target<Name extends string = ClientName> {
  readonly name: string;
  readonly access: Readonly<Record<Name, Access>>;
}

export interface StartedTarget<Name extends string = ClientName> extends Target<Name> {
  stop(): Promise<void>;
}

/** A tenant for each client: what one makes, the others must not see. */
async function startHeadgate(): Promise<StartedTarget> {
  const instance = await startInstallation();
  const access: Partial<Record<ClientName, Access>> = {};
  for (const client of clientNames) {
    const { keyId, apiKey } = await instance.tenant(client);
    access[client] = { bootstrap: instance.kafka, username: keyId, password: apiKey };
  }
  return { name: 'headgate', access: access as Record<ClientName, Access>, stop: () => instance.remove() };
}

export function startTarget(name: string): Promise<StartedTarget> {
  switch (name) {
    case 'headgate':
      return startHeadgate();
    case 'kafka':
      return startApacheKafka(clientNames);
    default:
      throw new Error(`there is no target ${name}; there are headgate and kafka`);
  }
}
