package org.example.hessian;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.*;
import java.util.*;
import org.example.hessian.Things.*;

/** Values to write, each under a name. */
final class Samples {
    private Samples() {}

    static final Map<String, Object> ALL = new LinkedHashMap<>();

    /** Several values of one stream, which share its tables. */
    static final Map<String, Object[]> BODIES = new LinkedHashMap<>();

    private static void add(String name, Object value) {
        if (ALL.put(name, value) != null) {
            throw new IllegalStateException(name);
        }
    }

    private static String units(int count, String unit) {
        return unit.repeat(count);
    }

    static {
        add("null", null);
        add("true", true);
        add("false", false);
        numbers();
        texts();
        for (int size : new int[] {0, 1, 15, 16, 1023, 1024, 8189, 8190, 16378, 16379, 40000}) {
            byte[] data = new byte[size];
            for (int i = 0; i < size; i++) {
                data[i] = (byte) (i * 31);
            }
            add("bytes " + size, data);
        }
        long[] moments = {0, 1, -1, 60_000, -60_000, 59_999, 1_700_000_000_000L, 894_621_091_000L,
            0x7fff_ffffL * 60_000, 0x8000_0000L * 60_000, -0x8000_0000L * 60_000, -0x8000_0001L * 60_000,
            Long.MAX_VALUE, Long.MIN_VALUE};
        for (long moment : moments) {
            add("date " + moment, new Date(moment));
        }
        lists();
        maps();
        objects();
        graphs();
        standard();
        bodies();
    }

