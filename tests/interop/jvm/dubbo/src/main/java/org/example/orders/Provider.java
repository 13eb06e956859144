package org.example.orders;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.dubbo.common.Version;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ArgumentConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;

/** Provider PORT SERIALIZATION [PROTOCOL]: exports Orders three times, until its standard input ends. */
public class Provider {
    public static void main(String[] arguments) throws Exception {
        Loopback.use();
        ApplicationConfig application = new ApplicationConfig("provider");
        application.setQosEnable(false);
        ProtocolConfig protocol = new ProtocolConfig();
        protocol.setName(arguments.length > 2 ? arguments[2] : "dubbo");
        protocol.setHost("127.0.0.1");
        protocol.setPort(Integer.parseInt(arguments[0]));
        protocol.setSerialization(arguments[1]);
        // Dubbo 3 has moved most commands to another port.
        protocol.setTelnet(Version.getVersion().startsWith("2.") ? "help,status,ls,cd,pwd,invoke" : "help,status");
        List<ServiceConfig<Orders>> services = new ArrayList<>();
        String[][] keys = {{null, null}, {"1.0", null}, {"2.0", "blue"}};
        for (String[] key : keys) {
            ServiceConfig<Orders> service = new ServiceConfig<>();
            service.setApplication(application);
            service.setRegistry(new RegistryConfig("N/A"));
            service.setProtocol(protocol);
            service.setInterface(Orders.class);
            service.setRef(new OrdersImpl(key[0] + "/" + key[1]));
            service.setVersion(key[0]);
            service.setGroup(key[1]);
            service.setMethods(Collections.singletonList(callback()));
            service.export();
            services.add(service);
        }
        System.out.println("READY");
        System.out.flush();
        while (System.in.read() >= 0) {}
        for (ServiceConfig<Orders> service : services) {
            service.unexport();
        }
        System.exit(0);
    }

    static MethodConfig callback() {
        ArgumentConfig argument = new ArgumentConfig();
        argument.setIndex(1);
        argument.setCallback(true);
        MethodConfig method = new MethodConfig();
        method.setName("subscribe");
        method.setArguments(Collections.singletonList(argument));
        return method;
    }
}
