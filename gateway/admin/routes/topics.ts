/** Topics of a cluster, with what tenants never see: which broker owns each partition, and why. */
import { createRoute, z } from '@hono/zod-openapi';
import type { TopicEntry } from '../../../engine/engine.ts';
import { Failure } from '../../../engine/kernel/failure.ts';
import { NotFound } from '../../../tenancy/failures.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import type { GatewayContext } from '../../context.ts';
import { logSizesBytes } from '../../operations/log-sizes.ts';
import { resolveStart } from '../../operations/positions.ts';
import { changeTopic, createTopic, deleteTopic, findTopic, topicsOf } from '../../operations/topics.ts';
import type { AdminContext } from '../options.ts';
import { pageOf } from '../pages.ts';
import {
  newTopicSchema,
  pageQuery,
  pageSchema,
  topicChangeSchema,
  topicDetailSchema,
  topicSchema,
} from '../schemas.ts';
import { given, operatorOf, placementShown, topicShown, zonesOf } from '../views.ts';
import {
  type AdminApp,
  body,
  bodyNeeded,
  clusterParams,
  json,
  noContent,
  prefix,
  problems,
  security,
} from './route.ts';

const shared = { tags: ['Topics'], security };
const path = `${prefix}/clusters/{clusterId}/topics` as const;
const topicParams = clusterParams.extend({ topic: z.string().min(1).max(249) });

const list = createRoute({
  ...shared,
  operationId: 'listClusterTopics',
  method: 'get',
  path,
  summary: 'List the topics of a cluster',
  request: { params: clusterParams, query: pageQuery },
  responses: { 200: json(pageSchema(topicSchema, 'Topics'), 'A page, in order of names.'), ...problems },
});

const create = createRoute({
  ...shared,
  operationId: 'createClusterTopic',
  method: 'post',
  path,
  summary: 'Create a topic',
  request: { params: clusterParams, body: body(newTopicSchema) },
  responses: { 201: json(topicSchema, 'The topic.'), ...problems },
});

const get = createRoute({
  ...shared,
  operationId: 'getClusterTopic',
  method: 'get',
  path: `${path}/{topic}`,
  summary: 'Get a topic with owner, epoch and offsets of every partition',
  request: { params: topicParams },
  responses: { 200: json(topicDetailSchema, 'The topic.'), ...problems },
});

const change = createRoute({
  ...shared,
  operationId: 'changeClusterTopic',
  method: 'patch',
  path: `${path}/{topic}`,
  summary: 'Add partitions or change configs',
  request: { params: topicParams, body: body(topicChangeSchema) },
  responses: { 200: json(topicSchema, 'The topic.'), ...problems },
});

const remove = createRoute({
  ...shared,
  operationId: 'deleteClusterTopic',
  method: 'delete',
  path: `${path}/{topic}`,
  summary: 'Delete a topic and its records',
  request: { params: topicParams },
  responses: { 204: noContent, ...problems },
});

export function topicRoutes(app: AdminApp, { context, fleet }: AdminContext): void {
  app.openapi(list, (c) => {
    const topics = topicsOf(context, operatorOf(context, c.req.valid('param').clusterId));
    return c.json(
      pageOf(
        topics,
        { parts: ['string'], keyOf: ([name]) => [name] },
        ([name, topic]) => topicShown(name, topic),
        c.req.valid('query'),
      ),
      200,
    );
  });
  app.openapi(create, async (c) => {
    const { name, configs, ...rest } = c.req.valid('json');
    const principal = operatorOf(context, c.req.valid('param').clusterId);
    const topic = await createTopic(context, principal, { name, configs, ...given(rest) });
    return c.json(topicShown(name, topic), 201);
  });
  app.openapi(get, async (c) => {
    const { clusterId, topic: name } = c.req.valid('param');
    const topic = existing(context, operatorOf(context, clusterId), name);
    const zones = zonesOf(fleet.brokers());
    const [starts, ends, sizesBytes] = await Promise.all([
      offsets(context, topic, 'earliest'),
      offsets(context, topic, 'latest'),
      logSizesBytes(context, topic),
    ]);
    const partitions = topic.partitions.map((partition, i) => ({
      ...placementShown(partition, zones),
      startOffset: starts?.[i] ?? null,
      endOffset: ends?.[i] ?? null,
      sizeBytes: sizesBytes[i]!,
    }));
    return c.json({ ...topicShown(name, topic), partitions }, 200);
  });
  app.patch(`${prefix}/clusters/:clusterId/topics/:topic`, bodyNeeded);
  app.openapi(change, async (c) => {
    const { clusterId, topic: name } = c.req.valid('param');
    const topic = await changeTopic(context, operatorOf(context, clusterId), name, given(c.req.valid('json')));
    return c.json(topicShown(name, topic), 200);
  });
  app.openapi(remove, async (c) => {
    const { clusterId, topic } = c.req.valid('param');
    await deleteTopic(context, operatorOf(context, clusterId), topic);
    return c.body(null, 204);
  });
}

function existing(context: GatewayContext, principal: Principal, name: string): TopicEntry {
  const topic = findTopic(context, principal, name);
  if (!topic) throw new NotFound('topic', name);
  return topic;
}

/** Undefined when an owner is away: operators need the placement most at that time, so the rest is still shown. */
async function offsets(
  context: GatewayContext,
  topic: TopicEntry,
  at: 'earliest' | 'latest',
): Promise<number[] | undefined> {
  const all = topic.partitions.map(({ index }) => index);
  try {
    return (await resolveStart(context, topic, all, { at })).map(({ offset }) => offset);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return undefined;
  }
}
