/**
 * What the engine decided and why: the last events as a list, and as a stream of server-sent events that a follower can
 * resume with Last-Event-ID.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { streamSSE } from 'hono/streaming';
import { Overloaded } from '../../../engine/kernel/failure.ts';
import type { EngineEvent } from '../../../engine/engine.ts';
import { eventId, eventsSince, sinceForm } from '../event-ids.ts';
import type { Followers } from '../followers.ts';
import type { AdminContext } from '../options.ts';
import { eventSchema, wholeNumber } from '../schemas.ts';
import { type AdminApp, json, prefix, problems, security } from './route.ts';

const shared = { tags: ['Fleet'], security };
const since = z.string().max(32).optional().openapi({
  description: 'Only events after this one: an event id, or milliseconds since 1970.',
  pattern: sinceForm.source,
});

const list = createRoute({
  ...shared,
  operationId: 'listEvents',
  method: 'get',
  path: `${prefix}/events`,
  summary: "List the engine's last decisions with their reasons",
  request: { query: z.object({ since, limit: wholeNumber(1, 1000).default(100) }) },
  responses: {
    200: json(z.object({ items: z.array(eventSchema) }).openapi('Events'), 'The latest ones, oldest first.'),
    ...problems,
  },
});

const follow = createRoute({
  ...shared,
  operationId: 'followEvents',
  method: 'get',
  path: `${prefix}/events/stream`,
  summary: 'Follow the events as server-sent events',
  request: { query: z.object({ since }), headers: z.object({ 'last-event-id': z.string().max(32).optional() }) },
  responses: {
    200: {
      description: 'One event per message, with its id in `id`. Starts with the events after `since`, if given.',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    ...problems,
  },
});

export function eventRoutes(app: AdminApp, { fleet }: AdminContext, followers: Followers): void {
  app.openapi(list, (c) => {
    const query = c.req.valid('query');
    const items = eventsSince(fleet.events(), query.since).slice(-query.limit);
    return c.json({ items: items.map(shown) }, 200);
  });
  app.openapi(follow, (c) => {
    // Nobody would read what a follower writes, so it would never end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    const from = c.req.header('last-event-id') ?? c.req.valid('query').since;
    const follower = followers.open(from);
    if (!follower) throw new Overloaded('too many clients follow the event stream: close some, or try again later');
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => follower.close());
      try {
        await stream.write(': following\n\n');
        for (;;) {
          const next = await follower.next();
          if (next === 'closed' || stream.aborted) return;
          if (next === 'idle') await stream.write(': idle\n\n');
          else
            for (const event of next)
              await stream.writeSSE({ id: eventId(event), event: event.kind, data: JSON.stringify(shown(event)) });
        }
      } finally {
        follower.close();
      }
    });
  });
}

function shown(event: EngineEvent) {
  return { id: eventId(event), ...event, detail: { ...event.detail } };
}
