/** Sends everything of a turn in one write, which costs as much as sending one part of it. */

/** The part of node:net's Socket that this needs. */
export interface CorkedSocket {
  cork(): void;
  uncork(): void;
  write(part: Uint8Array, done?: (error?: Error | null) => void): boolean;
}

/**
 * The `sent` callbacks run when the socket has taken all parts, so their memory may be reused. A write that fails calls
 * none of them: it is then unknown whether the kernel still reads from that memory.
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
