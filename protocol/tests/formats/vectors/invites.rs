//! Invites: certificates, pasted keys, joins.

use data_encoding::BASE32_NOPAD;
use hearth_protocol::{
    encoding::encode,
    id::{Context, hash},
    invite::{InviteKey, Join, PREFIX},
    pasted::to_link,
    signed::{Payload as _, Signed},
    time::DAY_MS,
};

use super::{File, Json, hex, object};
use crate::{
    cast::{BEGIN, list, signed_by},
    cbor::{NULL, Node, edited, parse, replaced},
    story::{INVITE_ENTROPY, WORLD, hint, invite},
};

pub(super) fn file() -> File {
    let about = "An invite of alice into the garden, the text that bob pastes, and the joins of bob (by it) and carol (without). The \
                 decoder `invite_key` reads text, here as its bytes; `join` reads [certificate, join], as in an Admit; `knock` a join \
                 without a certificate. `forms`: other texts that are read as the same key.";
    let mut file = File::new("invites", "invites.md", about);
    let w = &*WORLD;
    let (seed, salt) = INVITE_ENTROPY.split_at(16);
    let inputs = object! {
        "seed": hex(seed),
        "salt": hex(salt),
        "invite_secret": hex(w.invite.secret().seed().as_slice()),
        "inviter_device_seed": hex(w.alice.device_seed),
        "payload": hex(w.invite.cert.signed.payload.as_slice()),
    };
    file.accept("a certificate: member, one use, seven days", "invite_cert", &w.invite.cert.signed.to_bytes(), inputs);
    let text = w.invite.to_text();
    let Hinted { peer, address } = hinted(&w.invite);
    let inputs = object! { "text": text.as_str(), "hint_peer": peer, "hint_address": address };
    file.accept("the text to paste", "invite_key", text.as_bytes(), inputs);
    let inputs = object! {
        "payload": hex(w.join.payload.as_slice()),
        "invite_secret": hex(w.invite.secret().seed().as_slice()),
        "identity_seed": hex(w.bob.ladder.key(0).seed().as_slice()),
        "device_seed": hex(w.bob.device_seed),
    };
    file.accept("bob joins by it", "join", &encode(&(&w.invite.cert.signed, &w.join)), inputs);
    let inputs = object! {
        "payload": hex(w.knock.payload.as_slice()),
        "identity_seed": hex(w.carol.ladder.key(0).seed().as_slice()),
        "device_seed": hex(w.carol.device_seed),
    };
    file.accept("carol knocks (I7)", "knock", &w.knock.to_bytes(), inputs);
    refused_certs(&mut file);
    refused_keys(&mut file);
    refused_joins(&mut file);
    file.more.push(("forms", Json::List(forms(&text))));
    file
}

/// Other texts that are read as the same key.
fn forms(text: &str) -> Vec<Json> {
    let (start, end) = text.split_at(text.len() / 2);
    let forms = [
        ("the link, in capitals as in a QR code", to_link(text)),
        ("the link in small letters", format!("hearth:{text}")),
        ("with a line break and blanks", format!("  {start}\r\n\t{end}\n")),
    ];
    let form = |(name, form): (&'static str, String)| {
        let read = InviteKey::from_text(&form).expect("it is the same key");
        assert_eq!(read.to_text(), text, "{name}");
        object! { "name": name, "form": form, "text": text }
    };
    forms.map(form).to_vec()
}

struct Hinted {
    peer: Json,
    address: Json,
}

fn hinted(key: &InviteKey) -> Hinted {
    let hint = &key.hints[0];
    Hinted { peer: hex(hint.0.as_slice()), address: hex(hint.1.as_slice()) }
}

