/** The examples that `--help` and docs/cli.md show below each command: lines that can be pasted. */
import type { Command } from 'commander';

const examples: Readonly<Record<string, readonly string[]>> = {
  serve: [
    'headgate serve',
    'headgate serve --host 0.0.0.0 --data /var/lib/headgate --tls-certificate tls.pem --tls-key tls.key',
    'headgate serve --brokers 3 --brokers-max 9',
    'HEADGATE_SEGMENTS=s3://my-bucket/headgate headgate serve',
  ],
  backup: ['headgate backup /backups/monday --data /var/lib/headgate'],
  simulate: ['headgate simulate --seed 7 --scenario kills', 'headgate simulate --seeds 100 --workers 2'],
  completion: ['source <(headgate completion bash)', 'headgate completion fish | source'],
  status: ['headgate status'],
  'engine status': ['headgate engine status'],
  'engine events': ['headgate engine events --follow'],
  events: ['headgate events --follow', 'headgate events --since 1764288000000 --json'],
  'broker list': ['headgate broker list'],
  'broker drain': ['headgate broker drain 2'],
  'broker undrain': ['headgate broker undrain 2'],
  'broker restart': ['headgate broker restart 2', 'headgate broker restart --all'],
  'broker replace': ['headgate broker replace 2'],
  'broker scale': ['headgate broker scale', 'headgate broker scale 6', 'headgate broker scale auto'],
  'broker scrub': ['headgate broker scrub', 'headgate broker scrub 2 --act start'],
  'broker damage': ['headgate broker damage --json'],
  'zone evacuate': ['headgate zone evacuate b'],
  'zone restore': ['headgate zone restore b'],
  'tenant list': ['headgate tenant list'],
  'tenant create': ['headgate tenant create acme'],
  'tenant delete': ['headgate tenant delete acme'],
  'cluster list': ['headgate cluster list --tenant acme'],
  'cluster create': [
    'headgate cluster create shop --tenant acme',
    'headgate cluster create shop --tenant acme --default-partitions 6 --limit requestsPerSecondMax=2000',
  ],
  'cluster get': ['headgate cluster get shop'],
  'cluster update': [
    'headgate cluster update shop --state suspended',
    'headgate cluster update shop --limit connectionsMax=none',
  ],
  'cluster delete': ['headgate cluster delete shop'],
  'key list': ['headgate key list --cluster shop'],
  'key create': ['headgate key create checkout --cluster shop'],
  'key rotate': ['headgate key rotate <keyId> --grace 1h --cluster shop'],
  'key revoke': ['headgate key revoke <keyId> --cluster shop'],
  'topic list': ['headgate topic list --cluster shop'],
  'topic create': ['headgate topic create orders --partitions 6 --config retention.ms=86400000'],
  'topic get': ['headgate topic get orders'],
  'topic alter': [
    'headgate topic alter orders --partitions 12',
    'headgate topic alter orders --reset-config retention.ms',
  ],
  'topic delete': ['headgate topic delete orders'],
  'topic partitions': ['headgate topic partitions orders'],
  'group list': ['headgate group list --cluster shop'],
  'group get': ['headgate group get billing'],
  'group delete': ['headgate group delete billing'],
  produce: [
    'headgate produce orders --key k1 --value hello',
    'seq 1000 | headgate produce orders',
    'headgate produce orders --ndjson < records.ndjson',
  ],
  consume: [
    'headgate consume orders',
    'headgate consume orders --from -10 --meta',
    'headgate consume orders --follow --json',
  ],
  tail: ['headgate tail orders', 'headgate tail orders --from earliest --partition 0,2'],
};

/** `path` without the program, e.g. 'topic create'. */
export function examplesOf(path: string): readonly string[] {
  return examples[path] ?? [];
}

/** Every command below `parent` shows its examples after its help. */
export function showExamples(parent: Command, path = ''): void {
  for (const command of parent.commands) {
    const own = `${path} ${command.name()}`.trim();
    const lines = examplesOf(own);
    if (lines.length > 0) command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`);
    showExamples(command, own);
  }
}
