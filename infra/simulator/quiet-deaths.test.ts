import { describe, expect, it } from 'vitest';
import { History } from './history.ts';
import { noteDeaths } from './quiet-deaths.ts';

function died(...whats: string[]): string[] {
  const history = new History(() => 0);
  for (const what of ['broker-dead: process ended {"brokerId":9}', ...whats]) history.add({ kind: 'engine', what });
  noteDeaths(history, 1);
  return history.entries.flatMap((entry) => (entry.kind === 'died' ? [entry.what] : []));
}

describe('a quiet world', () => {
  it('finds the deaths in it, whoever reports them', () => {
    expect(died('broker-hung: lease not renewed {"brokerId":1}', 'controller 1: broker-dead: x {}')).toHaveLength(2);
  });

  it('ignores requested ends, and deaths before it', () => {
    const asked = 'broker-dead: replaced by an operator {"brokerId":2}';
    expect(died('broker-stopped: restart {"brokerId":1}', asked, 'broker 3 ends: stopped')).toEqual([]);
  });
});
