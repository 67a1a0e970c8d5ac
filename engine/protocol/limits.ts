/** What one message may hold, as in Apache Kafka 4.4 unless said otherwise. Checked before anything is allocated. */
/**
 * Elements of all arrays of a message together, nested ones included: an element takes a few bytes on the wire and a hundred
 * in memory, so a bound per array would let a frame of 100 MiB grow to gigabytes.
 */
export const elementsMax = 1_000_000;
export const taggedFieldsMax = 10_000;
/** A string's length was an int16 before flexible versions, and Kafka keeps the bound. */
export const stringBytesMax = 0x7fff;
