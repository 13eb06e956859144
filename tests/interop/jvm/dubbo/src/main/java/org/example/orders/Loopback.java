package org.example.orders;

import java.lang.reflect.Field;
import java.net.InetAddress;
import org.apache.dubbo.common.utils.NetUtils;

/** Dubbo replaces 127.0.0.1 by the address of a network card; the tests stay on the loopback interface. */
final class Loopback {
    static void use() throws ReflectiveOperationException, java.net.UnknownHostException {
        Field field = NetUtils.class.getDeclaredField("LOCAL_ADDRESS");
        field.setAccessible(true);
        field.set(null, InetAddress.getByName("127.0.0.1"));
    }

    private Loopback() {}
}
