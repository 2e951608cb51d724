//! Ways to alter bytes: blindly, and knowing what they mean.

use hearth_protocol::encoding::scan;

use crate::cbor::{NULL, Node, head, parse};

/// Small numbers that nobody foretells, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// One of `0..bound`; 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("bounds are small");
        usize::try_from(self.next() % bound).expect("it is below the bound")
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() & 0xff).expect("eight bits")
    }
}

/// Bytes and how they came about.
pub(crate) struct Changed {
    pub(crate) how: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// The names of all ways.
pub(crate) const HOW: [&str; 22] = [
    "flip a bit",
    "flip some bits",
    "truncate",
    "extend",
    "cut out",
    "put in",
    "overwrite",
    "splice",
    "stretch a head",
    "indefinite",
    "pieces",
    "swap fields",
    "double a field",
    "drop a field",
    "tag",
    "other integer",
    "as a float",
    "as text or bytes",
    "null",
    "borrow a value",
    "other signatures",
    "negative",
];

/// The number of ways that look at single bytes.
const BLIND: usize = 8;

/// Alters `bytes`; `other` is another valid structure to borrow from.
pub(crate) fn of(bytes: &[u8], other: &[u8], dice: &Dice) -> Changed {
    let mut dice = Dice(dice.0);
    let way = dice.below(HOW.len());
    let how = HOW[way];
    if way < BLIND {
        return Changed { how, bytes: blindly(how, bytes, other, &mut dice) };
    }
    let mut node = parse(bytes);
    knowingly(how, &mut node, &parse(other), &mut dice);
    Changed { how, bytes: node.write() }
}

fn blindly(how: &str, bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    let (from, to) = (dice.below(bytes.len()), dice.below(bytes.len()));
    let (from, to) = (from.min(to), from.max(to));
    match how {
        "flip a bit" => altered[from] ^= 1 << dice.below(8),
        "flip some bits" => (0..2 + dice.below(6)).for_each(|_| altered[dice.below(bytes.len())] ^= 1 << dice.below(8)),
        "truncate" => altered.truncate(from),
        "extend" => altered.extend((0..=dice.below(16)).map(|_| dice.byte())),
        "cut out" => drop(altered.drain(from..to.min(from + 64))),
        "put in" => (0..=dice.below(4)).for_each(|_| altered.insert(from, dice.byte())),
        "overwrite" => altered[from] = dice.byte(),
        _ => {
            altered.truncate(from);
            altered.extend_from_slice(other.get(from..).unwrap_or(other));
        }
    }
    altered
}

/// Alters one value of a tree; now and then of the tree within a byte string.
fn knowingly(how: &str, tree: &mut Node, other: &Node, dice: &mut Dice) {
    let number = dice.below(tree.count());
    if let Node::Bytes(inner) = tree.nth(number)
        && inner.len() > 40
        && inner[0] >> 5 == 4
        && scan(inner).is_ok()
        && dice.below(4) > 0
    {
        let mut within = parse(inner);
        knowingly(how, &mut within, other, dice);
        *inner = within.write();
        return;
    }
    let place = tree.nth(number);
    *place = altered(how, place, other, dice);
}

fn altered(how: &str, node: &Node, other: &Node, dice: &mut Dice) -> Node {
    let (major, argument, inside) = match node {
        Node::Uint(number) => (0, *number, Vec::new()),
        Node::Bytes(bytes) => (2, bytes.len() as u64, bytes.clone()),
        Node::Text(text) => (3, text.len() as u64, text.clone()),
        Node::Array(elements) => (4, elements.len() as u64, elements.iter().flat_map(Node::write).collect()),
        Node::Simple(value) => (7, u64::from(*value), Vec::new()),
        Node::Raw(_) => return node.clone(),
    };
    match how {
        "stretch a head" => Node::Raw([head(major, argument, 1 + dice.below(4)), inside].concat()),
        "indefinite" => Node::Raw([&[major << 5 | 31][..], &inside, &[0xff]].concat()),
        "pieces" if major == 2 || major == 3 => {
            let (one, two) = inside.split_at(dice.below(inside.len()));
            let piece = |part: &[u8]| [head(major, part.len() as u64, 0), part.to_vec()].concat();
            Node::Raw([&[major << 5 | 31][..], &piece(one), &piece(two), &[0xff]].concat())
        }
        "tag" => Node::Raw([head(6, dice.next() >> dice.below(64), 0), node.write()].concat()),
        "negative" => Node::Raw(head(1, argument, 0)),
        "other integer" => Node::Uint(other_integer(argument, dice)),
        "as a float" => Node::Raw([&[0xfb][..], &(argument as f64).to_be_bytes()].concat()),
        "as text or bytes" if major == 2 => Node::Text(inside),
        "as text or bytes" => Node::Bytes(inside),
        "null" => NULL,
        "borrow a value" => other.clone().nth(dice.below(other.count())).clone(),
        "other signatures" => other_signatures(node, other),
        how => match node {
            Node::Array(elements) if !elements.is_empty() => Node::Array(other_fields(how, elements.clone(), dice)),
            _ => NULL,
        },
    }
}

fn other_integer(argument: u64, dice: &mut Dice) -> u64 {
    match dice.below(6) {
        0 => argument.wrapping_add(1),
        1 => argument.wrapping_sub(1),
        2 => 0,
        3 => u64::MAX,
        4 => 1 << dice.below(64),
        _ => dice.next() >> dice.below(64),
    }
}

/// The last field of another structure in place of the last one: signatures stand there.
fn other_signatures(node: &Node, other: &Node) -> Node {
    match (node, other) {
        (Node::Array(mine), Node::Array(theirs)) => {
            let mut mine = mine.clone();
            if let (Some(last), Some(borrowed)) = (mine.last_mut(), theirs.last()) {
                *last = borrowed.clone();
            }
            Node::Array(mine)
        }
        _ => other.clone(),
    }
}

fn other_fields(how: &str, mut elements: Vec<Node>, dice: &mut Dice) -> Vec<Node> {
    let at = dice.below(elements.len());
    match how {
        "swap fields" => {
            let to = dice.below(elements.len());
            elements.swap(at, to);
        }
        "double a field" => elements.insert(at, elements[at].clone()),
        _ => drop(elements.remove(at)),
    }
    elements
}
