/** Values of flags. Each throws CommandFailure 'usage' that says what the flag takes. */
import { CommandFailure } from '../command-failure.ts';

export function wholeNumber(flag: string, text: string, min = 0): number {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < min) throw usage(`${flag} ${text}: use a whole number, ${min} or more`);
  return value;
}

/** '0,2'. */
export function partitionNumbers(flag: string, text: string): number[] {
  return text.split(',').map((part) => wholeNumber(flag, part));
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** '500ms', '30s', '5m', '1h', '2d'. */
export function durationMs(flag: string, text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  if (!match) throw usage(`${flag} ${text}: use a time such as 500ms, 30s, 5m, 1h or 2d`);
  return Number(match[1]) * unitsMs[match[2]!]!;
}

export function onOff(flag: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw usage(`${flag} ${text}: use true or false`);
  return text === 'true';
}

export function oneOf(flag: string, text: string, values: readonly string[]): string {
  if (!values.includes(text)) throw usage(`${flag} ${text}: use one of ${values.join(', ')}`);
  return text;
}

/** 'name=value' of a repeatable flag. */
export function pairs(flag: string, texts: readonly string[]): [name: string, value: string][] {
  return texts.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw usage(`${flag} ${text}: use name=value`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

/** Limits as numbers; 'none' switches one off. */
export function limits(texts: readonly string[]): Record<string, number | null> {
  const entries = pairs('--limit', texts).map(([name, value]): [string, number | null] => [
    name,
    value === 'none' ? null : wholeNumber(`--limit ${name}`, value, 1),
  ]);
  return Object.fromEntries(entries);
}

/** Collects a repeatable flag. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function usage(message: string): CommandFailure {
  return new CommandFailure('usage', message);
}
