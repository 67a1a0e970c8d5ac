/** What `--help` and docs/cli.md say about an option, in one form: meaning, default, whether it is required. */
import { Option } from 'commander';
import type { Setting } from '../engine/kernel/config.ts';

/** Pure. `note` stands beside the default, e.g. the environment variable. */
export function settingOption(setting: Setting, note = ''): Option {
  const about = setting.about.replace(/\.$/, '');
  // Not as commander's own default, which would override the environment when the flag was not given.
  const beside = [note, defaultText(setting)].filter(Boolean).join('; ');
  return new Option(`--${setting.flag} <${takes(setting)}>`, beside ? `${about} (${beside})` : about);
}

function defaultText(setting: Setting): string {
  if (setting.default === '') return '';
  // Any other unit is the flag's own placeholder.
  const unit = setting.kind === 'integer' && setting.unit.includes(' ') ? ` ${setting.unit}` : '';
  return `default: ${setting.default}${unit}`;
}

/** One word: beside longer placeholders commander has no room left to wrap the description. */
function takes(setting: Setting): string {
  if (setting.kind === 'text') return setting.takes ?? 'text';
  return setting.unit.includes(' ') ? 'rate' : setting.unit;
}

/** commander itself would put quotes around texts and not say what is required. */
export function optionText({ description, mandatory, ...option }: Option): string {
  const fallback: unknown = option.defaultValue;
  // The default of --no-… says nothing.
  const hasDefault = typeof fallback === 'string' || typeof fallback === 'number';
  const told = hasDefault ? `default: ${fallback}` : mandatory ? 'required' : '';
  return told ? `${description} (${told})` : description;
}
