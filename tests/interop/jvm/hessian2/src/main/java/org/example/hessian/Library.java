package org.example.hessian;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/** The two libraries, which have the same names in two packages. */
enum Library {
    LITE {
        @Override
        byte[] write(Object... values) throws IOException {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            var hessian = new com.alibaba.com.caucho.hessian.io.Hessian2Output(out);
            for (Object value : values) {
                hessian.writeObject(value);
            }
            hessian.flush();
            return out.toByteArray();
        }

        @Override
        Object read(byte[] data) throws IOException {
            var hessian = new com.alibaba.com.caucho.hessian.io.Hessian2Input(new ByteArrayInputStream(data));
            var factory = new com.alibaba.com.caucho.hessian.io.SerializerFactory();
            hessian.setSerializerFactory(factory);
            return hessian.readObject();
        }
    },

    CAUCHO {
        @Override
        byte[] write(Object... values) throws IOException {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            var hessian = new com.caucho.hessian.io.Hessian2Output(out);
            for (Object value : values) {
                hessian.writeObject(value);
            }
            hessian.flush();
            return out.toByteArray();
        }

        @Override
        Object read(byte[] data) throws IOException {
            return new com.caucho.hessian.io.Hessian2Input(new ByteArrayInputStream(data)).readObject();
        }
    };

    abstract byte[] write(Object... values) throws IOException;

    abstract Object read(byte[] data) throws IOException;
}
