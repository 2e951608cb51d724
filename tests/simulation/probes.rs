//! An outsider with a full client, who knows a node's address, a community's id and who is in it: what the node answers
//! and asks her does not depend on whether it is in that community, or in any (T4, P19, P21).
//!
//! Leaves to others: guesses at an invite (`guesses`), and what a removed member tries (`removal`). Always true: a member
//! asks the same in the same way, with true keys, and is answered otherwise.

use std::collections::BTreeMap;

use hearth_protocol::{
    bytes::{Blob, Bytes},
    engine::{Identity, ROUND_MS},
    epoch::EpochKey,
    hello::{
        JoinRequest, PairRequest, PreviewRequest, Proof, RestoreRequest, SealedHello, Speaker, StaleHello, Transcript,
    },
    id::{CommunityId, ItemId, OpId},
    invite::InviteKey,
    limits,
    random::Random,
    testing::{Received, Simulator},
    text::Text,
    wire::{Fingerprint, Request, Response, SetName},
};
use hearth_tests::shared;

use crate::{
    acts::{QUIET_MS, bring_in, found, garden_of, invite, post},
    seeds::{play, simulator},
};

/// What is asked of one node, from a hello on.
const PROBES: usize = 18;
/// What must not reach her in any form.
const TEXT: &str = "nobody else reads this";

/// What somebody knows who asks.
struct Known {
    garden: CommunityId,
    item: ItemId,
    epoch: OpId,
    alice: Identity,
    bob: Identity,
    /// The outsider has made it up.
    key: EpochKey,
    /// The outsider's is for another community, as is its certificate.
    invite: InviteKey,
}

/// Somebody who asks, without an engine.
struct Asker<'a> {
    simulator: &'a mut Simulator,
    name: &'static str,
    known: &'a Known,
    random: Random,
    /// All bytes that came back.
    heard: Vec<Vec<u8>>,
}

impl<'a> Asker<'a> {
    fn new(simulator: &'a mut Simulator, name: &'static str, known: &'a Known) -> Asker<'a> {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&simulator.seed().to_le_bytes());
        Asker { simulator, name, known, random: Random::new(&seed), heard: Vec::new() }
    }

    /// All that one node lets them see, in the order in which they ask; then what it asks of them by itself, while
    /// `meanwhile` happens.
    fn sees(&mut self, at: &str, meanwhile: impl FnOnce(&mut Simulator)) -> Vec<String> {
        let nonce = self.random.bytes();
        let hello = self.simulator.ask(self.name, at, &Request::Hello(Bytes(nonce)));
        let mut shapes = vec![shape(hello.as_ref())];
        let Some(Response::Hello(theirs)) = hello else { panic!("anybody is answered") };
        let transcript = Transcript::new((self.name.as_bytes(), &nonce), (at.as_bytes(), &theirs.0));
        for request in self.probes(&transcript) {
            let answer = self.simulator.ask(self.name, at, &request);
            shapes.push(shape(answer.as_ref()));
            self.heard.extend(answer.map(|answer| answer.to_bytes()));
        }
        assert_eq!(shapes.len(), PROBES);
        self.listens(at, 2_000);
        meanwhile(self.simulator);
        // Whole rounds, so that it does not matter when they begin.
        let asked = self.listens(at, 3 * ROUND_MS);
        shapes.extend(asked.into_iter().map(|(what, times)| format!("{times} times {what}")));
        shapes
    }

    /// Everything that can be asked.
    fn probes(&mut self, transcript: &Transcript) -> Vec<Request> {
        let tag = transcript.tag(&self.known.key, Speaker::Asker);
        let mut probes = self.hellos(transcript, tag);
        probes.extend(self.entries(transcript));
        let (made_up, one): (Bytes<32>, Fingerprint) = (Bytes(self.random.bytes()), Fingerprint(u64::MAX, [1; 4]));
        let Known { garden, item, epoch, .. } = *self.known;
        probes.extend([
            Request::Ids(tag, SetName::Items, one, None),
            Request::Ids(tag, SetName::Operations, one, Some(made_up)),
            Request::Fetch(tag, SetName::Items, vec![item.0]),
            Request::Fetch(tag, SetName::Operations, vec![epoch.0, made_up]),
            Request::Fetch(tag, SetName::Blobs, vec![made_up]),
            Request::Keys(tag, vec![epoch]),
            Request::Communities(tag, vec![garden]),
            Request::Addresses(tag, Vec::new()),
        ]);
        probes
    }