fn refused_certs(file: &mut File) {
    let payload = WORLD.invite.cert.signed.payload.as_slice();
    let seed = WORLD.alice.device_seed;
    let mut refuse = |name: &'static str, at: usize, node: Node, refusal: &str| {
        let altered = signed_by(&[seed], Context::INVITE, &replaced(payload, at, node));
        file.refuse(name, "invite_cert", &altered.to_bytes(), refusal);
    };
    refuse("the role core (I1)", 6, Node::Uint(3), "bad_field");
    refuse("the role none", 6, Node::Uint(0), "bad_field");
    refuse("no uses", 7, Node::Uint(0), "bad_field");
    refuse("101 uses (I1)", 7, Node::Uint(101), "bad_field");
    refuse("a life of 90 days and a millisecond (I1)", 10, Node::Uint(BEGIN.0 + 90 * DAY_MS + 1), "bad_field");
    refuse("an end at its beginning", 10, Node::Uint(BEGIN.0), "bad_field");
    refuse("a salt of 7 bytes", 11, Node::Bytes(vec![0; 7]), "wrong_shape");
    let eves = signed_by(&[WORLD.eve.device_seed], Context::INVITE, payload);
    file.refuse("signed by another device than it names", "invite_cert", &eves.to_bytes(), "wrong_signer");
    let confused = signed_by(&[seed], Context::JOIN, payload);
    file.refuse("signed as a join", "invite_cert", &confused.to_bytes(), "bad_signature");
}

/// A text with a right check around any bytes.
pub(super) fn pasted(prefix: &str, check: Context, bytes: &[u8]) -> String {
    let whole = [bytes, &hash(check, bytes)[..4]].concat();
    format!("{prefix}{}", BASE32_NOPAD.encode(&whole).to_lowercase())
}

/// The bytes inside a text, without the check.
pub(super) fn inside(prefix: &str, text: &str) -> Vec<u8> {
    let coded = text.strip_prefix(prefix).expect("every pasted text begins with its prefix").to_uppercase();
    let mut bytes = BASE32_NOPAD.decode(coded.as_bytes()).expect("it was just written");
    bytes.truncate(bytes.len() - 4);
    bytes
}

fn refused_keys(file: &mut File) {
    let text = WORLD.invite.to_text();
    let bytes = inside(PREFIX, &text);
    let pasted = |bytes: &[u8]| pasted(PREFIX, Context::INVITE_CHECK, bytes);
    assert_eq!(pasted(&bytes), text, "the text is what the page says");
    let mut refuse =
        |name: &'static str, text: &str, refusal: &str| file.refuse(name, "invite_key", text.as_bytes(), refusal);
    let swap = |at: usize| {
        let letter = if text.as_bytes()[at] == b'a' { "b" } else { "a" };
        format!("{}{letter}{}", &text[..at], &text[at + 1..])
    };
    refuse("one wrong letter at the beginning", &swap(8), "damaged_invite_key");
    refuse("one wrong letter in the middle", &swap(text.len() / 2), "damaged_invite_key");
    refuse("one wrong letter at the end", &swap(text.len() - 1), "damaged_invite_key");
    refuse("cut short by a letter", &text[..text.len() - 1], "damaged_invite_key");
    refuse("cut short by half", &text[..text.len() / 2], "damaged_invite_key");
    refuse("the prefix alone", "hearth1", "damaged_invite_key");
    refuse("nothing", "", "not_an_invite_key");
    refuse("another prefix", &text.replace("hearth1", "hearth2"), "not_an_invite_key");
    refuse("with the digit 1, which base32 lacks", &format!("hearth11{}", &text[8..]), "not_an_invite_key");
    refuse("with a letter that is not ASCII", &format!("{text}é"), "not_an_invite_key");
    let alter = |at, node| pasted(&replaced(&bytes, at, node));
    refuse("a right check around nothing", &pasted(&[]), "unreadable_invite_key");
    refuse("a right check around version 2", &alter(0, Node::Uint(2)), "unreadable_invite_key");
    refuse("a right check around no hints", &alter(4, Node::Array(Vec::new())), "unreadable_invite_key");
    let hints = vec![parse(&encode(&hint(&WORLD.alice))); 5];
    refuse("a right check around five hints", &alter(4, Node::Array(hints)), "unreadable_invite_key");
    refuse(
        "a right check around 101 uses",
        &pasted(&edited(&bytes, |f| f[3].elements()[4] = Node::Uint(101))),
        "unreadable_invite_key",
    );
    refuse("a right check around another community", &alter(1, Node::Bytes(vec![9; 32])), "other_community");
    refuse("a right check around another seed", &alter(2, Node::Bytes(vec![9; 16])), "other_community");
    refuse(
        "a right check around more uses than were signed",
        &pasted(&edited(&bytes, |f| f[3].elements()[4] = Node::Uint(2))),
        "other_community",
    );
    refuse("a link with another scheme", &format!("https:{text}"), "not_an_invite_key");
    refuse("a link within a link", &format!("hearth:hearth:{text}"), "not_an_invite_key");
    refuse("a link with slashes", &format!("hearth://{text}"), "not_an_invite_key");
    refuse("the scheme alone", "hearth:", "not_an_invite_key");
    refuse("a pairing code", &crate::asks::code().to_text(), "not_an_invite_key");
    let other = super::pasted(PREFIX, Context::PAIR_CHECK, &bytes);
    refuse("with the check of a pairing code", &other, "damaged_invite_key");
    refuse("3,001 characters", &format!("hearth1{}", "a".repeat(2994)), "too_long");
}

