/** The tools of planted bugs: shared code replaced for a while, and objects that differ from others in a few methods. */

/** Replaces one method of a shared object until the returned function is called. */
export function replaced<T extends object, K extends keyof T>(target: T, name: K, value: T[K]): () => void {
  const before = target[name];
  target[name] = value;
  return () => {
    target[name] = before;
  };
}

/** Called with `call` or `apply` only. */
export function methodOf<T extends object, K extends keyof T>(target: T, name: K): T[K] {
  return target[name];
}

export function changed<T extends object>(target: T, changes: Partial<T>): T {
  return new Proxy(target, {
    get(of, name) {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name);
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}
