// franz-go as a program of the client tests: see programs.ts for the commands and the lines.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

const waitMax = 30 * time.Second

var given = map[string]string{}

func say(words ...any) {
	line := make([]string, len(words))
	for i, word := range words {
		line[i] = fmt.Sprint(word)
	}
	fmt.Println(strings.Join(line, "\t"))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(name string) int64 {
	n, err := strconv.ParseInt(given[name], 10, 64)
	must(err)
	return n
}

func connect(more ...kgo.Opt) *kgo.Client {
	auth := plain.Auth{User: os.Getenv("KAFKA_USERNAME"), Pass: os.Getenv("KAFKA_PASSWORD")}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(os.Getenv("KAFKA_BOOTSTRAP")),
		kgo.SASL(auth.AsMechanism()),
	}, more...)...)
	must(err)
	return client
}

func tellRecord(r *kgo.Record) {
	say("record", r.Partition, r.Offset, r.Timestamp.UnixMilli(), string(r.Value))
}

func produce(ctx context.Context) {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[given["compression"]]
	options := []kgo.Opt{kgo.DefaultProduceTopic(given["topic"]), kgo.ProducerBatchCompression(codec)}
	if given["idempotent"] != "true" {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client := connect(options...)
	defer client.Close()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		record := kgo.Record{Key: []byte(key), Value: []byte(value)}
		client.Produce(ctx, &record, func(_ *kgo.Record, err error) { must(err) })
	}
	must(client.Flush(ctx))
}

// read starts at the beginning, or at a time, and ends at what was the end when it began.
func read(ctx context.Context) {
	admin := kadm.NewClient(connect())
	topic := given["topic"]
	ends, err := admin.ListEndOffsets(ctx, topic)
	must(err)
	starts, err := admin.ListStartOffsets(ctx, topic)
	if given["since"] != "" {
		starts, err = admin.ListOffsetsAfterMilli(ctx, number("since"), topic)
	}
	must(err)
	from := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	starts.Each(func(start kadm.ListedOffset) {
		end, _ := ends.Lookup(topic, start.Partition)
		if start.Offset < end.Offset {
			from[start.Partition] = kgo.NewOffset().At(start.Offset)
			left[start.Partition] = end.Offset
		}
	})
	client := connect(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < left[r.Partition] {
				tellRecord(r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
}

func member() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	having := map[int32]bool{}
	tell := func() {
		words := []any{"assigned"}
		for partition := range having {
			words = append(words, partition)
		}
		say(words...)
	}
	lose := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
		for _, partition := range lost[given["topic"]] {
			delete(having, partition)
		}
		tell()
	}
	client := connect(
		kgo.ConsumerGroup(given["group"]), kgo.ConsumeTopics(given["topic"]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
			for _, partition := range added[given["topic"]] {
				having[partition] = true
			}
			tell()
		}),
		kgo.OnPartitionsRevoked(lose), kgo.OnPartitionsLost(lose),
	)
	defer client.CloseAllowingRebalance()
	left := int64(1) << 40
	if given["count"] != "" {
		left = number("count")
	}
	for left > 0 && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for _, each := range fetches.Errors() {
			if !errors.Is(each.Err, context.Canceled) {
				log.Print(each.Err)
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if left > 0 && ctx.Err() == nil {
				tellRecord(r)
				must(client.CommitRecords(context.Background(), r))
				left--
			}
		})
		client.AllowRebalance()
	}
}

func main() {
	for _, pair := range os.Args[2:] {
		name, value, _ := strings.Cut(pair, "=")
		given[name] = value
	}
	if os.Args[1] == "member" {
		member()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	admin := kadm.NewClient(connect())
	switch os.Args[1] {
	case "produce":
		produce(ctx)
	case "read":
		read(ctx)
	case "committed":
		offsets, err := admin.FetchOffsets(ctx, given["group"])
		must(err)
		offsets.Each(func(each kadm.OffsetResponse) {
			if each.Topic == given["topic"] {
				say("committed", each.Partition, each.At)
			}
		})
	case "create-topic":
		day := "86400000"
		configs := map[string]*string{"retention.ms": &day}
		_, err := admin.CreateTopic(ctx, int32(number("partitions")), -1, configs, given["topic"])
		must(err)
	case "add-partitions":
		answers, err := admin.UpdatePartitions(ctx, int(number("partitions")), given["topic"])
		must(err)
		must(answers.Error())
	case "configs":
		resources, err := admin.DescribeTopicConfigs(ctx, given["topic"])
		must(err)
		resource, err := resources.On(given["topic"], nil)
		must(err)
		must(resource.Err)
		for _, each := range resource.Configs {
			say("config", each.Key, each.MaybeValue())
		}
	case "set-config":
		value := given["value"]
		answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: given["name"], Value: &value}}, given["topic"])
		must(err)
		answer, err := answers.On(given["topic"], nil)
		must(err)
		must(answer.Err)
	case "delete-records":
		before := kadm.Offsets{}
		before.AddOffset(given["topic"], int32(number("partition")), number("before"), -1)
		answers, err := admin.DeleteRecords(ctx, before)
		must(err)
		must(answers.Error())
	case "topics":
		topics, err := admin.ListTopics(ctx)
		must(err)
		for _, name := range topics.Names() {
			say("topic", name)
		}
	case "describe-topic":
		topics, err := admin.ListTopics(ctx, given["topic"])
		must(err)
		for _, partition := range topics[given["topic"]].Partitions.Sorted() {
			say("partition", partition.Partition, partition.Leader)
		}
	case "groups":
		groups, err := admin.ListGroups(ctx)
		must(err)
		for _, name := range groups.Groups() {
			say("group", name)
		}
	case "describe-group":
		groups, err := admin.DescribeGroups(ctx, given["group"])
		must(err)
		group := groups[given["group"]]
		must(group.Err)
		say("state", group.State)
		for _, each := range group.Members {
			say("member", each.MemberID)
		}
	case "delete-group":
		_, err := admin.DeleteGroup(ctx, given["group"])
		must(err)
	case "delete-topic":
		answers, err := admin.DeleteTopics(ctx, given["topic"])
		must(err)
		must(answers.Error())
	default:
		log.Fatalf("no such command: %v", os.Args)
	}
}
