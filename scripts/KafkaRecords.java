// Writes record batches and message sets with Kafka's own classes: one line each, its name and its bytes.
// scripts/make_kafka_records.py compiles and runs it, and says which records these are.

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.KRaftVersionRecord;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotFooterRecord;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.message.VotersRecord;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.utils.BufferSupplier;

public class KafkaRecords {
    static void print(String name, ByteBuffer data) {
        byte[] bytes = new byte[data.remaining()];
        data.duplicate().get(bytes);
        System.out.println(name + " " + HexFormat.of().formatHex(bytes));
    }

    static byte[] key(int i) {
        return i % 3 == 0 ? null : ("key-" + i).getBytes();
    }

    static byte[] value(int i) {
        return i % 4 == 3 ? null : ("value-" + i + " ").repeat(i * 5).getBytes();
    }

    static Header[] headers(int i) {
        if (i % 2 == 0) return new Header[0];
        return new Header[] {new RecordHeader("h", ("x" + i).getBytes()), new RecordHeader("größe", (byte[]) null)};
    }

    static long time(int i) {
        return 1700000000000L + i * 997L;
    }

    static ByteBuffer build(byte magic, CompressionType type, TimestampType times, long base, int count,
                            boolean transactional) {
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(ByteBuffer.allocate(1 << 16), magic,
            Compression.of(type).build(), times, base, 1700000009999L,
            transactional ? 4711L : -1L, (short) (transactional ? 3 : -1), transactional ? 12 : -1,
            transactional, false, magic < 2 ? -1 : 8, 1 << 16);
        for (int i = 0; i < count; i++) {
            long time = magic == 0 ? RecordBatch.NO_TIMESTAMP : time(i);
            if (magic < 2) builder.appendWithOffset(base + i, time, key(i), value(i));
            else builder.appendWithOffset(base + i, time, key(i), value(i), headers(i));
        }
        return builder.build().buffer();
    }

    public static void main(String[] arguments) {
        for (CompressionType type : CompressionType.values()) {
            print("batch " + type.name, build((byte) 2, type, TimestampType.CREATE_TIME, 1000, 12, false));
            if (type == CompressionType.ZSTD) continue;
            print("set 1 " + type.name, build((byte) 1, type, TimestampType.CREATE_TIME, 1000, 12, false));
            print("set 0 " + type.name, build((byte) 0, type, TimestampType.NO_TIMESTAMP_TYPE, 1000, 12, false));
        }
        print("batch append time", build((byte) 2, CompressionType.GZIP, TimestampType.LOG_APPEND_TIME, 1000, 12, false));
        print("set 1 append time", build((byte) 1, CompressionType.GZIP, TimestampType.LOG_APPEND_TIME, 1000, 12, false));
        print("batch transactional", build((byte) 2, CompressionType.LZ4, TimestampType.CREATE_TIME, 1000, 12, true));

        // What compaction leaves: every fifth record away, then everything.
        ByteBuffer whole = build((byte) 2, CompressionType.NONE, TimestampType.CREATE_TIME, 1000, 12, false);
        print("batch compacted", filter(whole, true));
        print("batch empty", filter(whole, false));
        ByteBuffer marker = MemoryRecords.withEndTransactionMarker(1000, 1700000005000L, 8, 4711L, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 9)).buffer();
        print("control delete horizon", filter(marker, true));

        long now = 1700000005000L;
        for (ControlRecordType end : new ControlRecordType[] {ControlRecordType.COMMIT, ControlRecordType.ABORT}) {
            print("control " + end.name(), MemoryRecords.withEndTransactionMarker(2000, now, 8, 4711L, (short) 3,
                new EndTransactionMarker(end, 9)).buffer());
        }
        print("control LEADER_CHANGE", MemoryRecords.withLeaderChangeMessage(2000, now, 8, ByteBuffer.allocate(4096),
            new LeaderChangeMessage().setLeaderId(1).setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)))
                .setGrantingVoters(new ArrayList<>())).buffer());
        print("control SNAPSHOT_HEADER", MemoryRecords.withSnapshotHeaderRecord(2000, now, 8, ByteBuffer.allocate(4096),
            new SnapshotHeaderRecord().setVersion((short) 0).setLastContainedLogTimestamp(now)).buffer());
        print("control SNAPSHOT_FOOTER", MemoryRecords.withSnapshotFooterRecord(2000, now, 8, ByteBuffer.allocate(4096),
            new SnapshotFooterRecord().setVersion((short) 0)).buffer());
        print("control KRAFT_VERSION", MemoryRecords.withKRaftVersionRecord(2000, now, 8, ByteBuffer.allocate(4096),
            new KRaftVersionRecord().setVersion((short) 0).setKRaftVersion((short) 1)).buffer());
        print("control KRAFT_VOTERS", MemoryRecords.withVotersRecord(2000, now, 8, ByteBuffer.allocate(4096),
            new VotersRecord().setVersion((short) 0).setVoters(List.of(new VotersRecord.Voter().setVoterId(1)
                .setVoterDirectoryId(new Uuid(1, 2))))).buffer());
    }

    static ByteBuffer filter(ByteBuffer whole, boolean some) {
        ByteBuffer target = ByteBuffer.allocate(1 << 16);
        MemoryRecords.readableRecords(whole.duplicate()).filterTo(new TopicPartition("t", 0),
            new MemoryRecords.RecordFilter(1700000007000L, 1000L) {
                protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                    return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, batch.isControlBatch());
                }

                protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                    return some && (record.offset() % 5 != 0 || batch.isControlBatch());
                }
            }, target, 1 << 16, BufferSupplier.NO_CACHING);
        target.flip();
        return target;
    }
}
