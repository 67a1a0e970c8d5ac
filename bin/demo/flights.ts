/**
 * The demo's input: 200,000 real flights of 2001 from the npm package vega-datasets, in order of departure. That file has
 * delay, distance and time but no airports. So each flight gets the origin of a route of the same distance from the
 * package's smaller file, which has airports: 99.8 % of the distances occur there, the rest take the nearest one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface Flight {
  readonly origin: string;
  readonly delay: number;
  readonly distance: number;
  /** Hour of the day of departure. */
  readonly time: number;
}

interface Route {
  readonly origin: string;
  readonly distance: number;
}

export function readFlights(count: number): Flight[] {
  const folder = dataFolder();
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const origins = new Map<number, string[]>();
  for (const { origin, distance } of read('flights-20k.json') as Route[]) {
    const known = origins.get(distance);
    if (known) known.push(origin);
    else origins.set(distance, [origin]);
  }
  const distances = [...origins.keys()].sort((a, b) => a - b);
  const flights = read('flights-200k.json') as Omit<Flight, 'origin'>[];
  return flights.slice(0, count).map((flight, i) => {
    const routes = origins.get(flight.distance) ?? origins.get(nearest(distances, flight.distance))!;
    return { ...flight, origin: routes[i % routes.length]! };
  });
}

/** The package exports only code; its data lies beside that. */
function dataFolder(): string {
  let folder = dirname(createRequire(import.meta.url).resolve('vega-datasets'));
  while (!existsSync(join(folder, 'data', 'flights-200k.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('the package vega-datasets has no data/flights-200k.json');
    folder = above;
  }
  return join(folder, 'data');
}

function nearest(sorted: readonly number[], value: number): number {
  return sorted.reduce((best, each) => (Math.abs(each - value) < Math.abs(best - value) ? each : best));
}
