/** What one message may hold, as in Apache Kafka 4.4. Checked before anything is allocated. */
export const arrayElementsMax = 1_000_000;
export const taggedFieldsMax = 10_000;
/** A string's length was an int16 before flexible versions, and Kafka keeps the bound. */
export const stringBytesMax = 0x7fff;
