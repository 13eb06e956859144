package org.example.hessian;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Classes of an application. */
final class Things {
    private Things() {}

    static class Thing implements Serializable {
        Object a;
        Object b;
        Object c;

        Thing() {}

        Thing(Object a, Object b, Object c) {
            this.a = a;
            this.b = b;
            this.c = c;
        }
    }

    static class Nothing implements Serializable {}

    static class Above implements Serializable {
        private String name = "above";
        int number = 1;
    }

    static class Below extends Above {
        private String name = "below";
    }

    enum Color { RED, GREEN { @Override public String toString() { return "verdant"; } } }

    static class Order implements Serializable {
        long id;
        int count;
        double price;
        boolean paid;
        String customer;
        Color color = Color.RED;
        List<String> tags = new ArrayList<>();
        Map<String, Object> extra = new LinkedHashMap<>();
        java.util.Date created;
        java.math.BigDecimal total = new java.math.BigDecimal("123.4500");
        byte[] blob;
        Order parent;

        static Order of(int n) {
            Order order = new Order();
            order.id = 1_000_000_000_000L + n;
            order.count = n * 7 - 3;
            order.price = n * 1.25;
            order.paid = n % 2 == 0;
            order.customer = "customer " + n + (n % 5 == 0 ? " \u5f20\u4e09" : "");
            order.color = n % 3 == 0 ? Color.RED : Color.GREEN;
            order.tags.add("tag" + n);
            order.tags.add("common");
            order.extra.put("attempt", n);
            order.extra.put("note", "n".repeat(n));
            order.created = new java.util.Date(1_700_000_000_000L + n * 1001L);
            order.blob = new byte[n];
            return order;
        }
    }

    static class OrderException extends Exception {
        final int code;
        final Map<String, Object> detail = new LinkedHashMap<>();

        OrderException(String message, int code, Throwable cause) {
            super(message, cause);
            this.code = code;
            detail.put("code", code);
        }
    }

    static class C00 extends Nothing { int x = 0; }
    static class C01 extends Nothing { int x = 1; }
    static class C02 extends Nothing { int x = 2; }
    static class C03 extends Nothing { int x = 3; }
    static class C04 extends Nothing { int x = 4; }
    static class C05 extends Nothing { int x = 5; }
    static class C06 extends Nothing { int x = 6; }
    static class C07 extends Nothing { int x = 7; }
    static class C08 extends Nothing { int x = 8; }
    static class C09 extends Nothing { int x = 9; }
    static class C10 extends Nothing { int x = 10; }
    static class C11 extends Nothing { int x = 11; }
    static class C12 extends Nothing { int x = 12; }
    static class C13 extends Nothing { int x = 13; }
    static class C14 extends Nothing { int x = 14; }
    static class C15 extends Nothing { int x = 15; }
    static class C16 extends Nothing { int x = 16; }
    static class C17 extends Nothing { int x = 17; }
}
