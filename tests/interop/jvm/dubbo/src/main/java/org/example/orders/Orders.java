package org.example.orders;

import java.util.List;
import java.util.Map;

/** The service that the tests call. */
public interface Orders {
    String greet(String name);

    Order find(long id);

    Order nothing();

    int sum(int[] values);

    List<Order> list(int count, Map<String, Object> filter);

    String compare(Order first, Order second);

    byte[] reverse(byte[] data);

    String fail(String text) throws OrderException;

    String crash(String text);

    void note(String text);

    void touch();

    String sleep(int millis);

    void subscribe(String key, Listener listener);

    Map<String, Object> attachments();
}
