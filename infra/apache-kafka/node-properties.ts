/**
 * The properties file of one Apache Kafka node in KRaft mode that is broker and controller at once, with SASL/PLAIN users:
 * what tests and load tests run beside Headgate. Kafka's own defaults except for what a single node needs.
 */
import { join } from 'node:path';

export interface KafkaNode {
  /** Its logs are in the folder `logs` there. */
  readonly data: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Passwords by user name. */
  readonly users: Readonly<Record<string, string>>;
  /** The user as whom the node speaks to itself. */
  readonly self: string;
}

export type KafkaProperties = Readonly<Record<string, string | number>>;

/** `more`: properties that override Kafka's defaults or those set here. */
export function nodeProperties(node: KafkaNode, more: KafkaProperties = {}): string {
  const { data, port, controllerPort, users, self } = node;
  const known = Object.entries(users).map(([user, password]) => `user_${user}="${password}"`);
  const jaas = `${plainLogin(self, users[self] ?? '')} ${known.join(' ')};`;
  return propertiesText({
    'process.roles': 'broker,controller',
    'node.id': 1,
    listeners: `SASL_PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `SASL_PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'SASL_PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'log.dirs': join(data, 'logs'),
    'sasl.enabled.mechanisms': 'PLAIN',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': jaas,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // Nine seconds by default: on a busy machine a node's controller fenced its only broker. Kafka then has no broker to
    // list and none to create a topic on.
    'broker.session.timeout.ms': 600_000,
    ...more,
  });
}

/** For a client of such a node, or of Headgate: for Kafka's own tools. */
export function clientProperties(username: string, password: string): string {
  return propertiesText({
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'PLAIN',
    'sasl.jaas.config': `${plainLogin(username, password)};`,
  });
}

function plainLogin(username: string, password: string): string {
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule';
  return `${module} required username="${username}" password="${password}"`;
}

function propertiesText(properties: KafkaProperties): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
