//! A million guesses at an invite, put to a member's engine by somebody who has a full client and no invite (T5).
//!
//! What a guess is differs by what the guesser knows already, and each kind is counted by itself. None of them says
//! anything of 128 random bits that a million could wear down: they look for checks that are missing.

use std::{collections::BTreeMap, time::Instant};

use data_encoding::BASE32_NOPAD;
use hearth_protocol::{
    authority::{Grant, Role},
    bytes::{Blob, Bytes, List},
    encoding::V1,
    engine::{Effect, Identity, Input},
    hello::{JoinRequest, Transcript},
    id::{CertId, CommunityId, Context, hash, hash_all},
    invite::{Hint, InviteKey, InviteTerms, Join, PREFIX},
    key::SecretKey,
    signed::Signed,
    testing::{Dice, Simulator},
    time::DAY_MS,
    wire::{Request, Response},
};
use hearth_tests::shared;

use crate::{
    acts::{found, invite, log},
    seeds::{is_long, play, simulator},
};

/// Somebody connected with alice, who plays the network between them.
struct Outsider {
    simulator: Simulator,
    garden: CommunityId,
    who: Identity,
    transcript: Transcript,
    dice: Dice,
    /// What alice has answered, how often.
    refusals: BTreeMap<String, u64>,
}

fn chance<const N: usize>(dice: &mut Dice) -> [u8; N] {
    let mut bytes = [0; N];
    for part in bytes.chunks_mut(8) {
        let drawn = dice.draw().to_le_bytes();
        part.copy_from_slice(&drawn[..part.len()]);
    }
    bytes
}

impl Outsider {
    /// eve, after a hello to alice.
    fn at_the_door(seed: u64) -> (Outsider, InviteKey, String) {
        let mut simulator = simulator(seed).with(&["alice"]);
        let garden = found(&mut simulator, "alice", "garden");
        let (_, text) = invite(&mut simulator, "alice", garden, 100);
        let key = InviteKey::from_text(&text).expect("it was just made");
        simulator.hostile("eve");
        let who = simulator.identity("eve").clone();
        let mut dice = Dice::new(seed ^ 0xe0e);
        // Else the seventeenth guess would be the last that is looked at.
        simulator.look_at_all_asks("alice");
        simulator.decide("alice", Input::Connected(who.peer.clone()));
        let transcript = hello(&mut simulator, &who, chance(&mut dice));
        (Outsider { simulator, garden, who, transcript, dice, refusals: BTreeMap::new() }, key, text)
    }

    /// Puts a join to alice's engine. Answers whether it was let in.
    fn is_admitted(&mut self, tag: Bytes<16>, sealed: Vec<u8>) -> bool {
        let request = Request::Join(tag, Blob::new(sealed).expect("it is short"));
        let peer = self.who.peer.clone();
        let input = Input::Asked { peer, token: 1, request: Ok(request) };
        let effects = self.simulator.decide("alice", input);
        let mut kept = false;
        for effect in effects {
            match effect {
                Effect::Keep(_) => kept = true,
                Effect::Respond { response: Response::Join(_), .. } => return true,
                Effect::Respond { response: Response::Refused(name), .. } => {
                    *self.refusals.entry(name.as_str().to_owned()).or_default() += 1;
                }
                Effect::Respond { response, .. } => panic!("{response:?}"),
                _ => {}
            }
        }
        kept
    }

    fn tag(&self) -> Bytes<16> {
        self.transcript.join_tag(self.garden)
    }

    /// eve's answer to an invite.
    fn join(&self, key: &InviteKey) -> Signed {
        self.join_signed_with(key, &key.secret())
    }

    /// eve's answer to a certificate, signed with a secret that may not be its own.
    fn join_signed_with(&self, key: &InviteKey, secret: &SecretKey) -> Signed {
        let join = Join {
            version: V1,
            community: key.community,
            cert: Some(CertId::from(key.cert.id())),
            person: self.who.record.clone(),
            name: self.who.name.clone(),
            ts: self.now(),
        };
        Signed::seal(&join, &[secret, self.who.key.as_ref().expect("a first device has it"), &self.who.device])
    }

    fn now(&self) -> hearth_protocol::time::Millis {
        self.simulator.now()
    }
}

fn hello(simulator: &mut Simulator, who: &Identity, nonce: [u8; 32]) -> Transcript {
    let request = Ok(Request::Hello(Bytes(nonce)));
    let effects = simulator.decide("alice", Input::Asked { peer: who.peer.clone(), token: 0, request });
    let answer = effects.into_iter().find_map(|effect| match effect {
        Effect::Respond { response: Response::Hello(theirs), .. } => Some(theirs.0),
        _ => None,
    });
    Transcript::new((&who.peer, &nonce), (b"alice", &answer.expect("anybody is answered")))
}

