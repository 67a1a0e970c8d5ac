import { expect, it } from 'vitest';
import { Overloaded } from '../kernel/failure.ts';
import { manualClock } from '../kernel/manual-clock.ts';
import { DecompressionGate } from './decompression-gate.ts';
import { SharedSections } from './shared-sections.ts';

const bytesMax = 100;

function world() {
  const clock = manualClock();
  const sections = new SharedSections(new DecompressionGate(bytesMax, 2), clock);
  const told: string[] = [];
  /** Decoded are the same bytes, after a millisecond; what is given back is overwritten. */
  const ask = (text: string, comesBack = true, use = (section: Buffer): string => section.toString()) => {
    const bytes = Buffer.from(text);
    const decode = async (): Promise<Buffer> => {
      told.push(`decodes ${text}`);
      await new Promise<void>((resolve) => clock.after(1, resolve));
      if (text === 'bad') throw new Error('corrupt');
      return Buffer.from(text);
    };
    const done = (section: Buffer): void => {
      told.push(`gives back ${text}`);
      section.fill(0);
    };
    const answer = sections.lend(
      { codecId: 1, bytes, bytesMax, reader: { owner: '', comesBack } },
      60,
      use,
      decode,
      done,
    );
    // The sender uses its memory again.
    void answer.then(
      () => bytes.fill(0),
      () => undefined,
    );
    return answer;
  };
  return { clock, ask, told };
}

it('decodes once for all readers that ask meanwhile, and frees the memory after the last', async () => {
  const { clock, ask, told } = world();
  const answers = [ask('a'), ask('a'), ask('a')];
  await clock.advance(10);
  expect(await Promise.all(answers)).toEqual(['a', 'a', 'a']);
  for (let times = 0; times < 5; times++) {
    await clock.advance(900);
    const again = ask('a');
    await clock.advance(1);
    expect(await again).toBe('a');
  }
  expect(told).toEqual(['decodes a']);
  await clock.advance(1_001);
  expect(told).toEqual(['decodes a', 'gives back a']);
  const later = ask('a');
  await clock.advance(10);
  expect([await later, told.length]).toEqual(['a', 3]);
});

it('frees a section when somebody waits for its room, and serves readers that asked before', async () => {
  const { clock, ask, told } = world();
  const first = ask('a');
  await clock.advance(10);
  await first;
  const [second, third] = [ask('b'), ask('a')];
  await clock.advance(10);
  expect([await second, await third]).toEqual(['b', 'a']);
  expect(told).toEqual(['decodes a', 'gives back a', 'decodes b', 'gives back b', 'decodes a']);
  const crowded = [ask('c'), ask('d'), ask('c')];
  await clock.advance(20);
  expect(await Promise.all(crowded)).toEqual(['c', 'd', 'c']);
  expect(told.slice(5)).toEqual(['gives back a', 'decodes c', 'gives back c', 'decodes d']);
});

it('reports a failure to all readers, keeps none, and hides one reader’s failure from the others', async () => {
  const { clock, ask, told } = world();
  const bad = [ask('bad'), ask('bad')].map((each) => expect(each).rejects.toThrow('corrupt'));
  await clock.advance(10);
  await Promise.all(bad);
  const again = expect(ask('bad')).rejects.toThrow('corrupt');
  await clock.advance(10);
  await again;
  expect(told).toEqual(['decodes bad', 'decodes bad']);
  const fails = ask('a', true, () => {
    throw new Error('unreadable');
  });
  const refused = expect(fails).rejects.toThrow('unreadable');
  const good = ask('a');
  await clock.advance(10);
  await refused;
  expect(await good).toBe('a');
});

it('frees a section at once if none of its readers returns', async () => {
  const { clock, ask, told } = world();
  const answers = [ask('a', false), ask('a', false)];
  await clock.advance(10);
  expect(await Promise.all(answers)).toEqual(['a', 'a']);
  expect(told).toEqual(['decodes a', 'gives back a']);
  const mixed = [ask('b', false), ask('b', true)];
  await clock.advance(10);
  expect(await Promise.all(mixed)).toEqual(['b', 'b']);
  expect(told.slice(2)).toEqual(['decodes b']);
});

it('refuses what the gate refuses', async () => {
  const { clock, ask } = world();
  const waiting = ['a', 'b', 'c'].map((text) => ask(text));
  await expect(ask('d')).rejects.toThrow(Overloaded);
  await clock.advance(20);
  expect(await Promise.all(waiting)).toEqual(['a', 'b', 'c']);
});
