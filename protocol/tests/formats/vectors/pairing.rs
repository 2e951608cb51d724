//! Pairing codes, and what is said when a device is added or a person comes back with 24 words.

use hearth_protocol::{
    encoding::encode,
    hello::{PairRequest, RestoreRequest},
    id::{Context, hash_all},
    pairing::{PREFIX, PairingCode},
    pasted::to_link,
};

use super::{File, Json, hex, object, transcript, transcript_bytes};
use crate::{
    asks::{self, Device, SECRET},
    cbor::{NULL, Node, edited, parse, replaced},
    story::{WORLD, hint},
};

pub(super) fn file() -> File {
    let about = "On the connection of handshake.json. Bob's first device shows a code; a new one asks to be certified (`pair_request`) and \
                 is given who it is and the own space (`paired`). On another device bob types his words (`restore_request`) and is given \
                 the garden (`handovers`). The decoder `pairing_code` reads text, here as its bytes. `connection` has the tags and keys \
                 that derive; `forms`: other texts that are read as the same code.";
    let mut file = File::new("pairing", "pairing.md", about);
    let text = asks::code().to_text();
    let hinted = hint(&WORLD.bob);
    let inputs = object! {
        "secret": hex(SECRET),
        "hint_peer": hex(hinted.0.as_slice()),
        "hint_address": hex(hinted.1.as_slice()),
        "text": text.as_str(),
    };
    file.accept("the code that bob's first device shows", "pairing_code", text.as_bytes(), inputs);
    requests(&mut file);
    answers(&mut file);
    refused_codes(&mut file, &text);
    refused_requests(&mut file);
    file.more.push(("forms", Json::List(forms(&text))));
    file.more.push(("connection", connection()));
    file.more.push(("sealed", Json::List(sealed())));
    file
}

fn requests(file: &mut File) {
    let (new, bob) = (Device::paired(), &WORLD.bob);
    let inputs = object! {
        "device_seed": hex(new.seed),
        "sealing_key": hex(new.sealing.as_bytes()),
        "signed": hex(asks::pair_signed(&new)),
    };
    file.accept("a new device asks to be certified", "pair_request", &encode(&asks::pair()), inputs);
    let new = Device::restored();
    let inputs = object! {
        "identity_seed": hex(bob.ladder.key(0).seed().as_slice()),
        "device_seed": hex(new.seed),
        "sealing_key": hex(new.sealing.as_bytes()),
        "signed": hex(asks::restore_signed(&new)),
    };
    file.accept("bob comes back with his words", "restore_request", &encode(&asks::restore()), inputs);
}

fn answers(file: &mut File) {
    let paired = asks::paired();
    let sealed_to = |device: &Device, key: &[u8; 32]| {
        object! {
            "sealing_key": hex(device.sealing.as_bytes()),
            "ikm": hex(hearth_protocol::random::Random::new(&asks::HANDOVER_SEED).bytes::<32>()),
            "epoch_key": hex(key),
        }
    };
    file.accept("what it is given", "paired", &encode(&paired), sealed_to(&Device::paired(), &[0x45; 32]));
    let told = sealed_to(&Device::restored(), WORLD.epoch.as_bytes());
    file.accept("the garden handed over", "handover", &encode(&asks::handover()), told);
    file.accept("what bob is given", "handovers", &asks::handovers(), Json::Null);
    file.accept("nothing to hand over", "handovers", &[0x80], Json::Null);
}

fn refused_codes(file: &mut File, text: &str) {
    let bytes = super::inside(PREFIX, text);
    let pasted = |bytes: &[u8]| super::pasted(PREFIX, Context::PAIR_CHECK, bytes);
    assert_eq!(pasted(&bytes), text, "the text is what the page says");
    let mut refuse =
        |name: &'static str, text: &str, refusal: &str| file.refuse(name, "pairing_code", text.as_bytes(), refusal);
    let swap = |at: usize| {
        let letter = if text.as_bytes()[at] == b'a' { "b" } else { "a" };
        format!("{}{letter}{}", &text[..at], &text[at + 1..])
    };
    refuse("one wrong letter in the middle", &swap(text.len() / 2), "damaged_pairing_code");
    refuse("one wrong letter at the end", &swap(text.len() - 1), "damaged_pairing_code");
    refuse("cut short by a letter", &text[..text.len() - 1], "damaged_pairing_code");
    refuse("the prefix alone", PREFIX, "damaged_pairing_code");
    refuse("nothing", "", "not_a_pairing_code");
    refuse("an invite key", &WORLD.invite.to_text(), "not_a_pairing_code");
    refuse("a link with another scheme", &format!("https:{text}"), "not_a_pairing_code");
    let other = super::pasted(PREFIX, Context::INVITE_CHECK, &bytes);
    refuse("with the check of an invite key", &other, "damaged_pairing_code");
    let alter = |at, node| pasted(&replaced(&bytes, at, node));
    refuse("a right check around nothing", &pasted(&[]), "unreadable_pairing_code");
    refuse("a right check around version 2", &alter(0, Node::Uint(2)), "unreadable_pairing_code");
    refuse("a right check around 15 bytes of secret", &alter(1, Node::Bytes(vec![0; 15])), "unreadable_pairing_code");
    refuse("a right check around no hints", &alter(2, Node::Array(Vec::new())), "unreadable_pairing_code");
    let hints = vec![parse(&encode(&hint(&WORLD.bob))); 5];
    refuse("a right check around five hints", &alter(2, Node::Array(hints)), "unreadable_pairing_code");
    refuse("3,001 characters", &format!("{PREFIX}{}", "a".repeat(2990)), "too_long");
}

