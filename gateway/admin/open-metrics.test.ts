import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { expect, it } from 'vitest';
import { adminInTest, adminKey } from './admin-in-test.suite.ts';
import { openMetricsText, openMetricsType, prefersOpenMetrics } from './open-metrics.ts';

/** What Prometheus 2 and 3 send, in short. */
const prometheus2 =
  'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
const prometheus3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1';

it.each([
  [undefined, false],
  ['', false],
  ['*/*', false],
  ['text/plain', false],
  ['text/plain;version=0.0.4;q=1,*/*;q=0.1', false],
  [prometheus2, true],
  [prometheus3, true],
  ['application/openmetrics-text', true],
  ['Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8', true],
  ['application/openmetrics-text, */*', true],
  ['application/openmetrics-text;q=0.3,text/plain;q=0.5', false],
  ['application/openmetrics-text;q=0', false],
  ['application/openmetrics-text;q=none', false],
  ['application/openmetrics-text;version=2.0.0', false],
  ['application/json', false],
  [',;,=;;q=', false],
])('Accept: %s prefers OpenMetrics: %s', (accept, prefers) => {
  expect(prefersOpenMetrics(accept)).toBe(prefers);
});

it('is written as the standard asks', async () => {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'asked_total', help: 'Asked "once"\nor \\ twice.', labelNames: ['group'], registers })
    .labels('a "b"\n\\c')
    .inc(3);
  new Counter({ name: 'bare', help: 'Without the ending.', registers }).inc();
  new Gauge({ name: 'level', help: 'Level.', registers }).set(Number.NaN);
  new Histogram({ name: 'took_seconds', help: 'Time.', buckets: [0.5, 1], registers }).observe(0.75);
  new Summary({ name: 'size', help: 'Size.', percentiles: [0.5], registers }).observe(4);
  new Gauge({ name: 'nothing', help: 'None yet.', labelNames: ['x'], registers });
  expect(openMetricsText(await registry.getMetricsAsJSON())).toBe(String.raw`# HELP asked Asked \"once\"\nor \\ twice.
# TYPE asked counter
asked_total{group="a \"b\"\n\\c"} 3
# HELP bare Without the ending.
# TYPE bare counter
bare_total 1
# HELP level Level.
# TYPE level gauge
level NaN
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.5"} 0
took_seconds_bucket{le="1.0"} 1
took_seconds_bucket{le="+Inf"} 1
took_seconds_sum 0.75
took_seconds_count 1
# HELP size Size.
# TYPE size summary
size{quantile="0.5"} 4
size_sum 4
size_count 1
# HELP nothing None yet.
# TYPE nothing gauge
# EOF
`);
});

it('is answered to those who ask for it, with the series that others get', async () => {
  const test = await adminInTest();
  const clusterId = await test.cluster();
  test.tenancy.meter.produced(clusterId, 2, 100);
  const scrape = async (accept: string): Promise<{ type: string | null; text: string; series: string[] }> => {
    const headers = { Authorization: `Bearer ${adminKey}`, Accept: accept };
    const answer = await test.admin.app.request('/metrics', { headers });
    const text = await answer.text();
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return { type: answer.headers.get('Content-Type'), text, series: samples.map((line) => line.replace(/ \S+$/, '')) };
  };
  const plain = await scrape('*/*');
  const open = await scrape(prometheus3);
  expect(open.type).toBe(openMetricsType);
  expect(open.text).toMatch(/[^\n]\n# EOF\n$/);
  expect(open.text).not.toContain('\n\n');
  expect(open.text.match(/# EOF/g)).toHaveLength(1);
  expect(open.text).toContain(`headgate_produced_bytes_total{cluster="${clusterId}"} 100`);
  const bounds = (series: string[]): string[] => series.map((each) => each.replace(/le="(\d+)\.0"/, 'le="$1"')).sort();
  expect(bounds(open.series)).toEqual(expect.arrayContaining(bounds(plain.series)));
  const again = await scrape('*/*');
  expect(again.type).toBe(plain.type);
  expect(again.text).toContain('# TYPE headgate_produced_bytes_total counter');
});
