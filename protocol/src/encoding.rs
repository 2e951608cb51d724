//! Canonical CBOR (9.1): fixed-position arrays, definite lengths, shortest integers, and of the
//! types only unsigned integers, byte strings, text, arrays, booleans and null.
//!
//! Decoding is strict and in this order: length, [`scan`], typed decoding, re-encoding and
//! comparing. The scan allocates nothing and looks at each byte once, so hostile bytes are
//! refused before anything is built from them. Signed bytes are kept as they came and are never
//! encoded again to be hashed.

use serde::{Serialize, de::DeserializeOwned};

use crate::limits::NESTING;

/// Why bytes are not a value in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than the type may have.
    #[error("{found} bytes where at most {most} are allowed")]
    TooLong {
        /// The bound.
        most: usize,
        /// What came.
        found: usize,
    },
    /// The bytes end inside a value.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes after the value.
    #[error("bytes follow the value")]
    Trailing,
    /// An integer or a length in more bytes than it needs.
    #[error("a number is not in its shortest form")]
    NotShortest,
    /// An indefinite length or a reserved form.
    #[error("an indefinite or reserved length")]
    Indefinite,
    /// A negative number, map, tag, float or simple value.
    #[error("a type that canonical bytes do not use")]
    ForbiddenType,
    /// Arrays nested deeper than [`NESTING`].
    #[error("arrays nested too deep")]
    TooDeep,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// Well-formed, but not a value of the expected type, or out of its bounds.
    #[error("not a value of the expected type")]
    WrongShape,
    /// A value of the expected type whose one encoding is another one.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// A value that a rule on its fields refuses.
    #[error("{0}")]
    Field(&'static str),
}

impl Malformed {
    /// What an older Hearth cannot read, and a newer one may rightly send.
    pub const NEWER: Malformed = Malformed::Field("an operation that needs a newer Hearth");

    /// The name by which a refusal of this kind is counted and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Malformed::TooLong { .. } => "too_long",
            Malformed::Truncated => "truncated",
            Malformed::Trailing => "trailing_bytes",
            Malformed::NotShortest => "not_shortest",
            Malformed::Indefinite => "indefinite_length",
            Malformed::ForbiddenType => "forbidden_type",
            Malformed::TooDeep => "too_deep",
            Malformed::NotUtf8 => "not_utf8",
            Malformed::WrongShape => "wrong_shape",
            Malformed::NotCanonical => "not_canonical",
            Malformed::Field(_) => "bad_field",
        }
    }
}

/// The canonical bytes of `value`.
///
/// # Panics
/// Never for the types of this crate: they hold nothing that CBOR cannot write, and memory takes
/// every write.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("writing to memory does not fail");
    bytes
}

/// Reads a `T` from its canonical bytes.
///
/// # Errors
/// [`Malformed`] unless `bytes` are at most `limit` long and are the one canonical encoding of a
/// `T`, whole.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, Malformed> {
    if bytes.len() > limit {
        return Err(Malformed::TooLong { most: limit, found: bytes.len() });
    }
    scan(bytes)?;
    decode_scanned(bytes)
}

fn decode_scanned<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    // The scan has bounded the nesting; ciborium counts a little differently, hence the double.
    let value: T = ciborium::de::from_reader_with_recursion_limit(bytes, NESTING.saturating_mul(2))
        .map_err(|_| Malformed::WrongShape)?;
    if encode(&value) != bytes {
        return Err(Malformed::NotCanonical);
    }
    Ok(value)
}

/// Reads one element of an array that [`elements`] has cut: its bytes are already scanned.
///
/// # Errors
/// [`Malformed`] unless they are the canonical encoding of a `T`.
pub fn decode_element<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    decode_scanned(bytes)
}

/// Checks that `bytes` are exactly one value in canonical form, without building anything.
///
/// # Errors
/// The first [`Malformed`] met.
pub fn scan(bytes: &[u8]) -> Result<(), Malformed> {
    let mut cursor = Cursor { rest: bytes };
    cursor.value(0)?;
    if cursor.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
}

