package org.example.orders;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.dubbo.rpc.RpcContext;

public class OrdersImpl implements Orders {
    private final String name;

    public OrdersImpl(String name) {
        this.name = name;
    }

    @Override
    public String greet(String who) {
        return name + ": hello " + who;
    }

    @Override
    public Order find(long id) {
        Order order = new Order(id, "order " + id);
        order.setParent(order);
        order.getLines().add("größe 日本 \uD83D\uDE00");
        return order;
    }

    @Override
    public Order nothing() {
        return null;
    }

    @Override
    public int sum(int[] values) {
        int total = 0;
        for (int value : values) {
            total += value;
        }
        return total;
    }

    @Override
    public List<Order> list(int count, Map<String, Object> filter) {
        List<Order> found = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            found.add(new Order(number, "listed " + filter.get("prefix")));
        }
        return found;
    }

    @Override
    public String compare(Order first, Order second) {
        return first == second ? "same" : "different";
    }

    @Override
    public byte[] reverse(byte[] data) {
        byte[] result = new byte[data.length];
        for (int index = 0; index < data.length; index++) {
            result[index] = data[data.length - 1 - index];
        }
        return result;
    }

    @Override
    public String fail(String text) throws OrderException {
        throw new OrderException(text, 42);
    }

    @Override
    public String crash(String text) {
        throw new IllegalStateException(text, new RuntimeException("the cause"));
    }

    @Override
    public void note(String text) {
        System.out.println("NOTE " + text);
        System.out.flush();
    }

    @Override
    public void touch() {}

    @Override
    public String sleep(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
        return "slept";
    }

    @Override
    public void subscribe(String key, Listener listener) {
        listener.changed(key + " has changed");
    }

    @Override
    public Map<String, Object> attachments() {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("service", name);
        for (Map.Entry<String, Object> entry :
                new TreeMap<>(RpcContext.getContext().getObjectAttachments()).entrySet()) {
            found.put(entry.getKey(), String.valueOf(entry.getValue()));
        }
        return found;
    }
}
