/** Text for operators on standard error: one line per event, an event name and named fields, never contents or secrets. */
export function logLine(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}

export function logEvent(event: string, fields: Readonly<Record<string, string | number | boolean>> = {}): void {
  const named = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  logLine([event, ...named].join(' '));
}
