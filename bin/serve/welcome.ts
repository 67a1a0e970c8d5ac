/** What `npm start` prints once it serves: addresses, the key, and lines to paste for each door. */
import { type Addresses, hostAndPort } from './addresses.ts';
import type { DemoAccess } from './demo-env.ts';

export function welcome(access: DemoAccess, addresses: Addresses, demoEnv: string, isFirst: boolean): string {
  const { kafkaHost, httpHost, kafkaPort, httpPort, adminPort, tls } = addresses;
  const s = tls ? 's' : '';
  const http = `http${s}://${hostAndPort(httpHost, httpPort)}`;
  const admin = `http${s}://${hostAndPort(httpHost, adminPort)}`;
  const ws = `ws${s}://${hostAndPort(httpHost, httpPort)}/v1/ws`;
  const protocol = tls ? 'SASL_SSL' : 'SASL_PLAINTEXT';
  return `
Headgate serves.

  Kafka          ${hostAndPort(kafkaHost, kafkaPort)}   (${protocol}, mechanism PLAIN)
  HTTP           ${http}
  WebSocket      ${ws}
  control plane  ${admin}   (API reference at ${admin}/docs)
  engine, live   ${admin}/engine   (opens with HEADGATE_ADMIN_KEY of the file below)

  demo tenant's API key   ${access.apiKey}
  ${isFirst ? 'Created just now, and not shown again;' : 'The same as before;'} everything above is saved in ${demoEnv}

Paste this into another shell:

  set -a; . ${shellWord(demoEnv)}; set +a

  # produce and consume over HTTP
  curl -H "Authorization: Bearer $HEADGATE_API_KEY" -d 'hello' $HEADGATE_HTTP/v1/topics/orders
  curl -H "Authorization: Bearer $HEADGATE_API_KEY" "$HEADGATE_HTTP/v1/topics/orders/records?from=earliest"

  # follow over WebSocket (Ctrl-C ends it)
  node bin/headgate.mjs tail orders --from earliest

  # the same topic for any Kafka client
  kcat -b $HEADGATE_KAFKA -X security.protocol=${protocol} -X sasl.mechanism=PLAIN \\
       -X sasl.username=$HEADGATE_SASL_USERNAME -X sasl.password=$HEADGATE_SASL_PASSWORD -C -t orders -o beginning -e

Ctrl-C stops it; the next start serves the same data.
`;
}

/** As one word of a shell, whatever is in the path. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
