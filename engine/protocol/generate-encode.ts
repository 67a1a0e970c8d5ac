/**
 * Generates the source of an encoder: one flat function per message and version. In that source `w` is the writer, `m` the
 * message, `b` the slab and `p` the position; both are stored back before the writer may change them. Values are checked
 * against their width, because a wrapped number would be a silent lie on the wire. Error codes are noted as they are written,
 * which costs a comparison with 0: the door counts them without walking each response once more.
 */
import { elementsMax } from './limits.ts';
import { type Field, type Fields, isNullable, isPresent, type Message } from './schema.ts';
import { widthOf } from './sizes.ts';
import { differsSource, Source } from './source.ts';
import { copiedBytesMax } from './writer.ts';

/** The longest unsigned varint of 32 bits. */
const varintBytesMax = 5;

export function encoderSource(schema: Message, version: number): string {
  const generator = new EncoderSource(schema, version);
  generator.struct(schema.fields, 'm', '');
  return [
    `return function encode${schema.name}V${version}(w, m) {`,
    'let b = w.bytes, p = w.position;',
    generator.source.text(),
    'w.position = p;',
    '}',
  ].join('\n');
}

class EncoderSource {
  readonly source = new Source();
  readonly #schema: Message;
  readonly #version: number;
  readonly #flexible: boolean;

  constructor(schema: Message, version: number) {
    this.#schema = schema;
    this.#version = version;
    this.#flexible = version >= schema.flexible;
  }

  struct(fields: Fields, object: string, path: string): void {
    const entries = Object.entries(fields);
    for (const [name, field] of entries) {
      if (isPresent(field, this.#version) || field.ignorable) continue;
      const why = `${this.#schema.name} v${this.#version} has no ${path}${name}`;
      this.source.line(`if (${differsSource(field, `${object}.${name}`)}) unsupported('${why}');`);
    }
    const present = entries.filter(([, field]) => isPresent(field, this.#version));
    let reserved = 0;
    for (const [i, [name, field]] of present.entries()) {
      if (field.tag !== undefined) continue;
      const width = widthOf(field.kind);
      if (width !== undefined && reserved === 0) reserved = this.#reserveRun(present.slice(i).map(([, each]) => each));
      reserved = width === undefined ? 0 : reserved - width;
      this.#value(field, `${object}.${name}`, path + name, width !== undefined);
    }
    if (this.#flexible)
      this.#tagged(
        present.filter(([, field]) => field.tag !== undefined),
        object,
        path,
      );
  }

  /** Reserves room for all fixed fields up to the next variable one. */
  #reserveRun(fields: Field[]): number {
    let total = 0;
    for (const field of fields) {
      if (field.tag !== undefined) continue;
      const width = widthOf(field.kind);
      if (width === undefined) break;
      total += width;
    }
    this.#reserve(String(total));
    return total;
  }

  #reserve(length: string): void {
    this.source.line(`if (p + ${length} > b.length) { w.position = p; b = w.reserve(${length}); p = w.position; }`);
  }

  #value(field: Field, expression: string, path: string, isReserved: boolean): void {
    const value = this.source.name('v');
    this.source.line(`const ${value} = ${expression};`);
    const width = widthOf(field.kind);
    if (width !== undefined) {
      if (!isReserved) this.#reserve(String(width));
      this.source.line(...fixedSource(field, value, path));
      return;
    }
    const nullable = isNullable(field, this.#version);
    if (field.kind === 'struct') {
      if (nullable) {
        this.#reserve('1');
        this.source.line(`if (${value} === null) b[p++] = 255; else {`, 'b[p++] = 1;');
      }
      this.struct(field.fields!, value, `${path}.`);
      if (nullable) this.source.line('}');
      return;
    }
    this.source.line(`if (${value} === null) {`);
    if (nullable) {
      this.#reserve('4');
      this.source.line(this.#flexible ? 'b[p++] = 0;' : `b.fill(255, p, p += ${field.kind === 'string' ? 2 : 4});`);
    } else {
      this.source.line(`unsupported('${this.#schema.name} v${this.#version} needs ${path}: null is not allowed');`);
    }
    this.source.line('} else {');
    if (field.kind === 'string') {
      this.#reserve(`${value}.length * 3 + ${varintBytesMax}`);
      this.source.line(`p = writeText(b, p, ${value}, ${this.#flexible}, '${path}');`);
    } else if (field.kind === 'array') this.#array(field, value, path);
    else if (field.kind === 'runs') this.#runs(value);
    else this.#bytes(field, value);
    this.source.line('}');
  }

  #length(expression: string): void {
    this.#reserve(String(varintBytesMax));
    if (this.#flexible) {
      this.source.line(
        `if (${expression} < 127) b[p++] = ${expression} + 1; else p = writeVarint(b, p, ${expression} + 1);`,
      );
    } else this.source.line(...int32Lines(expression));
  }

  #array(field: Field, value: string, path: string): void {
    const index = this.source.name('i');
    const element = this.source.name('v');
    this.source.line(`if (${value}.length > ${elementsMax}) misfit('${path}', ${value}.length + ' elements');`);
    this.#length(`${value}.length`);
    this.source.line(`for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`);
    this.source.line(`const ${element} = ${value}[${index}];`);
    if (field.fields) this.struct(field.fields, element, `${path}[].`);
    else this.#value(field.element!, element, path, false);
    this.source.line('}');
  }