    private static void numbers() {
        for (int value : new int[] {0, 1, -1, 47, 48, -16, -17, 2047, 2048, -2048, -2049, 262143, 262144, -262144,
            -262145, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            add("int " + value, value);
        }
        for (long value : new long[] {0, 1, -1, 15, 16, -8, -9, 2047, 2048, -2048, -2049, 262143, 262144, -262144,
            -262145, Integer.MAX_VALUE, Integer.MIN_VALUE, 1L + Integer.MAX_VALUE, -1L + Integer.MIN_VALUE,
            Long.MAX_VALUE, Long.MIN_VALUE}) {
            add("long " + value, value);
        }
        for (double value : new double[] {0, 1, -1, 2, 127, 128, -128, -129, 255, 32767, 32768, -32768, -32769, 65536,
            0.001, 0.1, 12.25, 65.536, -0.001, 0.0001, 1.005, 3.14159, 123456.789, 2147483.647, -2147483.648,
            2147483.648, 2147484.0, 1e10, 1e100, 1e-100, Double.MAX_VALUE, Double.MIN_VALUE, Double.NaN,
            Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 0.5, 100.0 / 3}) {
            add("double " + value, value);
        }
    }

    private static void texts() {
        for (int size : new int[] {0, 1, 31, 32, 1023, 1024, 32768, 32769, 65536, 70000}) {
            add("ascii " + size, units(size, "a"));
        }
        for (int size : new int[] {1, 31, 32, 1023, 1024, 32768, 32769, 70000}) {
            add("two bytes " + size, units(size, "\u00e9"));
            add("three bytes " + size, units(size, "\u5f20"));
        }
        for (int size : new int[] {1, 15, 16, 511, 512, 16384, 16385, 35000}) {
            add("pairs " + size, units(size, "\ud83d\ude00"));
            add("pairs after one " + size, "a" + units(size, "\ud83d\ude00"));
        }
        add("high surrogate", "\ud83d");
        add("low surrogate", "\ude00");
        add("surrogates the wrong way round", "\ude00\ud83d");
        add("high surrogates at a chunk's end", units(32767, "a") + "\ud83d\ud83d\ud83d");
        add("zero and friends", "\0\u0001\u007f\u0080\u07ff\u0800\uffff");
    }

    private static void lists() {
        for (int size : new int[] {0, 1, 7, 8, 47, 48, 300}) {
            List<Object> list = new ArrayList<>();
            int[] array = new int[size];
            for (int i = 0; i < size; i++) {
                list.add(i % 3 == 0 ? (Object) i : "item " + i);
                array[i] = i * i;
            }
            add("list " + size, list);
            add("linked list " + size, new LinkedList<>(list));
            add("int array " + size, array);
        }
        add("long array", new long[] {0, 1, Long.MAX_VALUE});
        add("double array", new double[] {0, 1, 0.5});
        add("float array", new float[] {0, 1, 0.5f});
        add("boolean array", new boolean[] {true, false});
        add("short array", new short[] {1, -1});
        add("string array", new String[] {"a", null, "b"});
        add("object array", new Object[] {1, "a", null, 2L});
        add("nested arrays", new int[][] {{1}, {2, 3}});
        add("hash set", new HashSet<>(List.of("one")));
        add("linked hash set", new LinkedHashSet<>(List.of(3, 1, 2)));
        add("tree set", new TreeSet<>(List.of("b", "a")));
        add("vector", new Vector<>(List.of(1)));
        add("lists of lists", new ArrayList<>(List.of(new ArrayList<>(List.of(1)), new LinkedList<>(List.of(2)),
            new LinkedList<>(List.of(3)))));
    }

    private static void maps() {
        add("map empty", new HashMap<>());
        add("map", new HashMap<>(Map.of("a", 1)));
        add("map of ints", new HashMap<>(Map.of(1, "one", 2, "two")));
        add("map of longs", new HashMap<>(Map.of(1L, "one")));
        add("tree map", new TreeMap<>(Map.of("b", 2, "a", 1)));
        Map<Object, Object> linked = new LinkedHashMap<>();
        linked.put("z", 1);
        linked.put("a", 2);
        linked.put(null, 3);
        add("linked map", linked);
        Map<Object, Object> odd = new HashMap<>();
        odd.put(new ArrayList<>(List.of(1)), "a list");
        add("map with a list as its key", odd);
        Map<Object, Object> mixed = new LinkedHashMap<>();
        mixed.put(1, "int");
        mixed.put(1L, "long");
        mixed.put(1.0, "double");
        mixed.put(true, "bool");
        add("map with keys that are one in Python", new HashMap<>(mixed));
        add("map with enum keys", new HashMap<>(Map.of(Color.RED, 1)));
        add("hashtable", new Hashtable<>(Map.of("a", 1)));
        add("concurrent map", new java.util.concurrent.ConcurrentHashMap<>(Map.of("a", 1)));
    }

    private static void objects() {
        add("object", new Thing(1, "two", 3.0));
        add("object without fields", new Nothing());
        add("object with a field twice", new Below());
        add("objects", new ArrayList<>(List.of(new Thing(1, 2L, null), new Thing("a", true, new Nothing()))));
        List<Object> many = new ArrayList<>();
        many.addAll(List.of(new C00(), new C01(), new C02(), new C03(), new C04(), new C05(), new C06(), new C07(),
            new C08(), new C09(), new C10(), new C11(), new C12(), new C13(), new C14(), new C15()));
        many.addAll(List.of(new C16(), new C17(), new C16(), new C15(), new C00()));
        add("objects of 18 classes", many);
        add("order", Order.of(3));
        List<Object> orders = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            orders.add(Order.of(i));
        }
        add("orders", orders);
        add("enum", Color.RED);
        add("enum with a body", Color.GREEN);
        add("enums", new ArrayList<>(List.of(Color.RED, Color.GREEN, Color.RED)));
    }

