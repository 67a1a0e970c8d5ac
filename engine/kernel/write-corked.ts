/** What a turn has to send, in one write: it costs the same as one part of it. */

/** As much of node:net's Socket as this needs. */
export interface CorkedSocket {
  cork(): void;
  uncork(): void;
  write(part: Uint8Array, done?: (error?: Error | null) => void): boolean;
}

/**
 * `sent` are called when the socket has taken all parts, and their memory may be used for something else. A write that
 * fails calls nobody: whether the kernel still reads from it is then not known.
 */
export function writeCorked(socket: CorkedSocket, parts: readonly Uint8Array[], sent: readonly (() => void)[]): void {
  socket.cork();
  const last = parts.length - 1;
  for (let i = 0; i < last; i++) socket.write(parts[i]!);
  if (sent.length === 0) socket.write(parts[last]!);
  else {
    socket.write(parts[last]!, (error) => {
      if (!error) for (const each of sent) each();
    });
  }
  socket.uncork();
}
