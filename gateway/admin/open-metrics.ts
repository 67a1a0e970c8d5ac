/**
 * The metrics as OpenMetrics 1.0, for a scraper that asks for it (`Accept: application/openmetrics-text`). Not by the
 * library: for this format it renames its counters for good, so that the next scrape in the usual format gets other names.
 */
export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** As the library gives it. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: readonly {
    readonly value: number;
    readonly labels: Partial<Record<string, string | number>>;
    /** Of a part of a histogram or summary. */
    readonly metricName?: string;
  }[];
}

/** Pure. */
export function openMetricsText(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const { name, help, type, values } of families) {
    const isCounter = String(type) === 'counter';
    const family = isCounter ? name.replace(/_total$/, '') : name;
    lines.push(`# HELP ${family} ${escaped(help)}`, `# TYPE ${family} ${String(type)}`);
    for (const value of values) {
      const own = isCounter ? `${family}_total` : (value.metricName ?? family);
      lines.push(`${own}${labelsText(value.labels)} ${numberText(value.value)}`);
    }
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

function labelsText(labels: Partial<Record<string, string | number>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${labelText(name, value ?? '')}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

/** Bounds of buckets have one spelling, so that series of different programs agree: 1.0 and not 1. */
function labelText(name: string, value: string | number): string {
  if (name !== 'le' && name !== 'quantile') return escaped(String(value));
  const text = numberText(Number(value === '+Inf' ? Infinity : value));
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/** Whether an Accept header prefers OpenMetrics 1.0 to plain text. Pure. */
export function prefersOpenMetrics(accept: string | undefined): boolean {
  let open = 0;
  let plain = 0;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const given = new Map(parameters.map((part) => part.split('=') as [string, string]));
    const quality = Number(given.get('q') ?? '1');
    const version = given.get('version');
    if (!(quality > 0)) continue;
    if (type === 'application/openmetrics-text' && (version === undefined || version === '1.0.0')) {
      open = Math.max(open, quality);
    } else if (type === 'text/plain' || type === 'text/*') plain = Math.max(plain, quality);
  }
  return open > 0 && open >= plain;
}
