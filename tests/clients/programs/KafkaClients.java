import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Kafka's own Java library as a program of the client tests: see programs.ts for the commands and the lines. */
public final class KafkaClients {
  private static final long WAIT_SECONDS_MAX = 30;
  private static final Map<String, String> given = new HashMap<>();
  private static volatile boolean stopped = false;

  public static void main(String[] args) throws Exception {
    for (int i = 1; i < args.length; i++) {
      int at = args[i].indexOf('=');
      given.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    switch (args[0]) {
      case "produce" -> produce();
      case "read" -> read();
      case "member" -> member();
      default -> {
        try (Admin admin = Admin.create(connection())) {
          administer(admin, args[0]);
        }
      }
    }
  }

  private static Properties connection() {
    Properties all = new Properties();
    all.put("bootstrap.servers", System.getenv("KAFKA_BOOTSTRAP"));
    all.put("security.protocol", "SASL_PLAINTEXT");
    all.put("sasl.mechanism", "PLAIN");
    all.put(
        "sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\";"
            .formatted(System.getenv("KAFKA_USERNAME"), System.getenv("KAFKA_PASSWORD")));
    return all;
  }

  private static void say(Object... words) {
    StringBuilder line = new StringBuilder();
    for (Object word : words) line.append(line.isEmpty() ? "" : "\t").append(word);
    System.out.println(line);
  }

  private static void tell(ConsumerRecord<String, String> record) {
    say("record", record.partition(), record.offset(), record.timestamp(), record.value());
  }

  private static void produce() throws Exception {
    Properties all = connection();
    all.put("compression.type", given.get("compression"));
    all.put("enable.idempotence", given.get("idempotent"));
    all.put("acks", "all");
    all.put("linger.ms", "20");
    Future<RecordMetadata> last = null;
    try (var producer = new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
        var lines = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] words = line.split("\t");
        last =
            producer.send(
                new ProducerRecord<>(given.get("topic"), words[0], words[1]),
                (done, error) -> {
                  if (error == null) return;
                  error.printStackTrace();
                  Runtime.getRuntime().halt(1);
                });
      }
      producer.flush();
    }
    if (last != null) last.get(WAIT_SECONDS_MAX, TimeUnit.SECONDS);
  }

  private static KafkaConsumer<String, String> consumer(Map<String, String> more) {
    Properties all = connection();
    all.put("enable.auto.commit", "false");
    all.put("auto.offset.reset", "earliest");
    all.putAll(more);
    return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
  }

  /** From the start, or from a time, up to what was the end when it began. */
  private static void read() {
    try (var consumer = consumer(Map.of())) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(given.get("topic")).stream()
              .map(each -> new TopicPartition(each.topic(), each.partition()))
              .toList();
      consumer.assign(partitions);
      var ends = consumer.endOffsets(partitions);
      consumer.seekToBeginning(partitions);
      if (given.containsKey("since")) {
        Map<TopicPartition, Long> wanted = new HashMap<>();
        for (var each : partitions) wanted.put(each, Long.valueOf(given.get("since")));
        consumer
            .offsetsForTimes(wanted)
            .forEach((each, found) -> consumer.seek(each, found == null ? ends.get(each) : found.offset()));
      }
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS_MAX);
      while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
        if (System.nanoTime() > deadline) throw new IllegalStateException("not read to the end");
        consumer.poll(Duration.ofMillis(200)).forEach(KafkaClients::tell);
      }
    }
  }

  private static void member() {
    var consumer =
        consumer(
            Map.of(
                "group.id", given.get("group"), "session.timeout.ms", "6000", "heartbeat.interval.ms", "1000"));
    CountDownLatch left = new CountDownLatch(1);
    Thread hook =
        new Thread(
            () -> {
              stopped = true;
              consumer.wakeup();
              try {
                left.await(WAIT_SECONDS_MAX, TimeUnit.SECONDS);
              } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
              }
              // The JVM reports a signal's number otherwise; what counts is that the member left.
              if (left.getCount() == 0) Runtime.getRuntime().halt(0);
            });
    Runtime.getRuntime().addShutdownHook(hook);
    long count = Long.parseLong(given.getOrDefault("count", String.valueOf(1L << 40)));
    consumer.subscribe(List.of(given.get("topic")), new Telling(consumer));
    try {
      while (count > 0 && !stopped) {
        for (var record : consumer.poll(Duration.ofMillis(200))) {
          if (count == 0 || stopped) break;
          tell(record);
          consumer.commitSync(
              Map.of(
                  new TopicPartition(record.topic(), record.partition()),
                  new OffsetAndMetadata(record.offset() + 1)));
          count--;
        }
      }
    } catch (WakeupException stop) {
      if (!stopped) throw stop;
    } finally {
      consumer.close();
      left.countDown();
    }
  }

  private record Telling(KafkaConsumer<String, String> consumer) implements ConsumerRebalanceListener {
    private void tell() {
      say(
          java.util.stream.Stream.concat(
                  java.util.stream.Stream.of("assigned"),
                  consumer.assignment().stream().map(TopicPartition::partition))
              .toArray());
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> added) {
      tell();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> lost) {
      say("assigned");
    }
  }

  private static void administer(Admin admin, String command) throws Exception {
    String topic = given.get("topic");
    String group = given.get("group");
    switch (command) {
      case "committed" ->
          new TreeMap<>(
                  Map.copyOf(
                      admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet().stream()
                          .filter(each -> each.getKey().topic().equals(topic))
                          .collect(
                              java.util.stream.Collectors.toMap(
                                  each -> each.getKey().partition(), each -> each.getValue().offset()))))
              .forEach((partition, offset) -> say("committed", partition, offset));
      case "create-topic" -> {
        var wanted = new NewTopic(topic, Optional.of(Integer.valueOf(given.get("partitions"))), Optional.empty());
        admin.createTopics(List.of(wanted.configs(Map.of("retention.ms", "86400000")))).all().get();
      }
      case "add-partitions" ->
          admin
              .createPartitions(Map.of(topic, NewPartitions.increaseTo(Integer.parseInt(given.get("partitions")))))
              .all()
              .get();
      case "configs" -> {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var entries = admin.describeConfigs(List.of(resource)).all().get().get(resource).entries();
        entries.forEach(each -> say("config", each.name(), each.value()));
      }
      case "set-config" -> {
        var entry = new ConfigEntry(given.get("name"), given.get("value"));
        admin
            .incrementalAlterConfigs(
                Map.of(
                    new ConfigResource(ConfigResource.Type.TOPIC, topic),
                    List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET))))
            .all()
            .get();
      }
      case "delete-records" ->
          admin
              .deleteRecords(
                  Map.of(
                      new TopicPartition(topic, Integer.parseInt(given.get("partition"))),
                      RecordsToDelete.beforeOffset(Long.parseLong(given.get("before")))))
              .all()
              .get();
      case "topics" -> admin.listTopics().names().get().forEach(name -> say("topic", name));
      case "describe-topic" ->
          admin
              .describeTopics(List.of(topic))
              .allTopicNames()
              .get()
              .get(topic)
              .partitions()
              .forEach(each -> say("partition", each.partition(), each.leader().id()));
      case "groups" -> admin.listGroups().all().get().forEach(each -> say("group", each.groupId()));
      case "describe-group" -> {
        var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        say("state", described.groupState());
        described.members().forEach(each -> say("member", each.consumerId()));
      }
      case "delete-group" -> admin.deleteConsumerGroups(List.of(group)).all().get();
      case "delete-topic" -> admin.deleteTopics(List.of(topic)).all().get();
      default -> throw new IllegalArgumentException(command);
    }
  }
}
