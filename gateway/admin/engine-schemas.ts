/** The engine as one document, for `GET /admin/v1/engine`, the live page and `headgate engine status`. */
import { z } from '@hono/zod-openapi';
import { scalingSchema } from './fleet-schemas.ts';
import { brokerSchema, partitionSchema, timeMs } from './schemas.ts';

const count = z.number().int().min(0);

const zoneSchema = z
  .object({
    zone: z.string(),
    state: z
      .enum(['serving', 'degraded', 'down'])
      .openapi({ description: 'serving: all of its brokers; down: none of them.' }),
    brokers: count,
    serving: count,
    partitions: count,
  })
  .openapi('Zone');

const controllerSchema = z
  .object({
    controllerId: z.string(),
    alive: z.boolean().openapi({ description: 'Whether its lease is still valid.' }),
    shards: count.openapi({ description: 'Number of shards that it owns.' }),
    keepsFleet: z
      .boolean()
      .openapi({ description: 'Whether it is the one that starts, watches and replaces the brokers.' }),
  })
  .openapi('Controller');

const shardSchema = z
  .object({
    index: count,
    controllerId: z.string().nullable().openapi({ description: 'null while no controller owns the shard.' }),
    epoch: z.number().int().openapi({ description: 'Grows by one with each new owner.' }),
  })
  .openapi('Shard');

export const engineSchema = z
  .object({
    atMs: timeMs,
    ready: z.boolean(),
    lastEventId: z
      .string()
      .nullable()
      .openapi({ description: 'Id of the latest event: follow the events from here to miss none.' }),
    zones: z.array(zoneSchema),
    brokers: z.array(brokerSchema),
    partitions: z.object({ total: count, withoutOwner: count, moving: count }),
    moves: z.array(partitionSchema).openapi({ description: 'The partitions that moved most recently, latest first.' }),
    controllers: z.array(controllerSchema),
    shards: z.array(shardSchema),
    // Not `.nullable()`: it is documented as a Scaling that is also null, which no value can be.
    scaling: z
      .union([scalingSchema, z.null()])
      .openapi({ description: 'null while another controller looks after the fleet.' }),
  })
  .openapi('Engine');

export type EngineShown = z.infer<typeof engineSchema>;
