/**
 * Settings as one schema: flag, environment variable, default, bounds and meaning in one place. The command line, the
 * environment, `--help` and docs/configuration.md are all made from it.
 */
import { InvalidRequest } from './failure.ts';

interface SettingBase<T> {
  /** Without dashes, e.g. 'kafka-port'; the variable is HEADGATE_KAFKA_PORT. */
  readonly flag: string;
  readonly about: string;
  readonly default: T;
}

export interface TextSetting extends SettingBase<string> {
  readonly kind: 'text';
  /** When given, the only allowed values. */
  readonly values?: readonly string[];
  /** One word for what a value is, for `--help`, e.g. 'folder'. */
  readonly takes?: string;
}

export interface IntegerSetting extends SettingBase<number> {
  readonly kind: 'integer';
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

export type Setting = TextSetting | IntegerSetting;
export type SettingSchema = Readonly<Record<string, Setting>>;

export type SettingValues<S extends SettingSchema> = {
  readonly [K in keyof S]: S[K] extends IntegerSetting ? number : string;
};

export function environmentName(flag: string): string {
  return `HEADGATE_${flag.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * The command line wins over the environment, and the environment over the default. `given` has the schema's keys. Throws
 * InvalidRequest that names the flag or variable and the values it takes.
 */
export function readSettings<S extends SettingSchema>(
  schema: S,
  given: Readonly<Record<string, string | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
): SettingValues<S> {
  const values: Record<string, string | number> = {};
  for (const [name, setting] of Object.entries(schema)) {
    const variable = environmentName(setting.flag);
    const flagText = given[name];
    const text = flagText ?? environment[variable];
    const source = flagText === undefined ? variable : `--${setting.flag}`;
    values[name] = text === undefined || text === '' ? setting.default : parse(setting, text, source);
  }
  return values as SettingValues<S>;
}

function parse(setting: Setting, text: string, source: string): string | number {
  if (setting.kind === 'text') {
    if (setting.values && !setting.values.includes(text)) {
      throw new InvalidRequest(source, `${source}=${text}: use one of ${setting.values.join(', ')}`);
    }
    return text;
  }
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || value < setting.min || value > setting.max) {
    throw new InvalidRequest(
      source,
      `${source}=${text}: use a whole number of ${setting.unit} from ${setting.min} to ${setting.max}`,
    );
  }
  return value;
}
