/** Source text under construction, and how it becomes a function. */
import type { Field, Fields } from './schema.ts';

/** Collects lines and gives out local names that never repeat. */
export class Source {
  readonly #lines: string[] = [];
  #names = 0;

  line(...lines: string[]): void {
    this.#lines.push(...lines);
  }

  name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  text(): string {
    return this.#lines.join('\n');
  }
}

/** Expression for the value of a field that the version lacks. Arrays and structs are new on every evaluation. */
export function defaultSource(field: Field): string {
  if (field.default === null) return 'null';
  switch (field.kind) {
    case 'string':
      return JSON.stringify(field.default);
    case 'uuid':
      return 'zeroUuid';
    case 'bytes':
    case 'records':
      return 'noBytes';
    case 'runs':
    case 'array':
      return '[]';
    case 'struct':
      return literalSource(field.fields!, defaultSource);
    default:
      return String(field.default);
  }
}

/** One object literal with all fields in schema order: the same hidden class in every version and every function. */
export function literalSource(fields: Fields, valueOf: (field: Field, name: string) => string): string {
  const entries = Object.entries(fields).map(([name, field]) => `${name}: ${valueOf(field, name)}`);
  return `{ ${entries.join(', ')} }`;
}

/** Expression that is true when `value` is not the field's default. */
export function differsSource(field: Field, value: string): string {
  if (field.default === null) return `${value} !== null`;
  const orNull = field.nullable === Infinity ? '' : `${value} === null || `;
  switch (field.kind) {
    case 'bytes':
    case 'records':
    case 'runs':
    case 'array':
      return `(${orNull}${value}.length !== 0)`;
    case 'struct': {
      const parts = Object.entries(field.fields!).map(([name, each]) => differsSource(each, `${value}.${name}`));
      return `(${orNull}${parts.join(' || ')})`;
    }
    default:
      return `${value} !== ${defaultSource(field)}`;
  }
}

/** Only the author of the source text knows the arguments of a function made from it. */
export type Compiled = (...args: never[]) => unknown;

/** `source` returns the function; `scope` holds the names it can use. */
export function evaluate(source: string, scope: Readonly<Record<string, unknown>>): Compiled {
  // The text is made from our own schemas only; nothing from a frame or a user gets into it.
  // oxlint-disable-next-line typescript/no-implied-eval
  const factory = new Function(...Object.keys(scope), `'use strict';\n${source}`) as (...scope: unknown[]) => Compiled;
  return factory(...Object.values(scope));
}
