/** The parts that sessions are built from. */
import type { GatewayContext } from '../context.ts';
import type { TurnTime } from '../turn-time.ts';
import type { BodyMemory } from '../http/body-memory.ts';
import type { RecordProducer } from '../operations/produce.ts';
import type { Flushes } from './flushes.ts';
import type { WebSocketSettings } from './settings.ts';
import type { SharedFrames } from './shared-frames.ts';

export interface SessionParts {
  readonly context: GatewayContext;
  readonly producer: RecordProducer;
  readonly turn: TurnTime;
  readonly settings: WebSocketSettings;
  readonly messageBytesMax: number;
  /** Of all sockets. */
  readonly frames: SharedFrames;
  readonly flushes: Flushes;
  readonly bodyMemory: BodyMemory;
}
