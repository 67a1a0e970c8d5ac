import { expect, it } from 'vitest';
import { isTerminalGone } from './stop-signal.ts';

it.each([
  ['a daemon, or a program under nohup', [], [], false],
  ['a program in a terminal that somebody sends SIGHUP', [0, 1, 2], [0, 1, 2], false],
  ['a program whose output alone goes to a file, in a terminal', [0], [0], false],
  ['a program whose terminal was closed', [0, 1, 2], [], true],
  ['a program whose output alone went to a file, when its terminal was closed', [0], [], true],
])('%s: %j were terminals, %j are, gone is %j', (_, were, are, isGone) => {
  expect(isTerminalGone(were, (stream) => (are as number[]).includes(stream))).toBe(isGone);
});
