/** The `headgate` program. */
import { processContext } from './cli-context.ts';
import { run } from './run.ts';

// A reader that has seen enough (`headgate consume … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const cli = processContext();
const code = await run(cli, process.argv.slice(2));
cli.close();
// By exit code and not by exit(): what was written must reach a pipe first.
if (code !== undefined) process.exitCode = code;
