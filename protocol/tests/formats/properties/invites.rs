//! P14: nothing of an invite can be altered, and a join is for one person.

use hearth_protocol::{
    encoding::encode,
    id::Context,
    invite::{CheckedJoin, InviteCert, InviteKey, Join, PREFIX},
    person::Ladder,
    signed::{Payload as _, Signed, Verified},
};

use super::random;
use crate::{
    cast::{Actor, blob, list, signed_by},
    decoders,
    story::WORLD,
    vectors::{inside, pasted},
};

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    altered[bit / 8] ^= 1 << (bit % 8);
    altered
}

/// P14: whatever bit of a pasted key is flipped, it is refused. Only the case of a letter is nothing.
#[test]
fn a_pasted_key_with_any_bit_flipped_is_refused_or_the_same_key() {
    let text = WORLD.invite.to_text();
    let mut same = 0;
    for bit in 0..text.len() * 8 {
        let altered = flipped(text.as_bytes(), bit);
        let Ok(altered) = str::from_utf8(&altered) else { continue };
        if let Ok(read) = InviteKey::from_text(altered) {
            assert_eq!(altered.to_lowercase(), text, "bit {bit}");
            assert_eq!(read.to_text(), text);
            same += 1;
        }
    }
    assert_eq!(same, text.chars().filter(char::is_ascii_alphabetic).count(), "each letter has two cases");
}

/// P14: nor does it help to make the check fit again: all but the hints is signed, or what the signature hangs on.
#[test]
fn a_pasted_key_with_any_bit_flipped_and_a_right_check_is_refused_but_for_its_hints() {
    let packed = inside(PREFIX, &WORLD.invite.to_text());
    let hints = packed.len() - encode(&WORLD.invite.hints).len();
    let mut other_hints = 0;
    for bit in 0..packed.len() * 8 {
        let text = pasted(PREFIX, Context::INVITE_CHECK, &flipped(&packed, bit));
        if let Ok(read) = InviteKey::from_text(&text) {
            assert!(bit / 8 >= hints, "bit {bit} of {hints} bytes is not covered");
            assert_eq!(read.cert, WORLD.invite.cert);
            other_hints += 1;
        }
    }
    assert!(other_hints > 0, "where to find members is not signed");
}

/// P14, of the certificate and of the join, with all that is around their payloads.
#[test]
fn a_certificate_or_join_with_any_bit_flipped_is_refused() {
    let w = &*WORLD;
    let cert = w.invite.cert.signed.to_bytes();
    for bit in 0..cert.len() * 8 {
        assert!(decoders::read("invite_cert", &flipped(&cert, bit)).is_err(), "bit {bit} of the certificate");
    }
    let pair = encode(&(&w.invite.cert.signed, &w.join));
    for bit in 0..pair.len() * 8 {
        assert!(decoders::read("join", &flipped(&pair, bit)).is_err(), "bit {bit} of certificate and join");
    }
    let knock = w.knock.to_bytes();
    for bit in 0..knock.len() * 8 {
        assert!(decoders::read("knock", &flipped(&knock, bit)).is_err(), "bit {bit} of the knock");
    }
}

/// P14: a join is for the one person in it, whoever takes its signatures along.
#[test]
fn a_join_verified_for_one_person_fails_for_every_other() {
    let w = &*WORLD;
    let cert = Verified::<InviteCert>::check(w.invite.cert.signed.clone()).expect("it is a good certificate");
    let good = CheckedJoin::check(w.join.clone(), Some(&cert)).expect("it is a good join");
    assert_eq!(good.person.id, w.bob.id());
    let mut random = random("a_join_verified_for_one_person_fails_for_every_other");
    let known = [&w.alice, &w.carol, &w.dave, &w.eve, &w.ferry].map(|actor| actor.entropy);
    let strangers: Vec<[u8; 32]> = (0..60).map(|_| random.bytes()).collect();
    for entropy in known.into_iter().chain(strangers) {
        let other = Actor { entropy, ladder: Ladder::new(entropy), ..Actor::new("stranger", 0x70) };
        let payload = Join { person: other.record(), ..good.join.clone() }.to_canonical();
        let seeds = [*other.ladder.key(0).seed(), other.device_seed];
        let attempts = [
            // Bob's signatures around the other's person.
            Signed { payload: blob(payload.clone()), ..w.join.clone() },
            // The other's own, with the one of the invite key that bob made.
            Signed {
                signatures: list({
                    let own = signed_by(&seeds, Context::JOIN, &payload);
                    let invite = w.join.signatures.iter().find(|s| s.0 == cert.value.invite).expect("it signed");
                    let mut all = [&own.signatures[..], &[*invite]].concat();
                    all.sort_unstable();
                    all
                }),
                payload: blob(payload.clone()),
            },
            // The other's own alone.
            signed_by(&seeds, Context::JOIN, &payload),
            // A key of one's own in place of the invite's.
            signed_by(&[seeds[0], seeds[1], [0x99; 32]], Context::JOIN, &payload),
        ];
        for (number, join) in attempts.into_iter().enumerate() {
            assert!(CheckedJoin::check(join, Some(&cert)).is_err(), "{number}: {:?}", other.id());
        }
    }
}
