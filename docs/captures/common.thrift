// What the service in everything.thrift includes, and extends.

enum Color {
    RED = 1,
    GREEN = 2,
    BLUE = 5,
}

struct Point {
    1: i32 x
    2: i32 y
}

exception Missing {
    1: string what
    2: i32 code
}

service Health {
    void ping()
    Color light(1: Color wanted)
}
