import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Kafka Streams counting words, with a topic to regroup by and one that remembers the counts. Arguments: application id,
 * topic, folder of its state, how many words there are. Prints `count word number` for each when it has seen so many.
 */
public final class WordCount {
    private static final Duration WAIT_MAX = Duration.ofSeconds(90);
    private static final Duration CLOSE_MAX = Duration.ofSeconds(10);

    public static void main(String[] args) throws InterruptedException {
        long wanted = Long.parseLong(args[3]);
        KafkaStreams streams = new KafkaStreams(counting(args[1]), properties(args[0], args[2]));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        long deadline = System.nanoTime() + WAIT_MAX.toNanos();
        while (seen(streams, false) < wanted && System.nanoTime() < deadline && !streams.state().hasCompletedShutdown()) {
            Thread.sleep(100);
        }
        long counted = seen(streams, true);
        streams.close(CLOSE_MAX);
        if (counted != wanted) throw new IllegalStateException("counted " + counted + " words of " + wanted);
    }

    private static org.apache.kafka.streams.Topology counting(String topic) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(topic)
            .flatMapValues(line -> List.of(line.split(" ")))
            .groupBy((key, word) -> word)
            .count(Materialized.as("counts"));
        return builder.build();
    }

    /** Words counted so far; none while the store is not to be asked. */
    private static long seen(KafkaStreams streams, boolean tells) {
        long sum = 0;
        try {
            ReadOnlyKeyValueStore<String, Long> counts = streams.store(
                StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.keyValueStore()));
            try (var all = counts.all()) {
                while (all.hasNext()) {
                    var each = all.next();
                    sum += each.value;
                    if (tells) System.out.println("count\t" + each.key + "\t" + each.value);
                }
            }
        } catch (InvalidStateStoreException notYet) {
            return 0;
        }
        return sum;
    }

    private static Properties properties(String application, String folder) {
        Properties properties = new Properties();
        properties.put("application.id", application);
        properties.put("bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP"));
        properties.put("security.protocol", "SASL_PLAINTEXT");
        properties.put("sasl.mechanism", "PLAIN");
        properties.put("sasl.jaas.config", String.format(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\";",
            System.getenv("KAFKA_USERNAME"), System.getenv("KAFKA_PASSWORD")));
        properties.put("state.dir", Path.of(folder).toString());
        properties.put("default.key.serde", Serdes.StringSerde.class.getName());
        properties.put("default.value.serde", Serdes.StringSerde.class.getName());
        properties.put("auto.offset.reset", "earliest");
        properties.put("commit.interval.ms", "500");
        properties.put("num.stream.threads", "1");
        // It leaves no group when it closes: the next one waits for as long.
        properties.put("session.timeout.ms", "6000");
        properties.put("heartbeat.interval.ms", "1000");
        return properties;
    }
}