fn refused_joins(file: &mut File) {
    let w = &*WORLD;
    let cert = &w.invite.cert.signed;
    let [invite, identity] = [*w.invite.secret().seed(), *w.bob.ladder.key(0).seed()];
    let (device, payload) = (w.bob.device_seed, w.join.payload.as_slice());
    let all = |payload: &[u8]| signed_by(&[invite, identity, device], Context::JOIN, payload);
    let mut refuse = |name: &'static str, join: &Signed, refusal: &str| {
        file.refuse(name, "join", &encode(&(cert, join)), refusal);
    };
    refuse(
        "without the invite key's signature",
        &signed_by(&[identity, device], Context::JOIN, payload),
        "wrong_signer",
    );
    refuse(
        "without the identity key's signature",
        &signed_by(&[invite, device], Context::JOIN, payload),
        "wrong_signer",
    );
    refuse("without the device's signature", &signed_by(&[invite, identity], Context::JOIN, payload), "wrong_signer");
    refuse(
        "with the invite key of another invite",
        &signed_by(&[[7; 32], identity, device], Context::JOIN, payload),
        "wrong_signer",
    );
    refuse(
        "with a fourth signature",
        &signed_by(&[invite, identity, device, w.eve.device_seed], Context::JOIN, payload),
        "wrong_signer",
    );
    refuse(
        "into another community than the certificate's",
        &all(&replaced(payload, 1, Node::Bytes(vec![9; 32]))),
        "wrong_signer",
    );
    refuse("by another certificate", &all(&replaced(payload, 2, Node::Bytes(vec![9; 32]))), "wrong_signer");
    refuse("by no certificate", &all(&replaced(payload, 2, NULL)), "wrong_signer");
    refuse("a name of 65 bytes", &all(&replaced(payload, 4, Node::Text(vec![b'a'; 65]))), "wrong_shape");
    let other = Join { person: w.eve.record(), ..Join::from_canonical(payload).expect("it was accepted") };
    refuse("for another person by the same signers (I2)", &all(&other.to_canonical()), "wrong_signer");
    let mut swapped = w.join.clone();
    let mut signatures = swapped.signatures.to_vec();
    signatures.reverse();
    swapped.signatures = list(signatures);
    refuse("with its signatures out of order", &swapped, "bad_signature");
    let by_invite = invite_of_eve();
    file.refuse("a knock that an invite key signed too", "knock", &by_invite.to_bytes(), "wrong_signer");
}

fn invite_of_eve() -> Signed {
    let w = &*WORLD;
    let key = invite(w.garden.id(), &w.alice, [0x56; 24]);
    let seeds = [*key.secret().seed(), *w.carol.ladder.key(0).seed(), w.carol.device_seed];
    signed_by(&seeds, Context::JOIN, w.knock.payload.as_slice())
}
