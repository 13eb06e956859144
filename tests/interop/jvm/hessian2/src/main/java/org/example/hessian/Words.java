package org.example.hessian;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/** What a value is, in JSON: each kind under its own name, so that 1 the int and 1 the long differ. */
final class Words {
    private final IdentityHashMap<Object, Integer> seen = new IdentityHashMap<>();
    private final IdentityHashMap<Object, Integer> above = new IdentityHashMap<>();
    private final StringBuilder out = new StringBuilder();

    private final Library library;

    private Words(Library library) {
        this.library = library;
    }

    static String of(Library library, Object value) {
        Words words = new Words(library);
        words.say(value);
        return words.out.toString();
    }

    private void say(Object value) {
        if (value == null) {
            out.append("{\"null\":true}");
        } else if (value instanceof Boolean) {
            out.append("{\"bool\":").append(value).append('}');
        } else if (value instanceof Integer
                || library == Library.LITE && (value instanceof Short || value instanceof Byte)) {
            out.append("{\"int\":").append(value).append('}');
        } else if (value instanceof Long) {
            out.append("{\"long\":").append(value).append('}');
        } else if (value instanceof Double) {
            out.append("{\"double\":").append(quote(Double.toString((Double) value))).append('}');
        } else if (value instanceof String) {
            text((String) value);
        } else if (value instanceof byte[]) {
            bytes((byte[]) value);
        } else if (value instanceof Date && value.getClass() == Date.class) {
            out.append("{\"date\":").append(((Date) value).getTime()).append('}');
        } else if (above.containsKey(value)) {
            out.append("{\"again\":true}");
        } else if (seen.containsKey(value)) {
            out.append("{\"ref\":").append(seen.get(value)).append('}');
        } else {
            seen.put(value, seen.size());
            if (value instanceof Object[]) {
                list(arrayType(value), List.of(), (Object[]) value);
            } else if (value.getClass().isArray()) {
                primitives(value);
            } else if (value.getClass() == ArrayList.class) {
                // An ordinary list to Caucho; hessian-lite writes its class too.
                list(library == Library.LITE ? "java.util.ArrayList" : null, (Collection<?>) value, null);
            } else if (value instanceof Collection && !(value instanceof java.util.EnumSet)) {
                list(value.getClass().getName(), (Collection<?>) value, null);
            } else if (value instanceof Map && value.getClass().getName().startsWith("java.util")) {
                map((Map<?, ?>) value);
            } else if (value instanceof Enum) {
                Enum<?> item = (Enum<?>) value;
                out.append("{\"object\":").append(quote(item.getDeclaringClass().getName()));
                out.append(",\"fields\":[[\"name\",").append("{\"str\":").append(quote(item.name())).append("}]]}");
            } else if (value.getClass().getName().startsWith("org.example.hessian.Things")
                    && !(value instanceof Throwable)) {
                object(value);
            } else {
                out.append("{\"other\":").append(quote(value.getClass().getName()));
                out.append(",\"text\":").append(quote(String.valueOf(value))).append('}');
            }
        }
    }

    private void text(String value) {
        if (value.length() <= 200) {
            out.append("{\"str\":").append(quote(value)).append('}');
        } else {
            out.append("{\"str_units\":").append(value.length());
            out.append(",\"sha256\":\"").append(digest(value)).append("\"}");
        }
    }

    /** Of the UTF-16 units, big-endian; Java's own encoder would lose a surrogate that stands alone. */
    private static String digest(String value) {
        byte[] raw = new byte[value.length() * 2];
        for (int i = 0; i < value.length(); i++) {
            raw[2 * i] = (byte) (value.charAt(i) >> 8);
            raw[2 * i + 1] = (byte) value.charAt(i);
        }
        return sha256(raw);
    }