fn refused_requests(file: &mut File) {
    let (pair, restore) = (encode(&asks::pair()), encode(&asks::restore()));
    let (paired, handover) = (encode(&asks::paired()), encode(&asks::handover()));
    let bytes = |length: usize| Node::Bytes(vec![0; length]);
    file.refuse(
        "a pairing with an X25519 key of 31 bytes",
        "pair_request",
        &replaced(&pair, 1, bytes(31)),
        "wrong_shape",
    );
    file.refuse(
        "a pairing with a signature of 65 bytes",
        "pair_request",
        &replaced(&pair, 2, bytes(65)),
        "wrong_shape",
    );
    let long = edited(&pair, |fields| fields.push(NULL));
    file.refuse("a pairing with a fourth field", "pair_request", &long, "not_canonical");
    let named = replaced(&paired, 1, Node::Text(vec![b'a'; 65]));
    file.refuse("a paired device with a name of 65 bytes", "paired", &named, "wrong_shape");
    let none = edited(&restore, |fields| fields[0].elements()[2] = Node::Array(Vec::new()));
    file.refuse("a restore whose person has no device", "restore_request", &none, "wrong_shape");
    let unsigned = edited(&restore, |fields| drop(fields.pop()));
    file.refuse("a restore without a signature", "restore_request", &unsigned, "wrong_shape");
    let many = edited(&handover, |fields| {
        let keys = fields[1].elements();
        *keys = vec![keys[0].clone(); 65];
    });
    file.refuse("a handover of 65 keys", "handover", &many, "wrong_shape");
    let seventeen = Node::Array(vec![parse(&handover); 17]).write();
    file.refuse("handovers of 17 communities", "handovers", &seventeen, "wrong_shape");
}

/// Other texts that are read as the same code.
fn forms(text: &str) -> Vec<Json> {
    let forms = [
        ("the link, in capitals as in a QR code", to_link(text)),
        ("the link in small letters", format!("hearth:{text}")),
        ("with blanks around it", format!(" {text}\n")),
    ];
    let form = |(name, form): (&'static str, String)| {
        let read = PairingCode::from_text(&form).expect("it is the same code");
        assert_eq!(read.to_text(), text, "{name}");
        object! { "name": name, "form": form, "text": text }
    };
    forms.map(form).to_vec()
}

/// The tags and keys, written down a second time from the page.
fn connection() -> Json {
    let (t, transcript, bob) = (transcript_bytes(), transcript(), WORLD.bob.id());
    let of = |context, name: &[u8]| hash_all(context, &[name, &t]);
    let (pair_tag, pair_key) = (of(Context::PAIR, &SECRET), of(Context::PAIR_SEAL, &SECRET));
    let (restore_tag, restore_key) = (of(Context::RESTORE, bob.as_bytes()), of(Context::RESTORE_SEAL, bob.as_bytes()));
    assert_eq!(transcript.pair_tag(&SECRET).0, pair_tag[..16]);
    assert_eq!(transcript.pair_key(&SECRET).as_bytes(), &pair_key);
    assert_eq!(transcript.restore_tag(bob).0, restore_tag[..16]);
    assert_eq!(transcript.restore_key(bob).as_bytes(), &restore_key);
    object! {
        "transcript": hex(t),
        "secret": hex(SECRET),
        "pair_tag": hex(&pair_tag[..16]),
        "pair_key": hex(pair_key),
        "person": hex(bob.as_bytes()),
        "restore_tag": hex(&restore_tag[..16]),
        "restore_key": hex(restore_key),
    }
}

/// What travels, and under which key.
fn sealed() -> Vec<Json> {
    let (transcript, bob) = (transcript(), &WORLD.bob);
    let (new, back) = (Device::paired(), Device::restored());
    let pair = PairRequest::seal(&transcript, &SECRET, &new.device, new.sealing.public());
    let restore = asks::restore();
    let restored = RestoreRequest::seal(&transcript, restore.record.clone(), back.device.public(), &bob.ladder.key(0));
    let under = |key: hearth_protocol::epoch::EpochKey, plain: &[u8]| key.seal(plain, &[]);
    let (pair_key, restore_key) = (transcript.pair_key(&SECRET), transcript.restore_key(bob.id()));
    assert_eq!(pair, under(pair_key.clone(), &encode(&asks::pair())), "the code seals as the page says");
    assert_eq!(restored, under(restore_key.clone(), &encode(&restore)), "the code seals as the page says");
    vec![
        object! { "name": "the pairing, under pair_key", "sealed": hex(pair) },
        object! { "name": "what the new device is given, under pair_key", "sealed": hex(under(pair_key, &encode(&asks::paired()))) },
        object! { "name": "the restore, under restore_key", "sealed": hex(restored) },
        object! { "name": "what bob is given, under restore_key", "sealed": hex(under(restore_key, &asks::handovers())) },
    ]
}
