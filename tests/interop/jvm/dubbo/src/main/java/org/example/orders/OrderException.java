package org.example.orders;

/** What the service declares. */
public class OrderException extends Exception {
    private static final long serialVersionUID = 1L;

    private int code;

    public OrderException() {}

    public OrderException(String message, int code) {
        super(message);
        this.code = code;
    }

    public int getCode() {
        return code;
    }

    public void setCode(int code) {
        this.code = code;
    }
}
