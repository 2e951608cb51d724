//! P26: what is accepted has one form. P27: no bytes make a decoder panic, or take more memory than they allow.

use hearth_protocol::encoding::scan;

use crate::{
    cbor::{Node, head, parse, replaced},
    corpora::DECODERS,
    decoders,
    mutations::{Dice, seed, tell},
    vectors::cases,
};

/// Every form of a value but the shortest and definite one, at every place of it, and with bytes too few or too many.
fn other_forms(node: &Node) -> Vec<Vec<u8>> {
    let bytes = node.write();
    let mut forms = vec![[&bytes[..], &[0]].concat(), bytes[..bytes.len() - 1].to_vec()];
    let mut tree = node.clone();
    for number in 0..tree.count() {
        let place = tree.nth(number).clone();
        for written in forms_of(&place) {
            *tree.nth(number) = Node::Raw(written);
            forms.push(tree.write());
        }
        *tree.nth(number) = place;
    }
    forms
}

fn forms_of(place: &Node) -> Vec<Vec<u8>> {
    let (major, argument, inside) = match place {
        Node::Uint(number) => (0, *number, Vec::new()),
        Node::Bytes(bytes) => (2, bytes.len() as u64, bytes.clone()),
        Node::Text(text) => (3, text.len() as u64, text.clone()),
        Node::Array(elements) => (4, elements.len() as u64, elements.iter().flat_map(Node::write).collect()),
        Node::Simple(_) | Node::Raw(_) => return Vec::new(),
    };
    let shortest = head(major, argument, 0);
    let heads = (1..=4).map(|extra| head(major, argument, extra)).filter(|head| *head != shortest);
    let mut forms: Vec<Vec<u8>> = heads.map(|longer| [longer, inside.clone()].concat()).collect();
    forms.dedup();
    match major {
        4 => forms.push([&[0x9f][..], &inside, &[0xff]].concat()),
        2 | 3 => {
            let piece = [head(major, argument, 0), inside].concat();
            forms.push([&[major << 5 | 0x1f][..], &piece, &[0xff]].concat());
        }
        _ => {}
    }
    // Another type that could mean the same: a tag around it.
    forms.push([&[0xc6][..], &place.write()].concat());
    forms
}

/// P26: what is accepted is written the same (`vectors`), and has no other form that is accepted: each of them is tried
/// at each place of each accepted vector, within signed payloads too.
#[test]
fn no_other_form_of_an_accepted_vector_is_accepted() {
    let (mut tried, mut vectors) = (0, 0);
    for (decoder, name, bytes, _) in cases("accepted") {
        if matches!(decoder.as_str(), "invite_key" | "pairing_code") {
            continue;
        }
        vectors += 1;
        let node = parse(&bytes);
        let mut forms = other_forms(&node);
        // What is signed is a byte string that holds a value of its own.
        if let Node::Array(fields) = &node
            && let Some(Node::Bytes(payload)) = fields.first()
            && payload.first().is_some_and(|first| first >> 5 == 4)
            && scan(payload).is_ok()
        {
            forms.extend(other_forms(&parse(payload)).into_iter().map(|form| replaced(&bytes, 0, Node::Bytes(form))));
        }
        for form in forms {
            let read = decoders::read(&decoder, &form);
            assert!(read.is_err(), "{name} ({decoder}) has another form: {form:02x?}");
            tried += 1;
        }
    }
    assert!(vectors >= 125 && tried >= 10_000, "{tried} forms of {vectors} vectors");
}

// ---- P27

/// P27: bytes that nobody meant, and good ones altered, make no decoder panic or take more memory than their length
/// allows, whether they are refused or not.
#[test]
fn arbitrary_bytes_make_no_decoder_panic_or_take_much_memory() {
    const EACH: usize = 400;
    let seed = seed();
    tell(&format!("arbitrary_bytes_make_no_decoder_panic_or_take_much_memory: SEED={seed:#x}"));
    let mut dice = Dice::new(seed);
    let good = cases("accepted");
    let (mut tried, mut accepted) = (0u32, 0u32);
    for decoder in DECODERS {
        let own: Vec<&Vec<u8>> = good.iter().filter(|case| case.0 == decoder).map(|case| &case.2).collect();
        for number in 0..EACH {
            let bytes = match (number % 3, own.is_empty()) {
                (0, _) | (_, true) => noise(&mut dice),
                (1, false) => altered(own[dice.below(own.len())], &mut dice),
                (_, false) => huge(own[dice.below(own.len())], &mut dice),
            };
            let mut read = false;
            let used = allocation_counter::measure(|| read = decoders::read(decoder, &bytes).is_ok());
            let allowed = u64::try_from(16 * bytes.len() + 64 * 1024).expect("inputs are short");
            assert!(used.bytes_max <= allowed, "{decoder} took {} bytes for {bytes:02x?}", used.bytes_max);
            tried += 1;
            accepted += u32::from(read);
        }
    }
    assert!(tried >= 14_000 && accepted < tried / 5, "{accepted} of {tried} accepted");
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    let length = 1 << dice.below(14);
    (0..dice.below(length)).map(|_| dice.next().to_le_bytes()[0]).collect()
}

fn altered(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(altered.len());
        altered[at] = dice.next().to_le_bytes()[0];
    }
    altered
}

/// Claims more than follows, somewhere: a length or count of up to 2^64.
fn huge(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let at = dice.below(bytes.len());
    let major = [2, 3, 4][dice.below(3)];
    let head = head(major, u64::MAX >> dice.below(60), 0);
    [&bytes[..at], &head, &bytes[at..]].concat()
}
