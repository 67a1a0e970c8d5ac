/** Shell completion, generated from the commands themselves: subcommands and flags, after each command. */
import type { Command } from 'commander';
import { optionText } from './option-help.ts';
import { CommandFailure } from './command-failure.ts';

interface Node {
  /** 'topic create'; '' for the program. */
  readonly path: string;
  readonly words: readonly string[];
}

export function completionCommand(program: Command, out: (text: string) => Promise<void>): void {
  program
    .command('completion')
    .description('Print the completion script of a shell')
    .configureHelp({ showGlobalOptions: false, optionDescription: optionText })
    .argument('<shell>', 'bash, zsh or fish')
    .action((shell: string) => out(completionScript(program, shell)));
}

/** Throws CommandFailure for an unknown shell. */
export function completionScript(program: Command, shell: string): string {
  const nodes = nodesOf(program, '', globalFlags(program));
  if (shell === 'bash') return bash(nodes);
  if (shell === 'zsh') return `#compdef headgate\nautoload -U +X bashcompinit && bashcompinit\n${bash(nodes)}`;
  if (shell === 'fish') return fish(nodes);
  throw new CommandFailure('usage', `no completion for '${shell}': use bash, zsh or fish`);
}

function nodesOf(command: Command, path: string, inherited: readonly string[]): Node[] {
  const names = command.commands.map((c) => c.name());
  const own = path === '' ? [] : flagsOf(command);
  const words = [...names, ...own, ...inherited, '--help'];
  return [{ path, words }, ...command.commands.flatMap((c) => nodesOf(c, `${path} ${c.name()}`.trim(), inherited))];
}

function globalFlags(program: Command): string[] {
  return flagsOf(program).filter((flag) => flag !== '--version');
}

function flagsOf(command: Command): string[] {
  return command.options.filter((option) => !option.hidden && option.long).map((option) => option.long!);
}

/** The command is the words before the current one, without flags, as far as they form a known path. */
function bash(nodes: readonly Node[]): string {
  const cases = nodes.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  return `_headgate() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' i word words=''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in -*) continue ;; esac
    case " ${nodes
      .map(({ path }) => path.replaceAll(' ', '/'))
      .filter(Boolean)
      .join(' ')} " in
      *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;;
    esac
  done
  case "\${path//\\// }" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _headgate headgate
`;
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, words }) => {
    const parts = path.split(' ').filter(Boolean);
    const isGroup = nodes.some((node) => node.path.startsWith(path === '' ? '' : `${path} `) && node.path !== path);
    const deeper =
      isGroup && path !== ''
        ? nodes.filter((n) => n.path.startsWith(`${path} `)).map((n) => n.path.split(' ').at(-1)!)
        : [];
    const conditions = [
      ...(parts.length === 0 ? ['__fish_use_subcommand'] : parts.map((part) => `__fish_seen_subcommand_from ${part}`)),
      ...(deeper.length > 0 ? [`not __fish_seen_subcommand_from ${deeper.join(' ')}`] : []),
    ];
    return words.map((word) => {
      const completed = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c headgate -n '${conditions.join('; and ')}' ${completed}`;
    });
  });
  return `${lines.join('\n')}\n`;
}
