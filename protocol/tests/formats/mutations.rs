//! T10, P26: what somebody signed, altered in any way, is nothing.
//!
//! Mutants of valid items, operations, genesis records, joins, invites, envelopes, reveals, certificates, and of what is
//! signed over a connection go through the whole check, a million in a quarter of a minute. None may pass: neither under
//! another id nor with other bytes under its own. `SEED` replays a run.
//!
//! Always true: a mutant that is the original is made again and not counted.

mod mutant;

use std::{
    collections::BTreeMap,
    env,
    io::{self, Write as _},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use hearth_protocol::{
    authority::{Log, Operation},
    bytes::Bytes,
    encoding::{Malformed, encode, scan},
    hello::{PairRequest, PreviewRequest, StaleHello},
    id::Context,
    signed::{Signed, Verified},
};

use crate::{
    asks,
    cast::{at, list, signed_by},
    decoders,
    story::{Story, WORLD},
    vectors::transcript,
};
use mutant::Changed;
pub(crate) use mutant::Dice;

/// What T10 asks for.
const MUTANTS: u64 = 1_000_000;

/// Something valid.
struct Sample {
    decoder: &'static str,
    bytes: Vec<u8>,
    /// For an operation: the log that it would be added to.
    log: Option<Log>,
}

impl Sample {
    /// Whether the whole check lets these bytes pass; the name of the refusal, or the id.
    fn check(&self, bytes: &[u8]) -> Result<Option<[u8; 32]>, String> {
        if ASKED.contains(&self.decoder) {
            return asked(self.decoder, bytes).map(|()| None);
        }
        let read = decoders::read(self.decoder, bytes)?;
        if let Some(log) = &self.log {
            let signed =
                Signed::from_bytes(bytes, decoders::longest::<Operation>()).map_err(|why| why.name().to_owned())?;
            let operation = Verified::<Operation>::check(signed).map_err(|why| why.name().to_owned())?;
            log.clone().add(operation, at(1000)).map_err(|why| why.name().to_owned())?;
        }
        Ok(read.id)
    }
}

/// What is signed over a connection and travels sealed, without a signature around it. (A restore is not among them: its
/// signature covers the device, and whoever leaves out another certificate has a smaller person, not an altered one.)
const ASKED: [&str; 3] = ["stale_hello", "preview_request", "pair_request"];

/// The whole check of a plaintext that somebody sealed who holds the key.
fn asked(decoder: &str, plain: &[u8]) -> Result<(), String> {
    scan(plain).map_err(|why| why.name().to_owned())?;
    let (w, t) = (&*WORLD, transcript());
    let unproven = |why: Malformed| why.name().to_owned();
    match decoder {
        "stale_hello" => {
            let sealed = Bytes::try_from(asks::sealed_to_alice(plain).as_slice()).map_err(|_| "wrong_shape")?;
            let hello = StaleHello::open(&sealed, &t, &w.alice.sealing).ok_or("bad_signature")?;
            // Who it is from is not signed: the log says whose device it is that signed.
            if hello.person == w.bob.id() { Ok(()) } else { Err("unknown_device".to_owned()) }
        }
        "preview_request" => {
            let (key, garden) = (t.join_key(w.garden.id()), w.garden.id());
            let request = PreviewRequest::open(&key.seal(plain, &[]), &t, garden).map_err(unproven)?;
            decoders::read("invite_cert", &request.cert.to_bytes()).map(drop)
        }
        _ => {
            let sealed = t.pair_key(&asks::SECRET).seal(plain, &[]);
            PairRequest::open(&sealed, &t, &asks::SECRET).map(drop).map_err(unproven)
        }
    }
}

/// Each operation of a log, with the log before it.
fn operations(story: &Story) -> Vec<Sample> {
    let mut log = Log::new(story.log.community().clone());
    let mut samples = Vec::new();
    for step in &story.steps {
        samples.push(Sample { decoder: "operation", bytes: step.signed.to_bytes(), log: Some(log.clone()) });
        let operation = Verified::<Operation>::check(step.signed.clone()).expect("the story holds");
        log.add(operation, at(1000)).expect("the story holds");
    }
    samples
}

fn samples() -> Vec<Sample> {
    let w = &*WORLD;
    let plain = |decoder, bytes| Sample { decoder, bytes, log: None };
    let mut samples: Vec<Sample> = w.items.iter().map(|written| plain("item", written.item.to_bytes())).collect();
    for story in [&w.garden, &w.library, &w.orchard] {
        samples.push(plain("genesis", story.log.community().signed.to_bytes()));
        samples.append(&mut operations(story));
    }
    samples.push(plain("join", encode(&(&w.invite.cert.signed, &w.join))));
    samples.push(plain("knock", w.knock.to_bytes()));
    samples.push(plain("invite_cert", w.invite.cert.signed.to_bytes()));
    samples.push(plain("envelope", w.relayed.envelope.to_bytes()));
    samples.push(plain("reveal", w.alice.record().reveals[0].to_bytes()));
    samples.push(plain("device", w.alice.record().devices[0].to_bytes()));
    samples.push(plain("stale_hello", asks::hello_plain(Context::STALE, &asks::hello_signed())));
    samples.push(plain("preview_request", encode(&asks::look())));
    samples.push(plain("pair_request", encode(&asks::pair())));
    samples
}

/// What came of so many mutants: how often each was refused by which name, and those that passed.
#[derive(Default)]
struct Tally {
    mutants: u64,
    refused: BTreeMap<String, u64>,
    kinds: BTreeMap<&'static str, u64>,
    passed: Vec<String>,
}

fn run(samples: &[Sample], seed: u64, mutants: u64) -> Tally {
    let (mut dice, mut tally) = (Dice::new(seed), Tally::default());
    while tally.mutants < mutants {
        let sample = &samples[dice.below(samples.len())];
        let other = &samples[dice.below(samples.len())];
        let Changed { how, bytes } = mutant::of(&sample.bytes, &other.bytes, &mutant_seed(&mut dice));
        if bytes == sample.bytes || (sample.decoder == other.decoder && bytes == other.bytes) {
            continue;
        }
        tally.mutants += 1;
        *tally.kinds.entry(how).or_default() += 1;
        match sample.check(&bytes) {
            Err(name) => *tally.refused.entry(name).or_default() += 1,
            Ok(id) => tally.passed.push(format!("{} ({how}, id {id:02x?}): {bytes:02x?}", sample.decoder)),
        }
    }
    tally
}

/// Each mutant has its own dice, so that how many one throws says nothing about the next.
fn mutant_seed(dice: &mut Dice) -> Dice {
    Dice::new(dice.next())
}

pub(crate) fn tell(line: &str) {
    // A broken pipe must not fail a test over what it has to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// From the environment, in either notation; else from the clock.
pub(crate) fn seed() -> u64 {
    match env::var("SEED") {
        Ok(seed) => match seed.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).expect("SEED is a number"),
            None => seed.parse().expect("SEED is a number"),
        },
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()),
    }
}