    private static void graphs() {
        List<Object> shared = new ArrayList<>(List.of("shared"));
        add("shared list", new ArrayList<>(List.of(shared, shared, shared)));
        List<Object> self = new ArrayList<>();
        self.add(self);
        add("list of itself", self);
        Map<Object, Object> loop = new HashMap<>();
        loop.put("me", loop);
        add("map of itself", loop);
        Thing thing = new Thing();
        thing.a = thing;
        add("object of itself", thing);
        List<Object> laughs = new ArrayList<>(List.of("ha"));
        for (int i = 0; i < 40; i++) {
            laughs = new ArrayList<>(List.of(laughs, laughs));
        }
        add("a billion laughs", laughs);
    }

    private static void standard() {
        add("byte", (byte) 7);
        add("short", (short) 700);
        add("float", 1.5f);
        add("char", 'c');
        add("BigDecimal", new BigDecimal("-12345678901234567890.0001"));
        add("BigInteger", new BigInteger("-12345678901234567890"));
        add("UUID", UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"));
        add("Locale", Locale.CANADA_FRENCH);
        add("Class", String.class);
        add("AtomicLong", new java.util.concurrent.atomic.AtomicLong(7));
        add("sql Timestamp", new java.sql.Timestamp(1_700_000_000_123L));
        Calendar calendar = new GregorianCalendar(TimeZone.getTimeZone("UTC"));
        calendar.setTimeInMillis(1_700_000_000_123L);
        add("Calendar", calendar.getTime());
        add("Instant", Instant.ofEpochSecond(1_700_000_000L, 123_456_789));
        add("LocalDate", LocalDate.of(2023, 11, 14));
        add("LocalTime", LocalTime.of(22, 13, 20, 123_456_789));
        add("LocalDateTime", LocalDateTime.of(2023, 11, 14, 22, 13, 20, 5));
        add("ZonedDateTime", ZonedDateTime.of(2023, 11, 14, 22, 13, 20, 0, ZoneId.of("Europe/Paris")));
        add("OffsetDateTime", OffsetDateTime.of(2023, 11, 14, 22, 13, 20, 0, ZoneOffset.ofHours(8)));
        add("OffsetTime", OffsetTime.of(22, 13, 20, 0, ZoneOffset.ofHoursMinutes(-3, -30)));
        add("Duration", Duration.ofSeconds(3661, 5));
        add("Period", Period.of(1, 2, 3));
        add("Year", Year.of(2023));
        add("YearMonth", YearMonth.of(2023, 11));
        add("MonthDay", MonthDay.of(11, 14));
        add("ZoneOffset", ZoneOffset.ofHours(8));
        add("ZoneId", ZoneId.of("Europe/Paris"));
        add("exception", thrown(new IllegalStateException("broken \u5f20")));
        add("exception without a message", thrown(new NullPointerException()));
        add("exception with causes", thrown(new OrderException("no stock", 42,
            new RuntimeException("outer", new java.io.IOException("disk")))));
        add("StackTraceElement", new StackTraceElement("org.example.Main", "run", "Main.java", 42));
    }

    /** With a stack trace that is the same each time. */
    private static Throwable thrown(Throwable error) {
        for (Throwable one = error; one != null; one = one.getCause()) {
            one.setStackTrace(new StackTraceElement[] {
                new StackTraceElement("org.example.Main", "run", "Main.java", 42),
                new StackTraceElement("org.example.Main$Inner", "<init>", "Main.java", 7),
                new StackTraceElement("jdk.internal.Thing", "invoke0", null, -2)});
        }
        return error;
    }

    private static void bodies() {
        List<Object> shared = new ArrayList<>(List.of("shared"));
        Thing thing = new Thing(shared, shared, Color.RED);
        Map<Object, Object> attachments = new HashMap<>();
        attachments.put("thing", thing);
        BODIES.put("references between values", new Object[] {
            "2.0.2", shared, thing, new LinkedList<>(List.of(1)), new Thing(thing, Color.RED, new LinkedList<>()),
            attachments});
        BODIES.put("nothing shared", new Object[] {"a", 1, null, new ArrayList<>(), new HashMap<>(Map.of("k", "v"))});
    }
}
