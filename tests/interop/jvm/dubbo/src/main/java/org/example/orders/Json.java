package org.example.orders;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Values as JSON, types told apart: {"$long": 1}, {"$date": milliseconds}, {"$decimal": text}, {"$enum": [class, name]},
 * {"$bytes": base64}, {"$object": class, "fields": …}, {"$same": n} for the nth object again.
 */
final class Json {
    private final StringBuilder out = new StringBuilder();
    private final IdentityHashMap<Object, Integer> seen = new IdentityHashMap<>();

    static String of(Object value) {
        Json json = new Json();
        json.write(value);
        return json.out.toString();
    }

    private void write(Object value) {
        if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Double) {
            out.append(value);
        } else if (value instanceof Long) {
            out.append("{\"$long\": ").append(value).append('}');
        } else if (value instanceof String) {
            text((String) value);
        } else if (value instanceof BigDecimal) {
            mark("$decimal", value.toString());
        } else if (value instanceof Date) {
            out.append("{\"$date\": ").append(((Date) value).getTime()).append('}');
        } else if (value instanceof byte[]) {
            mark("$bytes", Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof Enum) {
            out.append("{\"$enum\": [");
            text(value.getClass().getName());
            out.append(", ");
            text(((Enum<?>) value).name());
            out.append("]}");
        } else if (value instanceof Map) {
            map((Map<?, ?>) value);
        } else if (value instanceof Collection) {
            items(((Collection<?>) value).toArray());
        } else if (value.getClass().isArray()) {
            items(value);
        } else {
            object(value);
        }
    }

    private void mark(String name, String value) {
        out.append("{\"").append(name).append("\": ");
        text(value);
        out.append('}');
    }

    private void map(Map<?, ?> map) {
        String separator = "{";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(separator);
            text(String.valueOf(entry.getKey()));
            out.append(": ");
            write(entry.getValue());
            separator = ", ";
        }
        out.append(map.isEmpty() ? "{}" : "}");
    }

    private void items(Object array) {
        out.append('[');
        for (int index = 0; index < Array.getLength(array); index++) {
            out.append(index == 0 ? "" : ", ");
            write(Array.get(array, index));
        }
        out.append(']');
    }

    private void object(Object value) {
        Integer known = seen.get(value);
        if (known != null) {
            out.append("{\"$same\": ").append(known).append('}');
            return;
        }
        seen.put(value, seen.size());
        Map<String, Object> fields = new TreeMap<>();
        for (Field field : value.getClass().getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !Modifier.isTransient(field.getModifiers())) {
                field.setAccessible(true);
                try {
                    fields.put(field.getName(), field.get(value));
                } catch (IllegalAccessException impossible) {
                    throw new IllegalStateException(impossible);
                }
            }
        }
        out.append("{\"$object\": ");
        text(value.getClass().getName());
        out.append(", \"fields\": ");
        map(fields);
        out.append('}');
    }

    private void text(String value) {
        out.append('"');
        for (int index = 0; index < value.length(); index++) {
            char character = value.charAt(index);
            if (character == '"' || character == '\\' || character < 32 || character > 126) {
                out.append(String.format("\\u%04x", (int) character));
            } else {
                out.append(character);
            }
        }
        out.append('"');
    }
}
