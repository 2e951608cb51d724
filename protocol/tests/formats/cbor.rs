//! A small CBOR reader and writer of the tests' own, for taking canonical bytes apart and putting them together wrongly.
//!
//! Always true: it shares no code with what it tests; what it reads and writes unchanged is the same bytes.

/// A value, or bytes that stand where one should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Uint(u64),
    Bytes(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Node>),
    Simple(u8),
    /// Written as it is.
    Raw(Vec<u8>),
}

pub(crate) const NULL: Node = Node::Simple(22);

/// Reads canonical bytes.
pub(crate) fn parse(bytes: &[u8]) -> Node {
    let mut rest = bytes;
    let node = value(&mut rest);
    assert!(rest.is_empty(), "bytes follow the value");
    node
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(count);
    *rest = after;
    taken
}

fn value(rest: &mut &[u8]) -> Node {
    let first = take(rest, 1)[0];
    let width = match first & 0x1f {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => 0,
    };
    let argument = match width {
        0 => u64::from(first & 0x1f),
        width => take(rest, width).iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let length = || usize::try_from(argument).expect("lengths are short");
    match first >> 5 {
        0 => Node::Uint(argument),
        2 => Node::Bytes(take(rest, length()).to_vec()),
        3 => Node::Text(take(rest, length()).to_vec()),
        4 => Node::Array((0..argument).map(|_| value(rest)).collect()),
        7 => Node::Simple(u8::try_from(argument).expect("simple values are small")),
        major => panic!("canonical bytes have no major type {major}"),
    }
}

/// The head of a value in as many bytes as it needs, or in more: `extra` forms further.
pub(crate) fn head(major: u8, argument: u64, extra: usize) -> Vec<u8> {
    let least = match argument {
        0..=23 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 3,
        _ => 4,
    };
    let bytes = argument.to_be_bytes();
    match (least + extra).min(4) {
        0 => vec![major << 5 | bytes[7]],
        1 => vec![major << 5 | 24, bytes[7]],
        2 => [&[major << 5 | 25], &bytes[6..]].concat(),
        3 => [&[major << 5 | 26], &bytes[4..]].concat(),
        _ => [&[major << 5 | 27], &bytes[..]].concat(),
    }
}

impl Node {
    /// Its bytes, canonical but for what is raw.
    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Node::Uint(number) => head(0, *number, 0),
            Node::Bytes(bytes) => [head(2, bytes.len() as u64, 0), bytes.clone()].concat(),
            Node::Text(text) => [head(3, text.len() as u64, 0), text.clone()].concat(),
            Node::Array(elements) => {
                let inner: Vec<u8> = elements.iter().flat_map(Node::write).collect();
                [head(4, elements.len() as u64, 0), inner].concat()
            }
            Node::Simple(value) => head(7, u64::from(*value), 0),
            Node::Raw(bytes) => bytes.clone(),
        }
    }

    /// The elements of an array.
    pub(crate) fn elements(&mut self) -> &mut Vec<Node> {
        match self {
            Node::Array(elements) => elements,
            other => panic!("no array: {other:?}"),
        }
    }

    /// How many values it holds, itself included.
    pub(crate) fn count(&self) -> usize {
        match self {
            Node::Array(elements) => 1 + elements.iter().map(Node::count).sum::<usize>(),
            _ => 1,
        }
    }

    /// The value of this number, itself being 0, in the order of the bytes.
    pub(crate) fn nth(&mut self, number: usize) -> &mut Node {
        if number == 0 {
            return self;
        }
        let mut left = number - 1;
        for element in self.elements() {
            let count = element.count();
            if left < count {
                return element.nth(left);
            }
            left -= count;
        }
        panic!("no value of the number {number}")
    }
}

/// Canonical bytes with the elements of their outermost array changed.
pub(crate) fn edited(bytes: &[u8], edit: impl FnOnce(&mut Vec<Node>)) -> Vec<u8> {
    let mut node = parse(bytes);
    edit(node.elements());
    node.write()
}

/// Canonical bytes with one element of their outermost array replaced.
pub(crate) fn replaced(bytes: &[u8], at: usize, by: Node) -> Vec<u8> {
    edited(bytes, |elements| elements[at] = by)
}

#[test]
fn what_is_read_is_written_the_same() {
    for written in &crate::story::WORLD.items {
        let bytes = written.item.to_bytes();
        let mut node = parse(&bytes);
        assert_eq!(node.write(), bytes);
        let numbers: Vec<Node> = (0..node.count()).map(|number| node.nth(number).clone()).collect();
        assert_eq!(numbers.len(), 3);
    }
    assert_eq!(head(0, 1, 0), [1]);
    assert_eq!(head(0, 1, 1), [0x18, 1]);
    assert_eq!(head(4, 1, 4), [0x9b, 0, 0, 0, 0, 0, 0, 0, 1]);
}
