/** The `headgate` program. */
import { fileURLToPath } from 'node:url';
import { freshBundles } from './bundles/bundles.ts';
import { processContext } from './cli-context.ts';
import { loadBundle } from './bundles/load-bundle.ts';
import type { runServe } from './serve/run-serve.ts';

const words = process.argv.slice(2);
// A reader that closes early (`headgate consume … | head`) is not a failure. A server outlives it (end-at-once.ts).
if (words[0] !== 'serve') {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`headgate: cannot write the output: ${error.message}\n`);
    process.exit(1);
  });
}
const cli = processContext();
const code = await runWords();
cli.close();
// By exit code and not by exit(): the output must reach a pipe first.
if (code !== undefined) process.exitCode = code;
// No cleaner exit than this: addons would close their resources, including the metadata store's file (`openUntilEnd` in
// tenancy/store/lmdb.ts).
process.on('exit', (ended) => process.exit(ended));

async function runWords(): Promise<number | undefined> {
  if (words[0] === 'serve') {
    const bundles = freshBundles(fileURLToPath(new URL('..', import.meta.url)));
    if (bundles) {
      const program = loadBundle(bundles.serve) as { readonly runServe: typeof runServe };
      return program.runServe(cli, words, [bundles.startBroker, bundles.broker]);
    }
  }
  const { run } = await import('./run.ts');
  return run(cli, words);
}
