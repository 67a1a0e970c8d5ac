/**
 * Which handler takes a path: a trie over segments, walked once per request. We have our own because the two transports
 * would otherwise disagree (empty segments, HEAD, precedence) and because 405 needs to know a path's other methods.
 */
import { assert } from '../../../engine/kernel/assert.ts';
import type { HttpHandler, Route } from './server.ts';

export interface RouteMatch {
  readonly route: Route | undefined;
  readonly handler: HttpHandler | undefined;
  readonly names: readonly string[];
  /** Still percent-encoded. */
  readonly values: readonly string[];
  /** Filled when the path is known and the method is not. */
  readonly allowedMethods: readonly string[];
}

interface Target {
  readonly route: Route;
  readonly names: readonly string[];
}

interface Node {
  readonly literals: Map<string, Node>;
  /** Parameter children by literal ending, longest first; '' is the plain parameter. */
  readonly parameters: { readonly ending: string; readonly node: Node }[];
  readonly targets: Map<string, Target>;
  readonly rest: Map<string, Target>;
}

const none: readonly string[] = [];
const unmatched: RouteMatch = { route: undefined, handler: undefined, names: none, values: none, allowedMethods: none };
const parameterSegment = /^\{([A-Za-z_]+)\}(:[A-Za-z-]+)?$/;

function emptyNode(): Node {
  return { literals: new Map(), parameters: [], targets: new Map(), rest: new Map() };
}

/** Paths whose match is remembered: a walk costs ten times the lookup, and most requests use few paths. */
const recentMax = 1_024;

interface Recent {
  readonly path: string;
  readonly method: string;
  readonly match: RouteMatch;
}

export class RouteTable {
  readonly #root = emptyNode();
  #recent = new Map<string, Recent>();
  /** The latest match: comparing two strings is faster than hashing one. */
  #last: Recent | undefined;
  readonly #lastResort = new Map<string, Route>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  #add(route: Route): void {
    const { method, pattern } = route;
    if (pattern === '*') {
      this.#lastResort.set(method, route);
      return;
    }
    assert(pattern.startsWith('/'), `route pattern ${pattern} must start with a slash`);
    const names: string[] = [];
    let node = this.#root;
    const segments = pattern.slice(1).split('/');
    for (const [index, segment] of segments.entries()) {
      if (segment === '*' && index === segments.length - 1) {
        names.push('*');
        assert(!node.rest.has(method), `route ${method} ${pattern} is given twice`);
        node.rest.set(method, { route, names });
        return;
      }
      const parameter = parameterSegment.exec(segment);
      if (parameter) names.push(parameter[1] ?? '');
      else assert(!segment.includes('{'), `route pattern ${pattern} has a malformed parameter`);
      node = parameter ? parameterChild(node, parameter[2] ?? '') : literalChild(node, segment);
    }
    assert(!node.targets.has(method), `route ${method} ${pattern} is given twice`);
    node.targets.set(method, { route, names });
  }

  /** `path` as sent, percent-encoded, starting with a slash (or '*'). */
  match(method: string, path: string): RouteMatch {
    const last = this.#last;
    if (last !== undefined && last.method === method && last.path === path) return last.match;
    const recent = this.#recent.get(path);
    if (recent?.method === method) return (this.#last = recent).match;
    const match = this.#find(method, path);
    if (match.handler) {
      if (this.#recent.size >= recentMax) this.#recent = new Map();
      this.#last = { path, method, match };
      this.#recent.set(path, this.#last);
    }
    return match;
  }

  #find(method: string, path: string): RouteMatch {
    const values: string[] = [];
    const found = walk(this.#root, path, 1, values);
    if (found) {
      const target = pick(found, method);
      if (target)
        return {
          route: target.route,
          handler: target.route.handler,
          names: target.names,
          values,
          allowedMethods: none,
        };
    }
    const lastResort = this.#lastResort.get(method);
    if (lastResort)
      return {
        route: lastResort,
        handler: lastResort.handler,
        names: none,
        values: none,
        allowedMethods: found ? allowed(found) : none,
      };
    return found ? { ...unmatched, allowedMethods: allowed(found) } : unmatched;
  }
}

function literalChild(node: Node, segment: string): Node {
  let child = node.literals.get(segment);
  if (!child) node.literals.set(segment, (child = emptyNode()));
  return child;
}

function parameterChild(node: Node, ending: string): Node {
  const known = node.parameters.find((parameter) => parameter.ending === ending);
  if (known) return known.node;
  const child = emptyNode();
  node.parameters.push({ ending, node: child });
  node.parameters.sort((a, b) => b.ending.length - a.ending.length);
  return child;
}

function pick(targets: ReadonlyMap<string, Target>, method: string): Target | undefined {
  return targets.get(method) ?? (method === 'HEAD' ? targets.get('GET') : undefined);
}

function allowed(targets: ReadonlyMap<string, Target>): readonly string[] {
  const methods = [...targets.keys()];
  if (targets.has('GET') && !targets.has('HEAD')) methods.push('HEAD');
  return methods.sort();
}

/**
 * Targets of the path from `from` (just behind a slash) below `node`. It backtracks: when a literal leads nowhere, it tries
 * the parameter beside it, so the patterns bound the depth and the path does not.
 */
function walk(node: Node, path: string, from: number, values: string[]): ReadonlyMap<string, Target> | undefined {
  const slash = path.indexOf('/', from);
  const segment = slash < 0 ? path.slice(from) : path.slice(from, slash);
  const depth = values.length;
  const literal = node.literals.get(segment);
  if (literal) {
    const found = slash < 0 ? leaf(literal) : walk(literal, path, slash + 1, values);
    if (found) return found;
    values.length = depth;
  }
  for (const { ending, node: child } of node.parameters) {
    if (segment.length <= ending.length || !segment.endsWith(ending)) continue;
    values.push(ending === '' ? segment : segment.slice(0, -ending.length));
    const found = slash < 0 ? leaf(child) : walk(child, path, slash + 1, values);
    if (found) return found;
    values.length = depth;
  }
  if (node.rest.size === 0) return undefined;
  values.push(path.slice(from));
  return node.rest;
}

function leaf(node: Node): ReadonlyMap<string, Target> | undefined {
  return node.targets.size > 0 ? node.targets : undefined;
}