    /// Tags, with hellos sealed to the node in a member's name, and proofs.
    fn hellos(&mut self, transcript: &Transcript, tag: Bytes<16>) -> Vec<Request> {
        let known = self.known;
        let who = self.simulator.identity(self.name).clone();
        let to = known.alice.sealing.public();
        let random = &mut self.random;
        let mut hello = |of: &Identity, device: &Identity| -> SealedHello {
            let (person, device) = (of.person(), device.device.public());
            let key = EpochKey::new(random.bytes());
            let hello = StaleHello { community: known.garden, person, device, key };
            hello.seal(transcript, &who.device, &to, random)
        };
        let hellos = [(&known.alice, &who), (&known.bob, &known.bob), (&known.alice, &known.alice), (&who, &who)];
        let hellos: Vec<SealedHello> = hellos.into_iter().map(|(of, device)| hello(of, device)).collect();
        let mut tags = vec![tag];
        tags.resize_with(limits::HELLO_TAGS, || Bytes(self.random.bytes()));
        let prove = |person| {
            let proof = Proof::seal(transcript, known.garden, &known.key, Speaker::Asker, person, &who.device);
            Request::Prove(tag, Blob::new(proof).expect("a proof is short"))
        };
        vec![Request::Tags(tags, hellos), prove(known.alice.person()), prove(who.person())]
    }

    /// The doors at which somebody may ask who is not in.
    fn entries(&mut self, transcript: &Transcript) -> Vec<Request> {
        let known = self.known;
        let who = self.simulator.identity(self.name).clone();
        let identity = who.key.as_ref().expect("a first device has it");
        let (cert, secret) = (known.invite.cert.signed.clone(), known.invite.secret());
        let join = known.invite.join(who.record.clone(), who.name.clone(), identity, &who.device, self.simulator.now());
        let join = JoinRequest::seal(transcript, known.garden, cert.clone(), join, &secret);
        let look = PreviewRequest::seal(transcript, known.garden, cert, &secret);
        let code = self.random.bytes();
        let pair = PairRequest::seal(transcript, &code, &who.device, who.sealing.public());
        let restore = RestoreRequest::seal(transcript, who.record.clone(), who.device.public(), identity);
        let noise: [u8; 900] = self.random.bytes();
        let door = transcript.join_tag(known.garden);
        vec![
            Request::Join(door, Blob::new(join).expect("it is short")),
            Request::Join(door, Blob::new(noise.to_vec()).expect("it is short")),
            Request::Preview(door, Blob::new(look).expect("it is short")),
            Request::Pair(transcript.pair_tag(&code), Blob::new(pair).expect("it is short")),
            Request::Restore(transcript.restore_tag(known.alice.person()), restored(&restore)),
            Request::Restore(transcript.restore_tag(who.person()), restored(&restore)),
        ]
    }

    /// Answers whatever a node asks by itself, so that it goes on; says what that was and how often.
    fn listens(&mut self, at: &str, span_ms: u64) -> BTreeMap<String, usize> {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        let end = self.simulator.now().after(span_ms);
        while self.simulator.now() < end {
            self.simulator.run_for(10);
            for received in self.simulator.received(self.name) {
                let (by, what) = match received {
                    Received::Connected(by) => (by, "connected".to_owned()),
                    Received::Disconnected(by) => (by, "disconnected".to_owned()),
                    Received::Unreachable(by) => (by, "unreachable".to_owned()),
                    Received::Request { from, token, request } => {
                        let request = request.expect("honest nodes send what can be read");
                        let answer = self.random_answer(&request);
                        self.simulator.send_response(self.name, token, &answer);
                        self.heard.push(request.to_bytes());
                        (from, sort(&request))
                    }
                    Received::Response { .. } | Received::Unanswered { .. } => continue,
                    Received::Gossip { from, topic, data } => {
                        self.heard.extend([topic.into_bytes(), data]);
                        (from, "gossip".to_owned())
                    }
                };
                if by == at {
                    *asked.entry(what).or_default() += 1;
                }
            }
        }
        asked
    }

    /// What a node of no community says.
    fn random_answer(&mut self, request: &Request) -> Response {
        match request {
            Request::Hello(_) => Response::Hello(Bytes(self.random.bytes())),
            Request::Tags(..) => Response::Tags((0..limits::HELLO_TAGS).map(|_| Bytes(self.random.bytes())).collect()),
            _ => Response::Refused(Text::exact("unknown".to_owned()).expect("it is short")),
        }
    }

    fn has_heard(&self, secret: &[u8]) -> bool {
        self.heard.iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
    }
}

