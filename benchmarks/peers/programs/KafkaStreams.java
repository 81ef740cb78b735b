import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams: an answer's last revision in one store, its changes grouped by segment and day, summed in another.
 *
 * <p>With exactly_once_v2, the changelogs of both RocksDB stores, the repartition topic, the counts and the offsets are
 * in one transaction. Caches in front of both stores, a commit a second instead of ten, large batches, lz4, as many
 * threads as the machine has processors. Its member's session is as short as that of the others; Jackson decodes.
 */
public final class KafkaStreams {
    private static final String KNOWN = "known";
    private static final ObjectMapper JSON = new ObjectMapper();

    private KafkaStreams() {}

    public static void main(String[] arguments) throws InterruptedException {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
                Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(KNOWN), Serdes.String(), Serdes.String())
                        .withCachingEnabled());
        builder.stream(setting("PEER_TOPIC"), Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .process(KeepLastRevision::new, KNOWN)
                .groupByKey(Grouped.with("segment-and-day", Serdes.String(), counts()))
                .aggregate(
                        () -> new int[3],
                        (key, change, sums) ->
                                new int[] {sums[0] + change[0], sums[1] + change[1], sums[2] + change[2]},
                        Materialized.<String, int[]>as(Stores.persistentKeyValueStore("counts"))
                                .withKeySerde(Serdes.String())
                                .withValueSerde(counts()))
                .toStream()
                .mapValues(sums -> "[" + sums[0] + "," + sums[1] + "," + sums[2] + "]")
                .to(setting("PEER_OUTPUT"), Produced.with(Serdes.String(), Serdes.String()));

        org.apache.kafka.streams.KafkaStreams streams =
                new org.apache.kafka.streams.KafkaStreams(builder.build(), settings());
        CountDownLatch ended = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(
                error -> {
                    error.printStackTrace();
                    ended.countDown();
                    return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
                });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        ended.await();
        System.exit(1);
    }

    private static Properties settings() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, setting("PEER_NAME"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, setting("PEER_KAFKA"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, setting("PEER_STATE"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L * 1024 * 1024);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        settings.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
                setting("PEER_SESSION_MILLISECONDS"));
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        return settings;
    }

    private static String setting(String name) {
        return System.getenv(name);
    }

    private static Serde<int[]> counts() {
        Serializer<int[]> serializer =
                (topic, counts) ->
                        counts == null
                                ? null
                                : ByteBuffer.allocate(12)
                                        .putInt(counts[0])
                                        .putInt(counts[1])
                                        .putInt(counts[2])
                                        .array();
        Deserializer<int[]> deserializer =
                (topic, bytes) -> {
                    if (bytes == null) {
                        return null;
                    }
                    ByteBuffer buffer = ByteBuffer.wrap(bytes);
                    return new int[] {buffer.getInt(), buffer.getInt(), buffer.getInt()};
                };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    /** The group is 0 for a promoter, 1 for a passive, 2 for a detractor. Stored as its parts, joined by a bar. */
    private record Answer(int revision, String day, int group, List<String> segments) {
        static Answer of(byte[] value) {
            JsonNode body;
            try {
                body = JSON.readTree(value);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            int score = body.get("score").intValue();
            List<String> segments = new ArrayList<>();
            segments.add("everybody");
            for (Map.Entry<String, JsonNode> segment : body.get("segments").properties()) {
                segments.add(segment.getKey() + ":" + segment.getValue().textValue());
            }
            String day = body.get("answered_at").textValue().substring(0, 10);
            return new Answer(body.get("revision").intValue(), day, score > 8 ? 0 : score > 6 ? 1 : 2, segments);
        }

        static Answer stored(String text) {
            List<String> parts = List.of(text.split("\\|"));
            return new Answer(
                    Integer.parseInt(parts.get(0)),
                    parts.get(1),
                    Integer.parseInt(parts.get(2)),
                    parts.subList(3, parts.size()));
        }

        String text() {
            return revision + "|" + day + "|" + group + "|" + String.join("|", segments);
        }

        void addTo(Map<String, int[]> changes, int times) {
            for (String segment : segments) {
                changes.computeIfAbsent(segment + "|" + day, key -> new int[3])[group] += times;
            }
        }
    }

    private static final class KeepLastRevision implements Processor<String, byte[], String, int[]> {
        private ProcessorContext<String, int[]> context;
        private KeyValueStore<String, String> known;
        private boolean begun;

        @Override
        public void init(ProcessorContext<String, int[]> context) {
            this.context = context;
            known = context.getStateStore(KNOWN);
        }

        @Override
        public void process(Record<String, byte[]> record) {
            if (!begun) {
                begin();
            }
            Answer answer = Answer.of(record.value());
            String stored = known.get(record.key());
            Map<String, int[]> changes = new LinkedHashMap<>();
            if (stored != null) {
                Answer before = Answer.stored(stored);
                if (before.revision() >= answer.revision()) {
                    return;
                }
                before.addTo(changes, -1);
            }
            answer.addTo(changes, 1);
            known.put(record.key(), answer.text());
            changes.forEach((key, change) -> context.forward(record.withKey(key).withValue(change)));
        }

        /** Tells the benchmark, once for each partition. */
        private void begin() {
            begun = true;
            Path file = Path.of(setting("PEER_STATE"), "begun");
            try {
                if (!Files.exists(file)) {
                    Files.createFile(file);
                }
            } catch (java.nio.file.FileAlreadyExistsException error) {
                // another thread was first
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