/// Cuts the bytes of an array of `N` elements into the bytes of its elements.
///
/// # Errors
/// [`Malformed`] unless `bytes` are one canonical array of `N` elements and at most `limit` long.
pub fn elements<const N: usize>(bytes: &[u8], limit: usize) -> Result<[&[u8]; N], Malformed> {
    if bytes.len() > limit {
        return Err(Malformed::TooLong { most: limit, found: bytes.len() });
    }
    scan(bytes)?;
    let mut cursor = Cursor { rest: bytes };
    let (major, count) = cursor.head()?;
    if major != ARRAY || count != N as u64 {
        return Err(Malformed::WrongShape);
    }
    let mut parts = [&[][..]; N];
    for part in &mut parts {
        let before = cursor.rest;
        cursor.value(1)?;
        let used = before.len().saturating_sub(cursor.rest.len());
        *part = before.get(..used).ok_or(Malformed::Truncated)?;
    }
    Ok(parts)
}

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const SIMPLE: u8 = 7;
/// The simple values that are used: false, true, null.
const SIMPLE_USED: std::ops::RangeInclusive<u64> = 20..=22;

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The major type and the argument of the next value, which must be in its shortest form.
    fn head(&mut self) -> Result<(u8, u64), Malformed> {
        let first = self.take(1)?.first().copied().ok_or(Malformed::Truncated)?;
        let (major, short) = (first >> 5, first & 0x1f);
        let (argument, least) = match short {
            0..=23 => return Ok((major, u64::from(short))),
            24 => (self.argument(1)?, 24),
            25 => (self.argument(2)?, 1 << 8),
            26 => (self.argument(4)?, 1 << 16),
            27 => (self.argument(8)?, 1 << 32),
            _ => return Err(Malformed::Indefinite),
        };
        match major {
            // Floats and two-byte simple values share this major type; none is used.
            SIMPLE => Err(Malformed::ForbiddenType),
            _ if argument < least => Err(Malformed::NotShortest),
            _ => Ok((major, argument)),
        }
    }

    fn argument(&mut self, width: usize) -> Result<u64, Malformed> {
        Ok(self.take(width)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn value(&mut self, depth: usize) -> Result<(), Malformed> {
        let (major, argument) = self.head()?;
        let length = usize::try_from(argument).map_err(|_| Malformed::Truncated);
        match major {
            UNSIGNED => Ok(()),
            BYTES => self.take(length?).map(|_| ()),
            TEXT => match std::str::from_utf8(self.take(length?)?) {
                Ok(_) => Ok(()),
                Err(_) => Err(Malformed::NotUtf8),
            },
            ARRAY => {
                let depth = depth.saturating_add(1);
                if depth > NESTING {
                    return Err(Malformed::TooDeep);
                }
                // Every element takes a byte at least, so a longer claim is a lie.
                if length? > self.rest.len() {
                    return Err(Malformed::Truncated);
                }
                (0..argument).try_for_each(|_| self.value(depth))
            }
            SIMPLE if SIMPLE_USED.contains(&argument) => Ok(()),
            _ => Err(Malformed::ForbiddenType),
        }
    }
}

macro_rules! markers {
    ($($(#[$doc:meta])* $name:ident = $value:expr, $kind:ty;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name;
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $value.serialize(serializer)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let found = <$kind>::deserialize(deserializer)?;
                if found == $value { Ok($name) } else { Err(serde::de::Error::custom("another mark")) }
            }
        }
    )+};
}

markers! {
    /// The version number that opens every format of this version.
    V1 = 1u8, u8;
    /// The word in a genesis.
    GenesisMark = "genesis", crate::text::Text<8>;
    /// The word in an inception.
    IdMark = "id", crate::text::Text<8>;
}

impl PartialEq<&str> for crate::text::Text<8> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// The empty array: a body without fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nothing;

impl Serialize for Nothing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [0u8; 0].serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Nothing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <crate::bytes::List<u8, 0, 0>>::deserialize(deserializer).map(|_| Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::up_to;

    #[test]
    fn each_form_that_is_not_canonical_is_refused_by_name() {
        let cases: [(&[u8], Malformed); 12] = [
            (&[0x18, 0x17], Malformed::NotShortest),
            (&[0x19, 0x00, 0xff], Malformed::NotShortest),
            (&[0x58, 0x01, 0x00], Malformed::NotShortest),
            (&[0x9f, 0xff], Malformed::Indefinite),
            (&[0x5f, 0x41, 0x00, 0xff], Malformed::Indefinite),
            (&[0x20], Malformed::ForbiddenType),
            (&[0xa0], Malformed::ForbiddenType),
            (&[0xc0, 0x00], Malformed::ForbiddenType),
            (&[0xf9, 0x3c, 0x00], Malformed::ForbiddenType),
            (&[0x61, 0xff], Malformed::NotUtf8),
            (&[0x00, 0x00], Malformed::Trailing),
            (&[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Malformed::Truncated),
        ];
        for (bytes, expected) in cases {
            assert_eq!(scan(bytes), Err(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn nesting_is_bounded_at_its_limit() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
        up_to(NESTING, Malformed::TooDeep, |depth| scan(&nested(depth)));
        assert_eq!(scan(&nested(1_000_000)), Err(Malformed::TooDeep));
    }

    #[test]
    fn an_array_with_one_element_too_many_is_refused() {
        assert_eq!(decode::<(u8, u8)>(&[0x82, 1, 2], 10), Ok((1, 2)));
        assert!(decode::<(u8, u8)>(&[0x83, 1, 2, 3], 10).is_err());
        assert!(decode::<(u8, u8)>(&[0x81, 1], 10).is_err());
    }

    #[test]
    fn the_elements_of_an_array_are_cut_at_their_borders() {
        let bytes = encode(&(1u8, ("ab", [7u8, 8]), true));
        let [a, b, c] = elements(&bytes, 100).unwrap();
        assert_eq!(a, [1]);
        assert_eq!(b, [0x82, 0x62, b'a', b'b', 0x82, 7, 8]);
        assert_eq!(c, [0xf5]);
        assert_eq!(elements::<2>(&bytes, 100), Err(Malformed::WrongShape));
    }
}
