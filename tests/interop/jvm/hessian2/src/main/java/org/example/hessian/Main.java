package org.example.hessian;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * {@code record}: one JSON object a line for every sample as each library writes it.
 *
 * <p>{@code echo LIBRARY}: for every line of hexadecimal digits, the value that the library reads in there as it writes it
 * again, in hexadecimal digits, and a tab, and the value in words; or {@code error} and what it said.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "UTF-8");
        System.setOut(System.err);
        if (arguments[0].equals("record")) {
            record(out);
        } else {
            echo(Library.valueOf(arguments[1]), out);
        }
        out.flush();
    }

    private static void record(PrintStream out) {
        for (Library library : Library.values()) {
            for (Map.Entry<String, Object> sample : Samples.ALL.entrySet()) {
                line(out, library, sample.getKey(), new Object[] {sample.getValue()});
            }
            for (Map.Entry<String, Object[]> body : Samples.BODIES.entrySet()) {
                line(out, library, body.getKey(), body.getValue());
            }
        }
    }

    private static void line(PrintStream out, Library library, String name, Object[] values) {
        byte[] data;
        try {
            data = library.write(values);
        } catch (Exception | StackOverflowError error) {
            System.err.println(library + " cannot write " + name + ": " + error);
            return;
        }
        StringBuilder words = new StringBuilder();
        for (Object value : values) {
            words.append(words.length() == 0 ? "" : ",").append(Words.of(library, value));
        }
        out.printf("{\"library\":\"%s\",\"name\":%s,\"data\":\"%s\",\"values\":[%s]}%n",
            library.name().toLowerCase(), Words.quote(name), Words.hex(data), words);
    }

    private static void echo(Library library, PrintStream out) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                Object value = library.read(Words.unhex(line));
                out.println(Words.hex(library.write(value)) + "\t" + Words.of(library, value));
            } catch (Exception | StackOverflowError error) {
                out.println("error\t" + Words.quote(String.valueOf(error)));
            }
            out.flush();
        }
    }
}
