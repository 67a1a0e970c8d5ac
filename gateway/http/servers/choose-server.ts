/** Picks the transport: uWebSockets.js where it loads, node:http where it does not. */
import type { Clock } from '../../../engine/kernel/clock.ts';
import { fromWholePair } from '../../tls-files.ts';
import type { DataServer, ServerDoors, ServerSettings } from './server.ts';
import { NodeServer } from './server-node.ts';
import { UwsServer, loadUws } from './server-uws.ts';
import type { UwsModule } from './uws-types.ts';

/** 'auto' falls back; 'uws' and 'node' do not. */
export type ServerChoice = 'auto' | 'uws' | 'node';

export interface ChosenServer {
  readonly server: DataServer;
  /** Why uWebSockets.js was not used, for the log; undefined when it is in use or was not wanted. */
  readonly fallbackReason: string | undefined;
}

/** Rejects only when `choice` is 'uws' and it does not load. `load` is replaced in tests. */
export async function chooseServer(
  choice: ServerChoice,
  settings: ServerSettings,
  doors: ServerDoors,
  clock: Clock,
  load: (headerBytesMax: number) => Promise<UwsModule> = loadUws,
): Promise<ChosenServer> {
  if (choice === 'node') return { server: new NodeServer(settings, doors, clock), fallbackReason: undefined };
  let uws: UwsModule;
  try {
    uws = await load(settings.headerBytesMax);
  } catch (error) {
    if (choice === 'uws') throw error;
    const fallbackReason = error instanceof Error ? error.message : String(error);
    return { server: new NodeServer(settings, doors, clock), fallbackReason };
  }
  // It reads the certificate again by itself, a while after others have.
  const server = await fromWholePair(clock, () => new UwsServer(uws, settings, doors, clock));
  return { server, fallbackReason: undefined };
}
