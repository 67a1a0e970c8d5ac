/**
 * Generates the source of a decoder: one flat function per message and version, lengths checked before use, one object
 * literal per struct. In that source `b` is the frame, `p` the position, `e` the end, `n` the length or count read last,
 * `most` the array elements that the message may have, and `left` how many of those remain.
 */
import { elementsMax, stringBytesMax, taggedFieldsMax } from './limits.ts';
import { type Field, type Fields, isNullable, isPresent, type Message } from './schema.ts';
import { bytesMinOf, structBytesMin, widthOf } from './sizes.ts';
import { defaultSource, literalSource, Source } from './source.ts';

export function decoderSource(schema: Message, version: number): string {
  const generator = new DecoderSource(version, version >= schema.flexible);
  const value = generator.struct(schema.fields);
  return [
    `return function decode${schema.name}V${version}(b, p, most = ${elementsMax}) {`,
    'const e = b.length;',
    'let n = 0;',
    'let left = most;',
    generator.source.text(),
    'cursor.elements = most - left;',
    `return ${value};`,
    '}',
  ].join('\n');
}

class DecoderSource {
  readonly source = new Source();
  readonly #version: number;
  readonly #flexible: boolean;

  constructor(version: number, flexible: boolean) {
    this.#version = version;
    this.#flexible = flexible;
  }

  /** Reads a struct; returns the expression that builds it. */
  struct(fields: Fields): string {
    const values = new Map<string, string>();
    const present = Object.entries(fields).filter(([, field]) => isPresent(field, this.#version));
    const inline = present.filter(([, field]) => field.tag === undefined);
    for (let i = 0; i < inline.length; ) {
      const run = fixedRun(inline, i);
      if (run > 0) {
        this.#fixed(inline.slice(i, i + run), values);
        i += run;
      } else {
        const [name, field] = inline[i++]!;
        values.set(name, this.#variable(field, name));
      }
    }
    if (this.#flexible)
      this.#tagged(
        present.filter(([, field]) => field.tag !== undefined),
        values,
      );
    return literalSource(fields, (field, name) => values.get(name) ?? defaultSource(field));
  }

  /** Neighbouring fields of fixed width share one check against the end. */
  #fixed(run: [string, Field][], values: Map<string, string>): void {
    const total = run.reduce((sum, [, field]) => sum + widthOf(field.kind)!, 0);
    this.source.line(`if (p + ${total} > e) malformed('ends within ${run[0]![0]}');`);
    let offset = 0;
    for (const [name, field] of run) {
      const local = this.source.name('v');
      this.source.line(`const ${local} = ${fixedSource(field, offset)};`);
      values.set(name, local);
      offset += widthOf(field.kind)!;
    }
    this.source.line(`p += ${total};`);
  }

  /** Reads one field of any kind; returns the name of the local that holds it. */
  #value(field: Field, name: string): string {
    if (widthOf(field.kind) === undefined) return this.#variable(field, name);
    const values = new Map<string, string>();
    this.#fixed([[name, field]], values);
    return values.get(name)!;
  }

  #variable(field: Field, name: string): string {
    const local = this.source.name('v');
    this.source.line(`let ${local} = null;`);
    if (field.kind === 'struct') this.#nullableStruct(field, name, local);
    else {
      this.#length(field, name);
      this.source.line('if (n >= 0) {');
      if (field.kind === 'string') {
        this.source.line(
          `if (n > ${stringBytesMax} || n > e - p) malformed('${name} is too long');`,
          `${local} = text(b, p, n);`,
          'p += n;',
        );
      } else if (field.kind === 'array') this.#array(field, name, local);
      else {
        const view = field.kind === 'runs' ? 'n === 0 ? [] : [view(b, p, n)]' : 'view(b, p, n)';
        this.source.line(`if (n > e - p) malformed('${name} is too long');`, `${local} = ${view};`, 'p += n;');
      }
      this.source.line(isNullable(field, this.#version) ? '}' : `} else malformed('${name} is null');`);
    }
    return local;
  }

  /** Leaves the length or count in `n`; -1 means null. */
  #length(field: Field, name: string): void {
    if (this.#flexible) {
      this.#varint('n', name);
      this.source.line('n--;');
      return;
    }
    const width = field.kind === 'string' ? 2 : 4;
    this.source.line(
      `if (p + ${width} > e) malformed('ends within ${name}');`,
      `n = ${width === 2 ? int16Source(0) : int32Source(0)};`,
      `p += ${width};`,
      `if (n < -1) malformed('${name} has a negative length');`,
    );
  }

