/** `headgate serve` whose broker processes have disks with faults. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { serveCommand } from '../../bin/serve/serve.ts';

const program = new Command('headgate');
serveCommand(program, [fileURLToPath(new URL('./broker-main.js', import.meta.url))]);
await program.parseAsync();