#[test]
fn no_mutant_of_anything_signed_is_accepted() {
    let (seed, samples, start) = (seed(), samples(), Instant::now());
    for sample in &samples {
        assert!(sample.check(&sample.bytes).is_ok(), "the samples are valid");
    }
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let threads = [0, 1].map(|half| {
            let samples = &samples;
            scope.spawn(move || run(samples, seed.wrapping_add(half << 32), MUTANTS / 2))
        });
        threads.into_iter().map(|thread| thread.join().expect("no mutant makes the checks panic")).collect()
    });
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in tallies.iter().flat_map(|tally| &tally.refused) {
        *refused.entry(name.clone()).or_default() += count;
    }
    let passed: Vec<&String> = tallies.iter().flat_map(|tally| &tally.passed).collect();
    let counted: u64 = tallies.iter().map(|tally| tally.mutants).sum();
    tell(&format!(
        "SEED={seed:#x}: {counted} mutants of {} samples in {:.1?}, {} passed; refused: {refused:?}",
        samples.len(),
        start.elapsed(),
        passed.len()
    ));
    assert_eq!(counted, MUTANTS);
    assert!(passed.is_empty(), "SEED={seed:#x}: {:?}", &passed[..passed.len().min(3)]);
    for kind in mutant::HOW {
        assert!(tallies.iter().any(|tally| tally.kinds.contains_key(kind)), "no mutant was made by `{kind}`");
    }
    assert!(
        refused.contains_key("bad_signature") && refused.contains_key("not_shortest"),
        "the mutants came no further than the form"
    );
}

/// Bytes that nobody but the signers can make: other signatures around the same payload.
#[test]
fn the_signatures_of_others_do_not_take_the_place_of_the_signers() {
    let eve = WORLD.eve.device_seed;
    let bare = |sample: &&Sample| !["item", "join"].contains(&sample.decoder) && !ASKED.contains(&sample.decoder);
    for sample in samples().iter().filter(bare) {
        let signed = Signed::from_bytes(&sample.bytes, 16 * 1024).expect("the samples are valid");
        let context = match sample.decoder {
            "genesis" => Context::COMMUNITY,
            "operation" => Context::OP,
            "knock" => Context::JOIN,
            "invite_cert" => Context::INVITE,
            "envelope" => Context::ENVELOPE,
            // A reveal and a device certificate say by themselves which key they are of.
            _ => continue,
        };
        let mine = signed_by(&[eve], context, signed.payload.as_slice());
        assert!(sample.check(&mine.to_bytes()).is_err(), "{}", sample.decoder);
        let mut both = [&signed.signatures[..], &mine.signatures].concat();
        both.sort_unstable();
        let both = Signed { signatures: list(both), ..signed };
        assert!(sample.check(&both.to_bytes()).is_err(), "{}", sample.decoder);
    }
}
