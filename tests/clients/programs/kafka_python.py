"""kafka-python as a program of the client tests: see programs.ts for the commands and the lines."""

import logging
import os
import signal
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import CommitFailedError, RebalanceInProgressError

WAIT_SECONDS_MAX = 30

command = sys.argv[1]
given = dict(pair.split("=", 1) for pair in sys.argv[2:])
topic = given.get("topic", "")
group = given.get("group", "")
connection = {
    "bootstrap_servers": os.environ["KAFKA_BOOTSTRAP"],
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": os.environ["KAFKA_USERNAME"],
    "sasl_plain_password": os.environ["KAFKA_PASSWORD"],
    # It goes on trying a password that was refused, and says why only in its log.
    "bootstrap_timeout_ms": 10000,
}
logging.basicConfig(level=logging.ERROR)


def say(*words):
    print("\t".join(str(word) for word in words), flush=True)


def admin(kept=[]):
    if not kept:
        kept.append(KafkaAdminClient(**connection))
    return kept[0]


def must(answers):
    """What these calls tell for each topic, group or resource."""
    for each in answers.values():
        if each != "OK":
            sys.exit(str(each))


def produce():
    compression = given["compression"]
    producer = KafkaProducer(
        **connection,
        acks="all",
        linger_ms=5,
        compression_type=None if compression == "none" else compression,
        enable_idempotence=given["idempotent"] == "true",
    )
    sent = []
    for line in sys.stdin:
        key, value = line.rstrip("\n").split("\t")
        sent.append(producer.send(topic, key=key.encode(), value=value.encode()))
    producer.flush(WAIT_SECONDS_MAX)
    for each in sent:
        each.get(WAIT_SECONDS_MAX)
    producer.close()


def tell_record(record):
    say("record", record.partition, record.offset, record.timestamp, record.value.decode())


def read():
    """From the start, or from a time, up to what was the end when it began."""
    consumer = KafkaConsumer(**connection)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    ends = consumer.end_offsets(partitions)
    starts = consumer.beginning_offsets(partitions)
    if "since" in given:
        found = consumer.offsets_for_times({each: int(given["since"]) for each in partitions})
        starts = {each: ends[each] if at is None else at.offset for each, at in found.items()}
    left = {each for each in partitions if starts[each] < ends[each]}
    consumer.assign(list(left))
    for each in left:
        consumer.seek(each, starts[each])
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while left:
        if time.monotonic() > deadline:
            sys.exit(f"not read to the end: {left}")
        for each, records in consumer.poll(500).items():
            for record in records:
                if record.offset < ends[each]:
                    tell_record(record)
                if record.offset + 1 >= ends[each]:
                    left.discard(each)
    consumer.close()


class Telling(ConsumerRebalanceListener):
    def __init__(self, consumer):
        self.consumer = consumer

    def on_partitions_revoked(self, revoked):
        say("assigned")

    def on_partitions_assigned(self, assigned):
        say("assigned", *(each.partition for each in self.consumer.assignment()))


def member():
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    left = int(given.get("count", 1 << 40))
    consumer = KafkaConsumer(
        **connection,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
    )
    consumer.subscribe([topic], listener=Telling(consumer))
    while left > 0 and not stopped:
        for records in consumer.poll(200, max_records=min(left, 100)).values():
            for record in records:
                tell_record(record)
            left -= len(records)
        try:
            if consumer.assignment():
                consumer.commit()
        except (CommitFailedError, RebalanceInProgressError) as error:
            # What was not committed is read again by whoever has the partition then.
            print(error, file=sys.stderr, flush=True)
    consumer.close()


def committed():
    for offsets in admin().list_group_offsets({group: None}).values():
        for partition, each in offsets.items():
            if partition.topic == topic:
                say("committed", partition.partition, each.offset)


def configs():
    found = admin().describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    for name, each in found["topic"][topic].items():
        say("config", name, each["value"])


def describe_topic():
    for partition in admin().describe_topics([topic])[0]["partitions"]:
        say("partition", partition["partition_index"], partition["leader_id"])


def groups():
    for each in admin().list_groups():
        say("group", each["group_id"])


def describe_group():
    found = admin().describe_groups([group])[group]
    say("state", found["group_state"])
    for each in found["members"]:
        say("member", each["member_id"])


def set_config():
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={given["name"]: given["value"]})
    must(admin().alter_configs([resource])["topic"])


commands = {
    "produce": produce,
    "read": read,
    "member": member,
    "committed": committed,
    "create-topic": lambda: admin().create_topics(
        {topic: {"num_partitions": int(given["partitions"]), "configs": {"retention.ms": "86400000"}}}
    ),
    "add-partitions": lambda: admin().create_partitions({topic: int(given["partitions"])}),
    "configs": configs,
    "set-config": set_config,
    "delete-records": lambda: admin().delete_records(
        {TopicPartition(topic, int(given["partition"])): int(given["before"])}
    ),
    "topics": lambda: [say("topic", name) for name in admin().list_topics()],
    "describe-topic": describe_topic,
    "groups": groups,
    "describe-group": describe_group,
    "delete-group": lambda: must(admin().delete_groups([group])),
    "delete-topic": lambda: admin().delete_topics([topic]),
}
commands[command]()
