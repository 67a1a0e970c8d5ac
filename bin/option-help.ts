/** What `--help` and docs/cli.md say of an option, in one form: meaning, default, whether it must be given. */
import { Option } from 'commander';
import type { Setting } from '../engine/kernel/config.ts';

/** Pure. `note` stands beside the default, e.g. the environment variable. */
export function settingOption(setting: Setting, note = ''): Option {
  const about = setting.about.replace(/\.$/, '');
  // Not as commander's own default: that of a flag that was not given would win over the environment.
  const beside = [note, defaultText(setting)].filter(Boolean).join('; ');
  return new Option(`--${setting.flag} <${takes(setting)}>`, beside ? `${about} (${beside})` : about);
}

function defaultText(setting: Setting): string {
  if (setting.default === '') return '';
  // Any other unit is what the flag is said to take.
  const unit = setting.kind === 'integer' && setting.unit.includes(' ') ? ` ${setting.unit}` : '';
  return `default: ${setting.default}${unit}`;
}

/** A word: beside longer ones commander has no room left to wrap what they mean. */
function takes(setting: Setting): string {
  if (setting.kind === 'text') return setting.takes ?? 'text';
  return setting.unit.includes(' ') ? 'rate' : setting.unit;
}

/** What commander would say with quotes around texts, and nothing of what is required. */
export function optionText({ description, mandatory, ...option }: Option): string {
  const fallback: unknown = option.defaultValue;
  // That of --no-… says nothing.
  const hasDefault = typeof fallback === 'string' || typeof fallback === 'number';
  const told = hasDefault ? `default: ${fallback}` : mandatory ? 'required' : '';
  return told ? `${description} (${told})` : description;
}
