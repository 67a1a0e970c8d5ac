/** The shapes of the fleet's size and of its zones. */
import { z } from '@hono/zod-openapi';

const count = z.number().int().min(0);

export const scalingSchema = z
  .object({
    brokers: count.openapi({ description: 'Number of brokers that should run, whether or not they all do yet.' }),
    brokersMin: count,
    brokersMax: count,
    override: count.nullable().openapi({ description: 'Number set by an operator; null while the load decides.' }),
    evacuatedZones: z.array(z.string()),
    decision: z.enum(['stay', 'out', 'in']),
    reason: z.string().openapi({ example: 'bytes-in above the target' }),
    dimension: z.string().openapi({ description: 'The dimension of the load that is used most.' }),
    shares: z
      .record(z.string(), z.number())
      .openapi({ description: 'Part of the capacity that is used, by dimension; 1 is all of it.' }),
    changedAtMs: count.openapi({ description: 'When the number last changed; 0: not since the controller started.' }),
  })
  .openapi('Scaling');
export type ScalingAnswer = z.infer<typeof scalingSchema>;

export const drainedZoneSchema = z
  .object({ zone: z.string(), evacuated: z.boolean(), partitionsLeft: count })
  .openapi('EvacuatedZone');
export type ZoneAnswer = z.infer<typeof drainedZoneSchema>;

export const fleetScaleSchema = z
  .strictObject({
    brokers: z.number().int().min(1).nullable().openapi({
      description:
        'Rounded up to a multiple of the number of zones. More than `brokersMax` is refused. null: let the load decide.',
    }),
  })
  .openapi('FleetScale');
