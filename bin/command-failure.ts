/** How commands end when they fail. The exit codes are a promise to scripts; docs/cli.md lists them. */
export const exitCodes = {
  ok: { code: 0, about: 'It is done.' },
  failed: { code: 1, about: 'The request was refused or failed; the message says why.' },
  usage: { code: 2, about: 'The command line or a setting is wrong.' },
  unreachable: { code: 3, about: 'Nothing answers at the address, or a server of another kind.' },
  denied: { code: 4, about: 'The key is missing, wrong or not allowed to do this.' },
  notFound: { code: 5, about: 'What was named does not exist.' },
  retry: {
    code: 6,
    about:
      'A quota is used up, the server is overloaded, or a partition is moving: the same command may succeed later.',
  },
  interrupted: { code: 130, about: 'Ctrl-C.' },
} as const;

export type ExitName = keyof typeof exitCodes;

export class CommandFailure extends Error {
  readonly exit: ExitName;
  constructor(exit: ExitName, message: string) {
    super(message);
    this.exit = exit;
  }
}

/** How the program ends on Ctrl-C: without a message. */
export class Interrupted extends CommandFailure {
  constructor() {
    super('interrupted', '');
  }
}
