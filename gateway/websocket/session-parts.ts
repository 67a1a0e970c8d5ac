/** The parts that sessions are built from. */
import type { GatewayContext } from '../context.ts';
import type { FairTurns } from '../fair-turns.ts';
import type { SmallWork } from '../small-work.ts';
import type { TurnTime } from '../turn-time.ts';
import type { BodyMemory } from '../http/body-memory.ts';
import type { RecordProducer } from '../operations/produce.ts';
import type { Flushes } from './flushes.ts';
import type { WebSocketSettings } from './settings.ts';
import type { SharedFrames } from './shared-frames.ts';

export interface SessionParts {
  readonly context: GatewayContext;
  readonly producer: RecordProducer;
  /** Shared with the requests of the HTTP door. */
  readonly turns: FairTurns;
  readonly smallWork: SmallWork;
  readonly turn: TurnTime;
  readonly settings: WebSocketSettings;
  readonly messageBytesMax: number;
  /** Of all sockets. */
  readonly frames: SharedFrames;
  readonly flushes: Flushes;
  readonly bodyMemory: BodyMemory;
}