fn restored(sealed: &[u8]) -> Blob<{ 8 * 1024 }> {
    Blob::new(sealed.to_vec()).expect("it is short")
}

/// Which question it is, and how long.
fn sort(request: &Request) -> String {
    let which = match request {
        Request::Hello(_) => "a hello".to_owned(),
        Request::Tags(tags, hellos) => format!("{} tags and {} sealed hellos", tags.len(), hellos.len()),
        other => format!("{other:?}"),
    };
    format!("{which} of {} bytes", request.to_bytes().len())
}

/// What an answer tells at first sight: which one it is, how long, and the name of a refusal.
fn shape(answer: Option<&Response>) -> String {
    match answer {
        None => "nothing".to_owned(),
        Some(Response::Refused(name)) => format!("refused {}", name.as_str()),
        Some(Response::Hello(_)) => "a nonce".to_owned(),
        Some(answer @ Response::Tags(tags)) => format!("{} tags of {} bytes", tags.len(), answer.to_bytes().len()),
        Some(other) => format!("{other:?}"),
    }
}

/// alice is in three communities, in one of them with bob; zoe is in none.
fn network(seed: u64) -> (Simulator, Known, InviteKey, EpochKey) {
    let mut simulator = simulator(seed).with(&["alice", "bob", "mallory", "zoe"]);
    let garden = garden_of(&mut simulator, &["alice", "bob"]);
    found(&mut simulator, "alice", "library");
    let lair = found(&mut simulator, "mallory", "lair");
    bring_in(&mut simulator, "mallory", lair, "alice");
    let item = post(&mut simulator, "alice", garden, TEXT).expect("alice is the founder");
    let (_, hers) = invite(&mut simulator, "mallory", lair, 9);
    let (_, bobs) = invite(&mut simulator, "alice", garden, 9);
    simulator.run_until_quiet(QUIET_MS);
    simulator.hostile("eve");
    let standing = &simulator.engine("alice").communities()[&garden];
    let key = standing.tag_keys().first().map(|key| (*key).clone()).expect("it was just founded");
    let epoch = standing.state.epochs.last().expect("it was just founded").id;
    let invite = |key: &str| InviteKey::from_text(key).expect("it was just made");
    let [alice, bob] = ["alice", "bob"].map(|name| simulator.identity(name).clone());
    let made_up = EpochKey::new(*garden.as_bytes());
    let known = Known { garden, item, epoch, alice, bob, key: made_up, invite: invite(&hers) };
    (simulator, known, invite(&bobs), key)
}

#[test]
fn a_node_answers_an_outsider_alike_whatever_it_is_in() {
    // eve ── alice, who is in three communities with bob and mallory; eve ── zoe, who is in none
    let (mut probed, mut told) = (0, 0);
    play("probes", 30, |seed| {
        let (mut simulator, known, invite, key) = network(seed);
        simulator.conditions.latency_ms = 20..=20;
        // She even knows where the members talk.
        simulator.listen_on("eve", &key.topic());
        let garden = known.garden;
        let mut eve = Asker::new(&mut simulator, "eve", &known);
        let at_alice = eve.sees("alice", |simulator| {
            post(simulator, "alice", garden, TEXT).expect("alice is the founder");
        });
        let at_zoe = eve.sees("zoe", |_| ());
        assert_eq!(at_alice, at_zoe, "P19, P21");
        probed += 2 * PROBES;
        let (person, device) = (known.alice.person(), known.alice.device.public());
        let ids: [&[u8]; 4] = [garden.as_bytes(), known.item.as_bytes(), person.as_bytes(), device.0.as_bytes()];
        let secrets = ids.into_iter().chain([TEXT.as_bytes()]);
        assert!(!secrets.clone().any(|secret| eve.has_heard(secret)), "T4");

        // Who is in is told otherwise, by the same questions.
        simulator.hostile("bob");
        let known = Known { key, invite, ..known };
        let mut bob = Asker::new(&mut simulator, "bob", &known);
        let for_bob = bob.sees("alice", |_| ());
        let differ = for_bob.iter().zip(&at_alice).take(PROBES).filter(|(his, hers)| his != hers).count();
        assert!(differ >= 9, "{differ} of {PROBES}");
        for secret in secrets {
            assert!(bob.has_heard(secret), "{}", String::from_utf8_lossy(secret));
        }
        told += differ;
    });
    shared::tell(&format!("probes: {probed} by an outsider, answered alike; a member was told otherwise {told} times"));
    assert!(probed >= 1_000 || std::env::var_os("SEED").is_some(), "{probed}");
}
