"""librdkafka, through confluent-kafka, as a program of the client tests: see programs.ts for the commands and the lines."""

import os
import signal
import sys

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

WAIT_SECONDS_MAX = 15

command = sys.argv[1]
given = dict(pair.split("=", 1) for pair in sys.argv[2:])
connection = {
    "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"],
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanisms": "PLAIN",
    "sasl.username": os.environ["KAFKA_USERNAME"],
    "sasl.password": os.environ["KAFKA_PASSWORD"],
}


def say(*words):
    print("\t".join(str(word) for word in words), flush=True)


def admin(kept=[]):
    """One for the whole run: it gives up what is under way when it is collected."""
    if not kept:
        kept.append(AdminClient(connection))
    return kept[0]


def all_of(futures):
    return {key: future.result(WAIT_SECONDS_MAX) for key, future in futures.items()}


def produce():
    failures = []
    producer = Producer(
        {
            **connection,
            "compression.type": given["compression"],
            "enable.idempotence": given["idempotent"],
            "partitioner": "murmur2_random",
        }
    )
    for line in sys.stdin:
        key, value = line.rstrip("\n").split("\t")
        producer.produce(
            given["topic"],
            value,
            key,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    if producer.flush(WAIT_SECONDS_MAX) > 0 or failures:
        sys.exit(f"not delivered: {failures[:1]}")


def tell_record(message):
    say("record", message.partition(), message.offset(), message.timestamp()[1], message.value().decode())


def read():
    """From the start, or from a time, up to what was the end when it began."""
    consumer = Consumer({**connection, "group.id": "unused", "enable.auto.commit": False})
    known = consumer.list_topics(given["topic"], WAIT_SECONDS_MAX).topics[given["topic"]]
    bounds = {p: consumer.get_watermark_offsets(TopicPartition(given["topic"], p), 10) for p in known.partitions}
    ends = {p: high for p, (_, high) in bounds.items()}
    if "since" in given:
        wanted = [TopicPartition(given["topic"], p, int(given["since"])) for p in ends]
        starts = consumer.offsets_for_times(wanted, WAIT_SECONDS_MAX)
    else:
        starts = [TopicPartition(given["topic"], p, low) for p, (low, _) in bounds.items()]
    starts = [each for each in starts if 0 <= each.offset < ends[each.partition]]
    left = {each.partition for each in starts}
    consumer.assign(starts)
    while left:
        message = consumer.poll(WAIT_SECONDS_MAX)
        if message is None:
            sys.exit(f"nothing came; not read to the end: {left}")
        if message.error():
            sys.exit(str(message.error()))
        tell_record(message)
        if message.offset() + 1 >= ends[message.partition()]:
            left.discard(message.partition())
    consumer.close()


def member():
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    consumer = Consumer(
        {
            **connection,
            "group.id": given["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 1000,
        }
    )
    consumer.subscribe(
        [given["topic"]],
        on_assign=lambda _, partitions: say("assigned", *(each.partition for each in partitions)),
        on_revoke=lambda *_: say("assigned"),
    )
    left = int(given.get("count", 1 << 40))
    while left > 0 and not stopped:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            print(message.error(), file=sys.stderr, flush=True)
            continue
        tell_record(message)
        consumer.commit(message, asynchronous=False)
        left -= 1
    consumer.close()


def committed():
    futures = admin().list_consumer_group_offsets([ConsumerGroupTopicPartitions(given["group"])])
    for answer in all_of(futures).values():
        for each in answer.topic_partitions:
            if each.topic == given["topic"]:
                say("committed", each.partition, each.offset)


def create_topic():
    topic = NewTopic(given["topic"], int(given["partitions"]), config={"retention.ms": "86400000"})
    all_of(admin().create_topics([topic]))


def topics():
    for name in admin().list_topics(timeout=WAIT_SECONDS_MAX).topics:
        say("topic", name)


def describe_topic():
    for partition in admin().list_topics(given["topic"], WAIT_SECONDS_MAX).topics[given["topic"]].partitions.values():
        say("partition", partition.id, partition.leader)


def groups():
    for group in admin().list_consumer_groups().result(WAIT_SECONDS_MAX).valid:
        say("group", group.group_id)


def describe_group():
    for group in all_of(admin().describe_consumer_groups([given["group"]])).values():
        say("state", group.state.name)
        for each in group.members:
            say("member", each.member_id)


def configs():
    for entries in all_of(admin().describe_configs([ConfigResource(ResourceType.TOPIC, given["topic"])])).values():
        for entry in entries.values():
            say("config", entry.name, entry.value)


def set_config():
    entry = ConfigEntry(given["name"], given["value"], incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, given["topic"], incremental_configs=[entry])
    all_of(admin().incremental_alter_configs([resource]))


commands = {
    "produce": produce,
    "read": read,
    "member": member,
    "committed": committed,
    "create-topic": create_topic,
    "add-partitions": lambda: all_of(
        admin().create_partitions([NewPartitions(given["topic"], int(given["partitions"]))])
    ),
    "configs": configs,
    "set-config": set_config,
    "delete-records": lambda: all_of(
        admin().delete_records([TopicPartition(given["topic"], int(given["partition"]), int(given["before"]))])
    ),
    "topics": topics,
    "describe-topic": describe_topic,
    "groups": groups,
    "describe-group": describe_group,
    "delete-group": lambda: all_of(admin().delete_consumer_groups([given["group"]])),
    "delete-topic": lambda: all_of(admin().delete_topics([given["topic"]])),
}
commands[command]()