    static String sha256(byte[] raw) {
        try {
            return hex(MessageDigest.getInstance("SHA-256").digest(raw));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private void bytes(byte[] value) {
        if (value.length <= 200) {
            out.append("{\"bytes\":\"").append(hex(value)).append("\"}");
        } else {
            out.append("{\"bytes_size\":").append(value.length);
            out.append(",\"sha256\":\"").append(sha256(value)).append("\"}");
        }
    }

    private static String arrayType(Object array) {
        return arrayType(array.getClass().getComponentType());
    }

    private static String arrayType(Class<?> item) {
        if (item.isArray()) {
            return "[" + arrayType(item.getComponentType());
        }
        return "[" + (item == String.class ? "string" : item == Object.class ? "object" : item.getName());
    }

    private void primitives(Object array) {
        int size = java.lang.reflect.Array.getLength(array);
        Object[] items = new Object[size];
        for (int i = 0; i < size; i++) {
            Object item = java.lang.reflect.Array.get(array, i);
            items[i] = item instanceof Float ? Double.valueOf((Float) item)
                : item instanceof Short ? Integer.valueOf((Short) item) : item;
        }
        list(arrayType(array), List.of(), items);
    }

    private void list(String type, Collection<?> some, Object[] more) {
        out.append("{\"list\":[");
        String between = "";
        for (Object item : more == null ? some.toArray() : more) {
            out.append(between);
            say(item);
            between = ",";
        }
        out.append(']');
        type(type);
        out.append('}');
    }

    private void type(String type) {
        if (type != null) {
            out.append(",\"type\":").append(quote(type));
        }
    }

    private void map(Map<?, ?> value) {
        out.append("{\"map\":[");
        String between = "";
        for (Map.Entry<?, ?> entry : value.entrySet()) {
            out.append(between).append('[');
            say(entry.getKey());
            out.append(',');
            say(entry.getValue());
            out.append(']');
            between = ",";
        }
        out.append(']');
        type(value.getClass() == java.util.HashMap.class ? null : value.getClass().getName());
        out.append('}');
    }

    private void object(Object value) {
        // In the order of the libraries: a class's own fields, then those above it; of each, plain ones before others.
        out.append("{\"object\":").append(quote(value.getClass().getName())).append(",\"unordered\":[");
        String between = "";
        for (Class<?> type = value.getClass(); type != Object.class; type = type.getSuperclass()) {
            for (Field field : type.getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers()) || Modifier.isTransient(field.getModifiers())) {
                    continue;
                }
                field.setAccessible(true);
                out.append(between).append('[').append(quote(field.getName())).append(',');
                try {
                    Object part = field.get(value);
                    boolean container = part != null && !(part instanceof Number && part.getClass().getName()
                            .startsWith("java.lang")) && !(part instanceof String) && !(part instanceof Boolean);
                    // Fields are written in another order than Java lists them, so containers have no common numbers.
                    if (container && !(part instanceof byte[]) && part.getClass() != Date.class) {
                        Words words = new Words(library);
                        words.above.putAll(above);
                        words.above.putAll(seen);
                        words.say(part);
                        out.append(words.out);
                    } else {
                        say(part);
                    }
                } catch (IllegalAccessException impossible) {
                    throw new IllegalStateException(impossible);
                }
                out.append(']');
                between = ",";
            }
        }
        out.append("]}");
    }

    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char unit : text.toCharArray()) {
            if (unit >= ' ' && unit < 127 && unit != '"' && unit != '\\') {
                quoted.append(unit);
            } else {
                quoted.append(String.format("\\u%04x", (int) unit));
            }
        }
        return quoted.append('"').toString();
    }

    static String hex(byte[] data) {
        StringBuilder text = new StringBuilder(data.length * 2);
        for (byte one : data) {
            text.append(Character.forDigit(one >> 4 & 15, 16)).append(Character.forDigit(one & 15, 16));
        }
        return text.toString();
    }

    static byte[] unhex(String text) {
        byte[] data = new byte[text.length() / 2];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
        }
        return data;
    }
}
