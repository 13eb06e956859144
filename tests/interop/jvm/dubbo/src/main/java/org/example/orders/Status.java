package org.example.orders;

public enum Status {
    OPEN,
    PAID
}
