import { describe, expect, it } from 'vitest';
import { type Door, Ledger, type Letter } from './ledger.ts';

function letter(number: number, key = 'JFK', door: Door = 'http', tenant = 'north'): Letter {
  return { tenant, door, number, key };
}

function read(ledger: Ledger, ...letters: Letter[]): void {
  for (const each of letters) ledger.readers.get('kafka')!.receive(each.key, JSON.stringify(each));
}

describe('ledger', () => {
  it('finds nothing wrong with what arrived once and in order', () => {
    const ledger = new Ledger('north');
    const letters = [letter(0), letter(1, 'SFO'), letter(2)];
    ledger.acknowledge(letters);
    read(ledger, letters[1]!, letters[0]!, letters[2]!);
    expect(ledger.report('kafka')).toMatchObject({ received: 3, lost: 0, duplicates: 0, disordered: 0, leaked: 0 });
    expect(ledger.isComplete('kafka')).toBe(true);
  });

  it('reports a loss, a duplicate, a change of order and a leak', () => {
    const ledger = new Ledger('north');
    ledger.acknowledge([letter(0), letter(1), letter(2), letter(3)]);
    read(ledger, letter(0), letter(2), letter(1), letter(1), letter(0, 'JFK', 'http', 'south'));
    expect(ledger.report('kafka')).toMatchObject({ received: 5, lost: 1, duplicates: 1, disordered: 1, leaked: 1 });
    expect(ledger.isComplete('kafka')).toBe(false);
  });

  it('does not count as lost what was never acknowledged', () => {
    const ledger = new Ledger('north');
    ledger.acknowledge([letter(1)]);
    read(ledger, letter(1));
    expect(ledger.report('kafka').lost).toBe(0);
  });
});
