package org.example.orders;

/** Called by the provider on the consumer's connection. */
public interface Listener {
    String changed(String what);
}
