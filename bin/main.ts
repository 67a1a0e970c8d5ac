/** The `headgate` program. */
import { fileURLToPath } from 'node:url';
import { freshBundles } from './bundles/bundles.ts';
import { processContext } from './cli-context.ts';
import { loadBundle } from './bundles/load-bundle.ts';
import { exitCodes } from './command-failure.ts';
import { openFilesMax, tooFewFiles } from './serve/open-files.ts';
import type { runServe } from './serve/run-serve.ts';

const words = process.argv.slice(2);
const isServer = words[0] === 'serve' && !words.includes('--help') && !words.includes('-h');
// A reader that closes early (`headgate consume … | head`) is not a failure. A server outlives it (end-at-once.ts).
if (!isServer) {
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
  // Loading the program opens many files at once.
  const { run } = await import('./run.ts').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EMFILE') throw error;
    cli.err(`headgate: ${tooFewFiles(openFilesMax())}\n`);
    return process.exit(exitCodes.usage.code);
  });
  return run(cli, words);
}
