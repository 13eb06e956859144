package org.example.orders;

import java.io.Serializable;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;

/** An order; `parent` may be the order itself. */
public class Order implements Serializable {
    private static final long serialVersionUID = 1L;

    private long id;
    private String name;
    private BigDecimal price;
    private Date created;
    private Status status;
    private List<String> lines = new ArrayList<>();
    private Order parent;

    public Order() {}

    public Order(long id, String name) {
        this.id = id;
        this.name = name;
        this.price = new BigDecimal("12.50");
        this.created = new Date(1_700_000_000_123L);
        this.status = Status.OPEN;
    }

    public long getId() {
        return id;
    }

    public void setId(long id) {
        this.id = id;
    }

    public String getName() {
        return name;
    }

    public void setName(String name) {
        this.name = name;
    }

    public BigDecimal getPrice() {
        return price;
    }

    public void setPrice(BigDecimal price) {
        this.price = price;
    }

    public Date getCreated() {
        return created;
    }

    public void setCreated(Date created) {
        this.created = created;
    }

    public Status getStatus() {
        return status;
    }

    public void setStatus(Status status) {
        this.status = status;
    }

    public List<String> getLines() {
        return lines;
    }

    public void setLines(List<String> lines) {
        this.lines = lines;
    }

    public Order getParent() {
        return parent;
    }

    public void setParent(Order parent) {
        this.parent = parent;
    }
}
