// One service with every type and every way in which a call can end. Both libraries read it.

include "common.thrift"

namespace py everything

typedef i64 Timestamp
typedef list<common.Point> Path

const i32 LARGEST = 1000

union Shape {
    1: common.Point point
    2: double radius
    3: string name
}

struct All {
    1: bool yes
    2: bool no
    3: i8 tiny
    4: i16 small
    5: i32 medium
    6: i64 large
    7: double real
    8: string text
    9: binary blob
    10: list<i32> numbers
    11: set<string> words
    12: map<string, i64> counts
    13: list<list<i16>> grid
    14: map<i32, Path> paths
    15: common.Point here
    16: common.Color color
    17: optional string maybe
    18: i32 defaulted = 42
    19: Shape shape
    20: list<bool> flags
    21: set<common.Color> palette
    22: map<common.Color, Shape> painted
    23: Timestamp when_seen
    24: list<binary> blobs
    25: map<string, map<string, bool>> nested
    300: optional i32 far
}

// What a later version of All may send: fields that All does not know.
struct More {
    1: bool yes
    40: string added
    41: list<common.Point> extra
}

exception Refused {
    1: string reason
    2: optional All about
}

service Everything extends common.Health {
    i32 add(1: i32 left, 2: i32 right)
    All echo(1: All all)
    Shape draw(1: Shape shape, 2: list<Shape> others)
    string find(1: string what) throws (1: common.Missing missing, 2: Refused refused)
    void forget(1: i64 id) throws (1: common.Missing missing)
    oneway void note(1: string text, 2: i32 level)
    bool truth(1: bool one)
    i8 tiny(1: i8 one)
    i16 small(1: i16 one)
    i64 large(1: i64 one)
    double real(1: double one)
    binary blob(1: binary one)
    set<i32> unique(1: list<i32> many)
    map<string, common.Point> places(1: map<string, common.Point> known)
    void nothing()
    void fail(1: string why)
}

// A second service, for multiplexing; it has a method of the first one's, with other arguments.
service Other {
    string add(1: string left, 2: string right)
    i32 size(1: binary data)
}
