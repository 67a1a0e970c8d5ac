/** docs/cli.md: every command with its arguments and flags, as commander knows them. */
import type { Command, Option } from 'commander';
import { exitCodes } from '../command-failure.ts';
import { examplesOf } from '../examples.ts';
import { optionText } from '../option-help.ts';
import { generatedNote, markdownTable } from './markdown.ts';

/** Pure. */
export function cliPage(program: Command): string {
  const sections = leaves(program, program.name()).map(([path, command]) => section(path, command));
  const codes = Object.values(exitCodes).map(({ code, about }) => [String(code), about]);
  return `${generatedNote}
# Command line

In a clone, \`node bin/headgate.mjs\` is \`headgate\`. \`headgate --version\` prints the version. Every command has \`--help\`; \`source <(headgate completion bash)\`
completes commands and flags (\`zsh\` and \`fish\` too).

## Flags of all client commands

They may stand before or after the command. Where addresses and keys come from: [configuration](configuration.md).

${flagTable(program.options)}
With \`--json\` standard output holds JSON and nothing else: lists as one array, things as one object, and what has no end
(\`consume\`, \`tail\`, \`events --follow\`, the results of \`produce\`) as one object a line. Messages go to standard error.

## Exit codes

${markdownTable(['code', 'meaning'], codes)}
${sections.join('\n')}`;
}

function leaves(command: Command, path: string): [path: string, command: Command][] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((sub) => leaves(sub, `${path} ${sub.name()}`));
}

function section(path: string, command: Command): string {
  const args = command.registeredArguments.map((arg) => (arg.required ? `<${arg.name()}>` : `[${arg.name()}]`));
  const options = command.options.filter((option) => !option.hidden);
  const told = command.registeredArguments.filter((arg) => arg.description !== '');
  const meanings = told.map((arg) => [
    `\`${arg.required ? `<${arg.name()}>` : `[${arg.name()}]`}\``,
    `${arg.description}.`,
  ]);
  const table = meanings.length + options.length === 0 ? '' : `\n${flagTable(options, meanings)}`;
  const lines = examplesOf(path.split(' ').slice(1).join(' '));
  const pasted = lines.length === 0 ? '' : `\n\`\`\`sh\n${lines.join('\n')}\n\`\`\`\n`;
  return `## \`${[path, ...args].join(' ')}\`\n\n${command.description()}.\n${table}${pasted}`;
}

function flagTable(options: readonly Option[], before: readonly string[][] = []): string {
  const rows = options.map((option) => [`\`${option.flags}\``, `${optionText(option)}.`]);
  return markdownTable([before.length > 0 ? 'argument or flag' : 'flag', 'meaning'], [...before, ...rows]);
}