  /** Writes one length for all pieces. Each piece becomes a part of its own, or a copy when it is small. */
  #runs(value: string): void {
    const length = this.source.name('n');
    const index = this.source.name('i');
    const run = this.source.name('v');
    const loop = `for (let ${index} = 0; ${index} < ${value}.length; ${index}++)`;
    this.source.line(`let ${length} = 0;`, `${loop} ${length} += ${value}[${index}].length;`);
    this.#length(length);
    this.source.line(`${loop} {`, `const ${run} = ${value}[${index}];`, ...spliceLines(run), '}');
  }

  #bytes(field: Field, value: string): void {
    this.#length(`${value}.length`);
    if (field.kind === 'bytes') this.source.line(copySource(value));
    else this.source.line(...spliceLines(value));
  }

  #tagged(fields: [string, Field][], object: string, path: string): void {
    if (fields.length === 0) {
      this.#reserve('1');
      this.source.line('b[p++] = 0;');
      return;
    }
    const byTag = fields.toSorted(([, one], [, other]) => one.tag! - other.tag!);
    const flags = byTag.map(() => this.source.name('t'));
    for (const [i, [name, field]] of byTag.entries()) {
      this.source.line(`const ${flags[i]} = ${differsSource(field, `${object}.${name}`)} ? 1 : 0;`);
    }
    this.#reserve('1');
    this.source.line(`b[p++] = ${flags.join(' + ')};`);
    for (const [i, [name, field]] of byTag.entries()) {
      const sizeAt = this.source.name('p');
      this.source.line(`if (${flags[i]} === 1) {`);
      // The tag, then one byte for the size. `start` moves when the slab grows, so the place is kept relative to it.
      this.#reserve(String(varintBytesMax + 1));
      this.source.line(`p = writeVarint(b, p, ${field.tag});`, `const ${sizeAt} = p++ - w.start;`);
      this.#value(field, `${object}.${name}`, path + name, false);
      this.#reserve('4');
      this.source.line(`p = writeSizeBefore(b, w.start + ${sizeAt}, p);`, '}');
    }
  }
}

function copySource(value: string): string {
  return `w.position = p; b = w.reserve(${value}.length); p = w.position; b.set(${value}, p); p += ${value}.length;`;
}

function spliceLines(value: string): string[] {
  return [
    `if (${value}.length > ${copiedBytesMax}) { w.position = p; w.splice(${value}); p = w.position; }`,
    `else { ${copySource(value)} }`,
  ];
}

function fixedSource(field: Field, value: string, path: string): string[] {
  const checked = (fits: string): string => `if (${value} !== ${fits}) misfit('${path}', ${value});`;
  switch (field.kind) {
    case 'int8':
      return [checked(`(${value} << 24) >> 24`), `b[p++] = ${value};`];
    case 'bool':
      return [`b[p++] = ${value} ? 1 : 0;`];
    case 'int16':
      return [
        ...(path.endsWith('rrorCode') ? [`if (${value} !== 0) meetError(${value});`] : []),
        checked(`(${value} << 16) >> 16`),
        `b[p++] = ${value} >> 8;`,
        `b[p++] = ${value};`,
      ];
    case 'uint16':
      return [checked(`(${value} & 65535)`), `b[p++] = ${value} >> 8;`, `b[p++] = ${value};`];
    case 'int32':
      return [checked(`(${value} | 0)`), ...int32Lines(value)];
    case 'int64':
      return [`p = writeInt64(b, p, ${value}, '${path}');`];
    case 'float64':
      return [`p = b.writeDoubleBE(${value}, p);`];
    default:
      return [`p = writeUuid(b, p, ${value}, '${path}');`];
  }
}

function int32Lines(value: string): string[] {
  return [
    `b[p] = ${value} >> 24;`,
    `b[p + 1] = ${value} >> 16;`,
    `b[p + 2] = ${value} >> 8;`,
    `b[p + 3] = ${value};`,
    'p += 4;',
  ];
}
