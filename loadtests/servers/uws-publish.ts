/** The yardstick of the fan-out bench: uWebSockets.js that publishes `count` messages to all its sockets when told over IPC. */
import { createRequire } from 'node:module';

interface App {
  ws(
    pattern: string,
    behavior: {
      readonly idleTimeout: number;
      readonly maxBackpressure: number;
      open(socket: { subscribe(topic: string): void }): void;
    },
  ): App;
  publish(topic: string, message: string): boolean;
  listen(host: string, port: number, listening: (socket: unknown) => void): App;
}

const uws = createRequire(import.meta.url)('uWebSockets.js') as {
  App(): App;
  us_socket_local_port(socket: unknown): number;
};
const messageBytes = Number(process.argv[2]);
const message = `${'x'.repeat(messageBytes - 2)}@@`;

const app = uws
  .App()
  .ws('/v1/ws', {
    idleTimeout: 0,
    maxBackpressure: 64 * 1024 * 1024,
    open: (socket) => socket.subscribe('all'),
  })
  .listen('127.0.0.1', 0, (socket) => process.send?.({ port: uws.us_socket_local_port(socket) }));
process.on('message', ({ count }: { readonly count: number }) => {
  for (let i = 0; i < count; i++) app.publish('all', message);
});
process.on('disconnect', () => process.exit(0));