/// The text of a key with another seed in it, its check put right.
fn reseeded(text: &str, seed: &[u8; 16]) -> String {
    let coded = text.strip_prefix(PREFIX).expect("it is a key").to_uppercase();
    let mut bytes = BASE32_NOPAD.decode(coded.as_bytes()).expect("it is a key");
    bytes.truncate(bytes.len() - 4);
    // An array of five, the version, 32 bytes of community with two before them, one before the seed.
    let at = 1 + 1 + 34 + 1;
    bytes[at..at + 16].copy_from_slice(seed);
    let check = hash(Context::INVITE_CHECK, &bytes);
    bytes.extend_from_slice(&check[..4]);
    format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
}

fn flipped(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = dice.below(bytes.len());
    bytes[at] ^= 1 << dice.below(8);
    bytes
}

/// So many guesses of one kind, and how long they took.
fn count(kind: &str, times: u64, mut is_let_in: impl FnMut() -> bool) -> u64 {
    let start = Instant::now();
    let accepted = (0..times).filter(|_| is_let_in()).count();
    shared::tell(&format!("  {times} {kind}: {accepted} accepted, {:.1} s", start.elapsed().as_secs_f64()));
    assert_eq!(accepted, 0, "{kind}");
    times
}

#[test]
fn of_a_million_guesses_at_an_invite_none_is_let_in() {
    // eve ── alice, whose invite for a hundred is open
    play("guesses", 1, |seed| {
        let (mut eve, key, text) = Outsider::at_the_door(seed);
        let before = log(&eve.simulator, "alice", eve.garden);
        let dear = if is_long() { 1_000_000 } else { 30_000 };
        let mut guesses = tags_and_frames(&mut eve, &key, 830_000);
        guesses += seeds_of_a_known_certificate(&mut eve, &key, dear);
        guesses += certificates_of_her_own(&mut eve, 500);
        guesses += changes_of_a_true_request(&mut eve, &key, 9_500);
        guesses += pasted_texts(&text, &mut eve.dice, 110_000, 20_000);
        assert!(guesses >= 1_000_000, "{guesses}");
        assert_eq!(log(&eve.simulator, "alice", eve.garden), before);
        shared::tell(&format!(
            "guesses: {guesses}, of which {} were put to a member; none accepted",
            eve.refusals.values().sum::<u64>()
        ));
        // All this was at the right door: the true key opens it.
        let join = eve.join(&key);
        let sealed = JoinRequest::seal(&eve.transcript, eve.garden, key.cert.signed.clone(), join, &key.secret());
        assert!(eve.is_admitted(eve.tag(), sealed));
    });
}

#[test]
fn who_knows_a_community_but_has_no_invite_learns_nothing_from_its_members() {
    // eve ── alice
    play("silence", 1, |seed| {
        let (mut eve, _, _) = Outsider::at_the_door(seed);
        certificates_of_her_own(&mut eve, 1);
        let names: Vec<&str> = eve.refusals.keys().map(String::as_str).collect();
        assert_eq!(names, ["unknown"], "7.3: silent until an invite holds");
    });
}

/// Who does not know the community, guesses at its tag; who knows it, but no invite, at the bytes.
fn tags_and_frames(eve: &mut Outsider, key: &InviteKey, times: u64) -> u64 {
    let join = eve.join(key);
    let sealed = JoinRequest::seal(&eve.transcript, eve.garden, key.cert.signed.clone(), join.clone(), &key.secret());
    let mut guesses = count("random tags, before a true request", times / 2, || {
        let tag = Bytes(chance(&mut eve.dice));
        eve.is_admitted(tag, sealed.clone())
    });
    guesses += count("sealed requests with a bit changed", times / 4, || {
        let sealed = flipped(&sealed, &mut eve.dice);
        eve.is_admitted(eve.tag(), sealed)
    });
    let secret = key.secret();
    let overheard: Vec<Vec<u8>> = (0..64)
        .map(|_| {
            let nonces: ([u8; 32], [u8; 32]) = (chance(&mut eve.dice), chance(&mut eve.dice));
            let elsewhere = Transcript::new((&eve.who.peer, &nonces.0), (b"alice", &nonces.1));
            JoinRequest::seal(&elsewhere, eve.garden, key.cert.signed.clone(), join.clone(), &secret)
        })
        .collect();
    guesses += count("true requests of other connections, replayed", times - times / 2 - times / 4, || {
        let sealed = eve.dice.pick(&overheard).expect("there are 64").clone();
        eve.is_admitted(eve.tag(), sealed)
    });
    guesses
}

