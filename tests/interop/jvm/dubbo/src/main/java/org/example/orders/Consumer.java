package org.example.orders;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.service.EchoService;
import org.apache.dubbo.rpc.service.GenericService;

/**
 * Consumer PORT SERIALIZATION [PROTOCOL]: calls Orders in every way there is, and prints one line of JSON a call: what
 * the application gave to Dubbo, and what it got.
 */
public class Consumer {
    private static ApplicationConfig application;
    private static String address;

    public static void main(String[] arguments) throws Exception {
        Loopback.use();
        application = new ApplicationConfig("consumer");
        application.setQosEnable(false);
        String protocol = arguments.length > 2 ? arguments[2] : "dubbo";
        address = protocol + "://127.0.0.1:" + arguments[0] + "/" + Orders.class.getName()
                + "?heartbeat=1000&subscribe.1.callback=true&serialization=" + arguments[1] + "&prefer.serialization=" + arguments[1];
        Orders plain = refer(null, null);
        String service = Orders.class.getName();

        call(service, null, null, "greet", list("Ada"), () -> plain.greet("Ada"));
        if (protocol.equals("tri")) {
            System.exit(0);
        }
        call(service, null, null, "greet", list("größe 日本 \uD83D\uDE00"), () -> plain.greet("größe 日本 \uD83D\uDE00"));
        call(service, null, null, "greet", Collections.singletonList(null), () -> plain.greet(null));
        call(service, null, null, "find", list(17L), () -> plain.find(17L));
        call(service, null, null, "nothing", list(), plain::nothing);
        call(service, null, null, "sum", list((Object) new int[] {1, -2, 300000}), () -> plain.sum(new int[] {1, -2, 300000}));
        Map<String, Object> filter = new LinkedHashMap<>();
        filter.put("prefix", "p");
        filter.put("limit", 9);
        filter.put("ratio", 0.25);
        filter.put("deep", Arrays.asList(true, null, "x"));
        call(service, null, null, "list", list(2, filter), () -> plain.list(2, filter));
        Order order = new Order(5, "one");
        call(service, null, null, "compare", list(order, order), () -> plain.compare(order, order));
        call(service, null, null, "compare", list(order, new Order(6, "two")), () -> plain.compare(order, new Order(6, "two")));
        byte[] data = new byte[40];
        for (int index = 0; index < data.length; index++) {
            data[index] = (byte) (index * 7);
        }
        call(service, null, null, "reverse", list((Object) data), () -> plain.reverse(data));
        char[] many = new char[5000];
        Arrays.fill(many, 'x');
        String large = new String(many);
        call(service, null, null, "greet", list(large), () -> plain.greet(large));
        call(service, null, null, "fail", list("out of stock"), () -> plain.fail("out of stock"));
        call(service, null, null, "crash", list("by hand"), () -> plain.crash("by hand"));
        call(service, null, null, "note", list("nobody waits"), () -> {
            plain.note("nobody waits");
            return null;
        });
        call(service, null, null, "touch", list(), () -> {
            plain.touch();
            return null;
        });
        Orders one = refer("1.0", null);
        call(service, "1.0", null, "greet", list("Grace"), () -> one.greet("Grace"));
        Orders blue = refer("2.0", "blue");
        call(service, "2.0", "blue", "greet", list("Edsger"), () -> blue.greet("Edsger"));
        RpcContext.getContext().setAttachment("user", "ada");
        RpcContext.getContext().setAttachment("dubbo.tag", "canary");
        RpcContext.getContext().setAttachment("größe", "日本");
        call(service, "2.0", "blue", "attachments", list(), blue::attachments);
        if (!arguments[1].equals("gson")) {
            call(service, null, null, "$echo", list("are you there"), () -> ((EchoService) plain).$echo("are you there"));
            GenericService generic = generic();
            String[] types = {"java.lang.String"};
            Object[] values = {"Barbara"};
            call(service, "1.0", null, "$invoke", list("greet", types, values), () -> generic.$invoke("greet", types, values));
            String[] compared = {Order.class.getName(), Order.class.getName()};
            Map<String, Object> as = new LinkedHashMap<>();
            as.put("class", Order.class.getName());
            as.put("id", 8L);
            Object[] both = {as, as};
            call(service, "1.0", null, "$invoke", list("compare", compared, both), () -> generic.$invoke("compare", compared, both));
            call(service, "1.0", null, "$invokeAsync", list("greet", types, values), () -> generic.$invokeAsync("greet", types, values).get());
        }
        if (arguments[1].equals("hessian2")) {
            Listener listener = what -> "heard " + what;
            call(service, null, null, "subscribe", Arrays.asList("stock", null), () -> {
                plain.subscribe("stock", listener);
                return null;
            });
        }
        Orders wrong = refer("9.9", null);
        call(service, "9.9", null, "greet", list("nobody"), () -> wrong.greet("nobody"));
        Thread.sleep(3500);
        call(service, null, null, "greet", list("again"), () -> plain.greet("again"));
        System.out.println("DONE");
        System.out.flush();
        while (System.in.read() >= 0) {}
        System.exit(0);
    }

    private static <T> ReferenceConfig<T> reference(String version, String group) {
        ReferenceConfig<T> reference = new ReferenceConfig<>();
        reference.setApplication(application);
        reference.setInterface(Orders.class.getName());
        reference.setUrl(address);
        reference.setVersion(version);
        reference.setGroup(group);
        reference.setCheck(false);
        reference.setTimeout(10_000);
        reference.setRetries(0);
        return reference;
    }

    private static Orders refer(String version, String group) {
        ReferenceConfig<Orders> reference = reference(version, group);
        MethodConfig note = new MethodConfig();
        note.setName("note");
        note.setReturn(false);
        reference.setMethods(Arrays.asList(note, Provider.callback()));
        return reference.get();
    }

    private static GenericService generic() {
        ReferenceConfig<GenericService> reference = reference("1.0", null);
        reference.setGeneric("true");
        return reference.get();
    }

    private static List<Object> list(Object... values) {
        return Arrays.asList(values);
    }

    private static void call(
            String service, String version, String group, String method, List<Object> arguments, Callable<Object> call) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("service", service);
        line.put("version", version);
        line.put("group", group);
        line.put("method", method);
        line.put("arguments", new ArrayList<>(arguments));
        line.put("attachments", new LinkedHashMap<>(RpcContext.getContext().getObjectAttachments()));
        try {
            line.put("result", call.call());
        } catch (Throwable thrown) {
            line.put("exception", thrown.getClass().getName());
            line.put("message", String.valueOf(thrown.getMessage()).split("\\R")[0]);
        }
        RpcContext.getContext().clearAttachments();
        System.out.println(Json.of(line));
        System.out.flush();
    }
}