  #varint(target: string, name: string): void {
    this.source.line(
      `if (p >= e) malformed('ends within ${name}');`,
      `${target} = b[p];`,
      `if (${target} < 128) p++; else { ${target} = readVarint(b, p); p = cursor.position; }`,
    );
  }

  #array(field: Field, name: string, local: string): void {
    const bytesMin = field.fields
      ? structBytesMin(field.fields, this.#version, this.#flexible)
      : bytesMinOf(field.element!, this.#version, this.#flexible);
    const needed = bytesMin === 1 ? 'n' : `n * ${bytesMin}`;
    const index = this.source.name('i');
    const count = this.source.name('n');
    this.source.line(
      `if (n > left || ${needed} > e - p) malformed('${name} has too many elements');`,
      'left -= n;',
      `const ${count} = n;`,
      `${local} = new Array(${count});`,
      `for (let ${index} = 0; ${index} < ${count}; ${index}++) {`,
    );
    const element = field.fields ? this.struct(field.fields) : this.#value(field.element!, name);
    this.source.line(`${local}[${index}] = ${element};`, '}');
  }

  /** One byte before the struct says whether it is present. A struct that cannot be null has no such byte. */
  #nullableStruct(field: Field, name: string, local: string): void {
    const nullable = isNullable(field, this.#version);
    if (nullable) this.source.line(`if (p >= e) malformed('ends within ${name}');`, 'if (b[p++] < 128) {');
    this.source.line(`${local} = ${this.struct(field.fields!)};`);
    if (nullable) this.source.line('}');
  }

  #tagged(fields: [string, Field][], values: Map<string, string>): void {
    const { source } = this;
    const count = source.name('t');
    const tag = source.name('t');
    const end = source.name('p');
    for (const [name, field] of fields) {
      const local = source.name('v');
      values.set(name, local);
      source.line(`let ${local} = ${defaultSource(field)};`);
    }
    source.line(`let ${count} = 0;`);
    this.#varint(count, 'tagged fields');
    source.line(`if (${count} > ${taggedFieldsMax} || ${count} * 2 > e - p) malformed('too many tagged fields');`);
    source.line(`for (; ${count} > 0; ${count}--) {`, `let ${tag} = 0;`);
    this.#varint(tag, 'tagged fields');
    this.#varint('n', 'tagged fields');
    source.line(`if (n > e - p) malformed('tagged field is too long');`, `const ${end} = p + n;`, `switch (${tag}) {`);
    for (const [name, field] of fields) {
      source.line(`case ${field.tag}: {`);
      // Structs are expressions, so the value moves to the field's local before its block closes.
      source.line(`${values.get(name)} = ${this.#value(field, name)};`, 'break;', '}');
    }
    source.line(`default: p = ${end};`, '}');
    source.line(`if (p !== ${end}) malformed('the size of a tagged field is wrong');`, '}');
  }
}

/** How many fields from `start` on have a fixed width. */
function fixedRun(fields: [string, Field][], start: number): number {
  let end = start;
  while (end < fields.length && widthOf(fields[end]![1].kind) !== undefined) end++;
  return end - start;
}

const int64Readers = { refused: 'int64Of', saturates: 'saturatingInt64Of', kept: 'exactInt64Of' } as const;

function fixedSource(field: Field, offset: number): string {
  switch (field.kind) {
    case 'int8':
      return `(${at(offset)} << 24) >> 24`;
    case 'bool':
      return `${at(offset)} !== 0`;
    case 'int16':
      return int16Source(offset);
    case 'uint16':
      return `(${at(offset)} << 8) | ${at(offset + 1)}`;
    case 'int32':
      return int32Source(offset);
    case 'int64':
      return `${int64Readers[field.beyond]}(${int32Source(offset)}, ${int32Source(offset + 4)})`;
    case 'float64':
      return `b.readDoubleBE(p + ${offset})`;
    default:
      return `id(b, p + ${offset})`;
  }
}

function int16Source(offset: number): string {
  return `((${at(offset)} << 24) >> 16) | ${at(offset + 1)}`;
}

function int32Source(offset: number): string {
  return `(${at(offset)} << 24) | (${at(offset + 1)} << 16) | (${at(offset + 2)} << 8) | ${at(offset + 3)}`;
}

function at(offset: number): string {
  return offset === 0 ? 'b[p]' : `b[p + ${offset}]`;
}