/// Who knows community and certificate, as every member does once somebody was admitted, guesses at the 16 bytes. Every
/// second time she even has a join that was truly signed with the invite, so that all hangs on the connection's own
/// signature.
fn seeds_of_a_known_certificate(eve: &mut Outsider, key: &InviteKey, times: u64) -> u64 {
    let true_join = eve.join(key);
    let mut number = 0;
    count("random seeds for a known certificate", times, || {
        number += 1;
        let guess: [u8; 16] = chance(&mut eve.dice);
        let secret = SecretKey::new(&hash_all(Context::INVITE_SK, &[&guess, eve.garden.as_bytes()]));
        let join = if number % 2 == 0 { true_join.clone() } else { eve.join_signed_with(key, &secret) };
        let sealed = JoinRequest::seal(&eve.transcript, eve.garden, key.cert.signed.clone(), join, &secret);
        eve.is_admitted(eve.tag(), sealed)
    })
}

/// Who knows the community, and its founder, makes a certificate in the founder's name.
fn certificates_of_her_own(eve: &mut Outsider, times: u64) -> u64 {
    let alice = eve.simulator.person("alice");
    let terms = InviteTerms {
        role: Role::Member,
        max_uses: 100,
        only: None,
        not_before: eve.now(),
        not_after: eve.now().after(7 * DAY_MS),
    };
    let hint = Hint(Blob::new(b"alice".to_vec()).expect("short"), Blob::new(b"alice".to_vec()).expect("short"));
    let hints = List::new(vec![hint]).expect("one of four");
    count("certificates in another's name", times, || {
        let inviter = (alice, Grant::Founder(0), &eve.who.device);
        let key = InviteKey::create(eve.garden, inviter, &terms, hints.clone(), chance(&mut eve.dice))
            .expect("the terms are within bounds");
        let join = eve.join(&key);
        let cert = key.cert.signed.clone();
        let sealed = JoinRequest::seal(&eve.transcript, eve.garden, cert, join, &key.secret());
        eve.is_admitted(eve.tag(), sealed)
    })
}

/// A true request with one bit changed before it is sealed: whatever is in it, something has signed it.
fn changes_of_a_true_request(eve: &mut Outsider, key: &InviteKey, times: u64) -> u64 {
    let join = eve.join(key);
    let sealed = JoinRequest::seal(&eve.transcript, eve.garden, key.cert.signed.clone(), join, &key.secret());
    let seal = eve.transcript.join_key(eve.garden);
    let plain = seal.open(&sealed, &[]).expect("it was just sealed");
    count("true requests with a bit changed inside", times, || {
        let changed = flipped(&plain, &mut eve.dice);
        eve.is_admitted(eve.tag(), seal.seal(&changed, &[]))
    })
}

/// Pasted texts: a true key with letters changed; and one whose seed was replaced and whose check is right. Neither
/// may read as a key, so that nobody is ever asked.
fn pasted_texts(text: &str, dice: &mut Dice, letters: u64, seeds: u64) -> u64 {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let changed = count("pasted keys with letters changed", letters, || {
        let mut guess = text.as_bytes().to_vec();
        // The same letters again are no guess.
        while guess == text.as_bytes() {
            for _ in 0..=dice.below(3) {
                let at = PREFIX.len() + dice.below(guess.len() - PREFIX.len());
                guess[at] = *dice.pick(ALPHABET).expect("there are 32");
            }
        }
        let guess = String::from_utf8(guess).expect("letters and digits");
        InviteKey::from_text(&guess).is_ok()
    });
    changed
        + count("pasted keys with another seed", seeds, || InviteKey::from_text(&reseeded(text, &chance(dice))).is_ok())
}

#[test]
fn who_has_asked_in_vain_for_a_while_is_not_looked_at_any_more_on_that_connection() {
    // eve ── alice
    play("in vain", 1, |seed| {
        let mut simulator = simulator(seed).with(&["alice"]);
        let garden = found(&mut simulator, "alice", "garden");
        let (_, text) = invite(&mut simulator, "alice", garden, 100);
        let key = InviteKey::from_text(&text).expect("it was just made");
        simulator.hostile("eve");
        let who = simulator.identity("eve").clone();
        let dice = Dice::new(seed);
        let mut eve = Outsider {
            transcript: hello_again(&mut simulator, &who),
            simulator,
            garden,
            who,
            dice,
            refusals: BTreeMap::new(),
        };
        for _ in 0..hearth_protocol::limits::VAIN_ASKS {
            assert!(!eve.is_admitted(eve.tag(), vec![0; 100]));
        }
        let join = eve.join(&key);
        let sealed = JoinRequest::seal(&eve.transcript, garden, key.cert.signed.clone(), join.clone(), &key.secret());
        assert!(!eve.is_admitted(eve.tag(), sealed), "T5");
        eve.transcript = hello_again(&mut eve.simulator, &eve.who.clone());
        let sealed = JoinRequest::seal(&eve.transcript, garden, key.cert.signed.clone(), join, &key.secret());
        assert!(eve.is_admitted(eve.tag(), sealed), "an honest newcomer connects again");
    });
}

/// A new connection, and a hello over it.
fn hello_again(simulator: &mut Simulator, who: &Identity) -> Transcript {
    simulator.decide("alice", Input::Connected(who.peer.clone()));
    hello(simulator, who, [7; 32])
}
