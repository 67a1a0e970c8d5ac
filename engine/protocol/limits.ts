/** What one message may hold, as in Apache Kafka 4.4 unless said otherwise. Checked before anything is allocated. */
/**
 * Elements in all arrays of a message together, nested ones included. An element takes a few bytes on the wire and a
 * hundred in memory, so with a limit per array a frame of 100 MiB could still grow to gigabytes.
 */
export const elementsMax = 1_000_000;
export const taggedFieldsMax = 10_000;
/** Before flexible versions a string's length was an int16, and Kafka keeps that limit. */
export const stringBytesMax = 0x7fff;
