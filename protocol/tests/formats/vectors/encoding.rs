//! Canonical CBOR: single values, accepted and refused.

use super::{File, Json};

/// Accepted, with their diagnostic notation (RFC 8949, section 8).
const ACCEPTED: [(&str, &[u8]); 20] = [
    ("0", &[0x00]),
    ("23", &[0x17]),
    ("24", &[0x18, 0x18]),
    ("255", &[0x18, 0xff]),
    ("256", &[0x19, 0x01, 0x00]),
    ("65535", &[0x19, 0xff, 0xff]),
    ("65536", &[0x1a, 0x00, 0x01, 0x00, 0x00]),
    ("4294967295", &[0x1a, 0xff, 0xff, 0xff, 0xff]),
    ("4294967296", &[0x1b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00]),
    ("18446744073709551615", &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ("h''", &[0x40]),
    ("h'00ff'", &[0x42, 0x00, 0xff]),
    ("\"\"", &[0x60]),
    ("\"é\" (two bytes of UTF-8)", &[0x62, 0xc3, 0xa9]),
    ("\"e\" and a combining accent: receivers do not normalise", &[0x63, 0x65, 0xcc, 0x81]),
    ("[]", &[0x80]),
    ("[1, [2, h'03']]", &[0x82, 0x01, 0x82, 0x02, 0x41, 0x03]),
    ("false", &[0xf4]),
    ("true", &[0xf5]),
    ("null", &[0xf6]),
];

/// Refused, and by which name.
const REFUSED: [(&str, &[u8], &str); 37] = [
    ("nothing", &[], "truncated"),
    ("a head cut short", &[0x19, 0x01], "truncated"),
    ("a byte string cut short", &[0x43, 0x01, 0x02], "truncated"),
    ("a text cut short", &[0x63, 0x61, 0x62], "truncated"),
    ("an array with one element of two", &[0x82, 0x01], "truncated"),
    ("an array of 2^63-1 elements", &[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "truncated"),
    ("a byte string of 2^64-1 bytes", &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "truncated"),
    ("two values", &[0x00, 0x00], "trailing_bytes"),
    ("23 in two bytes", &[0x18, 0x17], "not_shortest"),
    ("255 in three bytes", &[0x19, 0x00, 0xff], "not_shortest"),
    ("65535 in five bytes", &[0x1a, 0x00, 0x00, 0xff, 0xff], "not_shortest"),
    ("2^32-1 in nine bytes", &[0x1b, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff], "not_shortest"),
    ("a byte string with a long length", &[0x58, 0x01, 0x00], "not_shortest"),
    ("a text with a long length", &[0x78, 0x01, 0x61], "not_shortest"),
    ("an array with a long length", &[0x98, 0x01, 0x00], "not_shortest"),
    ("an indefinite array", &[0x9f, 0xff], "indefinite_length"),
    ("an indefinite byte string", &[0x5f, 0x41, 0x00, 0xff], "indefinite_length"),
    ("an indefinite text", &[0x7f, 0x61, 0x61, 0xff], "indefinite_length"),
    ("a break alone", &[0xff], "indefinite_length"),
    ("a reserved head (28)", &[0x1c], "indefinite_length"),
    ("a reserved head (30) of an array", &[0x9e], "indefinite_length"),
    ("-1", &[0x20], "forbidden_type"),
    ("-256", &[0x38, 0xff], "forbidden_type"),
    ("an empty map", &[0xa0], "forbidden_type"),
    ("a map", &[0xa1, 0x00, 0x00], "forbidden_type"),
    ("a tag", &[0xc0, 0x00], "forbidden_type"),
    ("a bignum", &[0xc2, 0x41, 0x01], "forbidden_type"),
    ("a tag cut short", &[0xc0], "forbidden_type"),
    ("undefined", &[0xf7], "forbidden_type"),
    ("simple value 0", &[0xe0], "forbidden_type"),
    ("simple value 32", &[0xf8, 0x20], "forbidden_type"),
    ("true in two bytes", &[0xf8, 0x15], "forbidden_type"),
    ("1.0 as half", &[0xf9, 0x3c, 0x00], "forbidden_type"),
    ("1.0 as double", &[0xfb, 0x3f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00], "forbidden_type"),
    ("text that is not UTF-8", &[0x61, 0xff], "not_utf8"),
    ("a surrogate in text", &[0x63, 0xed, 0xa0, 0x80], "not_utf8"),
    ("an overlong slash in text", &[0x62, 0xc0, 0xaf], "not_utf8"),
];

pub(super) fn file() -> File {
    let about = "Single values: bytes in canonical form, and bytes that are refused, with the first reason met.";
    let mut file = File::new("encoding", "encoding.md", about);
    for (name, bytes) in ACCEPTED {
        file.accept(name, "cbor", bytes, Json::Null);
    }
    let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    file.accept("0 in eight arrays", "cbor", &nested(8), Json::Null);
    for (name, bytes, refusal) in REFUSED {
        file.refuse(name, "cbor", bytes, refusal);
    }
    file.refuse("0 in nine arrays", "cbor", &nested(9), "too_deep");
    file
}
