/** Builds whole messages from the fields that matter; all other fields get their defaults. */
import type { Field, Fields, Infer, Message } from './schema.ts';
import { zeroUuid } from '../kernel/uuid.ts';
import { defaultSource, evaluate, literalSource, Source } from './source.ts';

/** Any part of a message, at any depth. */
export type Part<T> = T extends string | number | boolean | null | Uint8Array | readonly Uint8Array[]
  ? T
  : T extends readonly (infer E)[]
    ? readonly Part<E>[]
    : { readonly [K in keyof T]?: Part<T[K]> | undefined };

type Maker = (part: unknown) => unknown;

const makers = new Map<Message, Maker>();
const noBytes = Buffer.alloc(0);

/**
 * Builds a separate message: arrays and structs are built anew, not taken from `part`, and have the shape that decoders
 * give, so that code that sees both stays fast. Absent and undefined fields get their defaults.
 */
export function make<M extends Message>(schema: M, part: Part<Infer<M>>): Infer<M> {
  let maker = makers.get(schema);
  if (maker === undefined) {
    maker = compileMaker(schema);
    makers.set(schema, maker);
  }
  return maker(part) as Infer<M>;
}

function compileMaker(schema: Message): Maker {
  const source = new Source();
  const value = struct(source, schema.fields, 'm');
  const body = [`return function make${schema.name}(m) {`, source.text(), `return ${value};`, '}'].join('\n');
  return evaluate(body, { zeroUuid, noBytes }) as Maker;
}

function struct(source: Source, fields: Fields, object: string): string {
  return literalSource(fields, (field, name) => {
    const value = source.name('v');
    source.line(`let ${value} = ${object}.${name};`, `if (${value} === undefined) ${value} = ${defaultSource(field)};`);
    if (field.kind === 'array') array(source, field, value);
    else if (field.fields) {
      source.line(`else if (${value} !== null) {`);
      source.line(`${value} = ${nested(source, field, value)};`, '}');
    }
    return value;
  });
}

function array(source: Source, field: Field, value: string): void {
  const index = source.name('i');
  const made = source.name('v');
  source.line(`else if (${value} !== null) {`);
  if (field.fields) {
    source.line(
      `const ${made} = new Array(${value}.length);`,
      `for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`,
    );
    source.line(`${made}[${index}] = ${nested(source, field, `${value}[${index}]`)};`, '}', `${value} = ${made};`);
  } else source.line(`${value} = ${value}.slice();`);
  source.line('}');
}

function nested(source: Source, field: Field, expression: string): string {
  const object = source.name('v');
  source.line(`const ${object} = ${expression};`);
  return struct(source, field.fields!, object);
}
