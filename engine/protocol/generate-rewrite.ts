/**
 * Generates the source of a rewriter: it visits exactly the fields of one version whose entity looks different on the two
 * sides of the gateway. It is generated from the schema's marks, so no field can be forgotten. In that source `m` is the
 * message and `map` the Rewrite.
 */
import { type Entity, type Field, type Fields, isPresent, type Message } from './schema.ts';
import { Source } from './source.ts';
import type { Uuid } from '../kernel/uuid.ts';

/**
 * How each entity looks on the other side. `owner` is the struct that holds the field, for entities whose meaning depends
 * on a field beside them (resourceType, keyType). Null is never passed. Defaults are, because an empty group id is a group
 * id: expect '', the zero uuid and -1.
 */
export interface Rewrite {
  topic(name: string, owner: object): string;
  topicId(id: Uuid, owner: object): Uuid;
  group(name: string, owner: object): string;
  txn(name: string, owner: object): string;
  producerId(id: number, owner: object): number;
  node(id: number, owner: object): number;
  address(host: string, owner: object): string;
  rack(name: string, owner: object): string;
  clusterId(id: string, owner: object): string;
  path(path: string, owner: object): string;
  errorText(text: string, owner: object): string;
  coordinatorKey(key: string, owner: object): string;
  resource(name: string, owner: object): string;
  opaque(bytes: Uint8Array, owner: object): Uint8Array;
  principal(name: string, owner: object): string;
}

export function isRewritten(entity: Entity | undefined): entity is keyof Rewrite {
  return entity !== undefined && entity !== 'plain' && entity !== 'records' && entity !== 'secret';
}

export function rewriterSource(schema: Message, version: number): string {
  const source = new Source();
  struct(source, schema.fields, version, 'm');
  return [`return function rewrite${schema.name}V${version}(m, map) {`, source.text(), '}'].join('\n');
}

function struct(source: Source, fields: Fields, version: number, object: string): void {
  for (const [name, field] of Object.entries(fields)) {
    if (!isPresent(field, version) || !concerns(field, version)) continue;
    const place = `${object}.${name}`;
    const value = source.name('v');
    source.line(`const ${value} = ${place};`, `if (${value} !== null) {`);
    if (field.kind === 'array') array(source, field, version, value, object);
    else if (field.fields) struct(source, field.fields, version, value);
    else source.line(`${place} = map.${field.entity}(${value}, ${object});`);
    source.line('}');
  }
}

function array(source: Source, field: Field, version: number, value: string, object: string): void {
  const index = source.name('i');
  source.line(`for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`);
  if (field.fields) {
    const element = source.name('v');
    source.line(`const ${element} = ${value}[${index}];`);
    struct(source, field.fields, version, element);
  } else source.line(`${value}[${index}] = map.${field.entity}(${value}[${index}], ${object});`);
  source.line('}');
}

function concerns(field: Field, version: number): boolean {
  if (!field.fields) return isRewritten(field.entity);
  return Object.values(field.fields).some((each) => isPresent(each, version) && concerns(each, version));
}
