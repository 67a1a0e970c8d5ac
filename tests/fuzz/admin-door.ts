/** The attack on the control plane: without its key, with a wrong one, and with the right one and wrong requests. */
import { damage, type Draw } from './draw.ts';
import { exchange, tear } from './http-door.ts';
import { type Asked, encodeAsked } from './http-wire.ts';
import type { Report } from './report.ts';
import { Wire } from './wire.ts';
import type { World } from './world.ts';

const odd: readonly unknown[] = [
  undefined,
  null,
  '',
  'x',
  0,
  -1,
  1e308,
  [],
  {},
  { constructor: 1 },
  'é',
  'x'.repeat(5000),
];

export async function attackAdmin(world: World, draw: Draw, inputs: number, report: Report): Promise<void> {
  let wire: Wire | undefined;
  for (let done = 0; done < inputs; done++) {
    if (!wire || wire.isClosed) wire = await Wire.open(world.admin);
    const hasKey = draw.chance(40);
    const asked = request(draw, world, hasKey);
    if (draw.chance(12)) {
      await tear(draw, wire, encodeAsked({ ...asked, headers: [] }), 'admin', report);
      wire = undefined;
      continue;
    }
    const answer = await exchange(wire, asked, 'admin', report);
    // With the key everything may be seen; without it nothing of anyone.
    if (answer && !hasKey) report.leaks('admin', answer.body, encodeAsked(asked));
    const isGuarded = asked.target.startsWith('/admin/');
    if (answer && !hasKey && isGuarded && answer.status < 400) {
      report.found('admin', `answered without a key: ${answer.status}`, encodeAsked(asked));
    }
    if (!answer) wire.cut();
  }
  wire?.cut();
}

function request(draw: Draw, world: World, hasKey: boolean): Asked {
  const { attacker, victim } = world;
  const authorization = hasKey
    ? `Bearer ${world.adminKey}`
    : draw.pick([
        '',
        `Bearer ${attacker.apiKey}`,
        `Bearer ${world.adminKey}x`,
        'Bearer',
        'Basic eDp4',
        'Bearer \u00ff',
        'Bearer ',
      ]);
  const headers: [string, string][] = authorization === '' ? [] : [['authorization', authorization]];
  // With the key only harmless requests: it is the operator's key, which may delete everything.
  const method = draw.pick(hasKey ? ['GET', 'GET', 'HEAD', 'PUT', 'OPTIONS'] : ['GET', 'POST', 'DELETE', 'PATCH']);
  const id = draw.pick([attacker.clusterId, victim.clusterId, encodeURIComponent(draw.text()), 'nowhere']);
  const target = draw.pick([
    '/admin/v1/tenants',
    '/admin/v1/clusters',
    `/admin/v1/clusters/${id}`,
    `/admin/v1/clusters/${id}/keys`,
    `/admin/v1/clusters/${id}/topics`,
    `/admin/v1/clusters/${id}/topics/${encodeURIComponent(draw.text())}`,
    `/admin/v1/clusters/${id}/groups`,
    `/admin/v1/tenants/${id}`,
    `/admin/v1/brokers`,
    `/admin/v1/brokers/${draw.pick(['1', '-1', 'x', '99999999999999999999'])}`,
    `/admin/v1/clusters?limit=${encodeURIComponent(draw.text())}&cursor=${encodeURIComponent(draw.text())}`,
    '/healthz',
    '/metrics',
    '/openapi.json',
    `/problems/${encodeURIComponent(draw.text())}`,
    '/docs',
    `/${encodeURIComponent(draw.text())}`,
  ]);
  if (hasKey && draw.chance(35)) return posted(draw, world, headers);
  const body = method === 'POST' || method === 'PATCH' ? damage(draw, Buffer.from('{"name":"x","tenantId":"y"}')) : '';
  if (body.length > 0) headers.push(['content-type', draw.pick(['application/json', 'text/plain', ''])]);
  return { method, target, headers, body: Buffer.from(body), chunked: draw.chance(10) && body.length > 0 };
}

/** Requests that fail before they change anything: their fields are wrong, or their bytes are. */
function posted(draw: Draw, world: World, headers: [string, string][]): Asked {
  const fields = {
    name: draw.pick(odd),
    tenantId: draw.pick([...odd, 'nowhere']),
    partitions: draw.pick(odd),
    limits: draw.pick<unknown>([...odd, { connectionsMax: -1 }, { x: 1 }]),
    unknown: 1,
  };
  headers.push(['content-type', draw.pick(['application/json', 'application/json', 'text/plain'])]);
  const json = Buffer.from(JSON.stringify(fields));
  const body = draw.chance(2) ? Buffer.alloc(300 * 1024, ' ') : draw.chance(50) ? damage(draw, json) : json;
  const target = draw.pick([
    '/admin/v1/clusters',
    `/admin/v1/clusters/${world.attacker.clusterId}/topics`,
    `/admin/v1/clusters/${draw.pick(['nowhere', encodeURIComponent(draw.text())])}/keys`,
  ]);
  return { method: 'POST', target, headers, body, chunked: false };
}
