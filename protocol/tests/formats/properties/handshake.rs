//! P19: what a node shows in a handshake says nothing of what it is in. P20: a tag holds on its own connection, in its own
//! direction.

use hearth_protocol::{
    bytes::Bytes,
    epoch::{EpochKey, SealingKey},
    hello::{SEALED_HELLO_BYTES, SealedHello, Speaker, StaleHello, Transcript, padding, same_tag},
    id::{CommunityId, PersonId},
    limits,
    random::Random,
    wire::Request,
};

use super::random;
use crate::{story::WORLD, vectors::transcript};

// ---- P19

/// What a node shows that is in so many communities, each with so many keys, and says hello to so many devices.
fn shown(transcript: &Transcript, keys: &[EpochKey], hellos: &[StaleHello], random: &mut Random) -> Request {
    let mut tags: Vec<Bytes<16>> = keys.iter().map(|key| transcript.tag(key, Speaker::Asker)).collect();
    while tags.len() < limits::HELLO_TAGS {
        tags.push(Bytes(random.bytes()));
    }
    tags.sort_unstable();
    let mut sealed: Vec<SealedHello> = hellos.iter().map(|hello| seal(transcript, hello, random)).collect();
    while sealed.len() < limits::SEALED_HELLOS {
        sealed.push(padding(transcript, random));
    }
    sealed.sort_unstable();
    Request::Tags(tags, sealed)
}

/// A hello of bob to a device that nobody else knows.
fn seal(transcript: &Transcript, hello: &StaleHello, random: &mut Random) -> SealedHello {
    let to = SealingKey::new(random.bytes()).public();
    hello.seal(transcript, &WORLD.bob.device, &to, random)
}

fn hello(random: &mut Random) -> StaleHello {
    let bob = &WORLD.bob;
    let community = CommunityId::new(random.bytes());
    StaleHello { community, person: bob.id(), device: bob.device.public(), key: EpochKey::new(random.bytes()) }
}

/// P19: one frame of one length, whatever stands in it.
#[test]
fn tags_and_hellos_of_any_number_of_communities_have_one_count_and_one_length() {
    let (transcript, mut random) =
        (transcript(), random("tags_and_hellos_of_any_number_of_communities_have_one_count_and_one_length"));
    let mut lengths = Vec::new();
    for communities in 0..=limits::COMMUNITIES {
        for keys_each in 1..=4 {
            let keys: Vec<EpochKey> = (0..communities * keys_each).map(|_| EpochKey::new(random.bytes())).collect();
            let hellos: Vec<StaleHello> =
                (0..communities.min(limits::SEALED_HELLOS)).map(|_| hello(&mut random)).collect();
            let request = shown(&transcript, &keys, &hellos, &mut random);
            let Request::Tags(tags, sealed) = &request else { panic!("these are tags") };
            assert_eq!((tags.len(), sealed.len()), (64, 4), "{communities} communities");
            let bytes = request.to_bytes();
            assert_eq!(Request::from_bytes(&bytes), Ok(request), "{communities} communities");
            lengths.push(bytes.len());
        }
    }
    lengths.dedup();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
}

/// Chi-square of counts against what is expected of each: 255 degrees of freedom for bytes, so 255 on average, with a
/// standard deviation of 23.
fn chi_square(counts: &[f64], expected: &[f64]) -> f64 {
    counts.iter().zip(expected).map(|(count, expected)| (count - expected) * (count - expected) / expected).sum()
}

/// Far beyond chance: fourteen standard deviations above the average. Bytes of which one in a hundred is always the
/// same fail.
const CHI_SQUARE: f64 = 255.0 + 14.0 * 22.6;

fn histogram<'a>(all: impl IntoIterator<Item = &'a [u8]>) -> Vec<f64> {
    let mut counts = vec![0.0; 256];
    all.into_iter().flatten().for_each(|byte| counts[usize::from(*byte)] += 1.0);
    counts
}

/// P19: tags have bytes like random ones, each position for itself.
#[test]
fn tags_cannot_be_told_from_random_bytes_by_their_histogram() {
    const TAGS: usize = 65_536;
    let mut random = random("tags_cannot_be_told_from_random_bytes_by_their_histogram");
    let tags: Vec<[u8; 16]> = (0..TAGS)
        .map(|number| {
            let transcript = Transcript::new((b"asker", &random.bytes()), (b"answerer", &random.bytes()));
            let speaker = if number % 2 == 0 { Speaker::Asker } else { Speaker::Answerer };
            // The same keys again and again, as a node has them; what is new is the connection.
            transcript.tag(&EpochKey::new([u8::try_from(number % 5).expect("below five"); 32]), speaker).0
        })
        .collect();
    let expected = vec![TAGS as f64 * 16.0 / 256.0; 256];
    let whole = chi_square(&histogram(tags.iter().map(|tag| &tag[..])), &expected);
    assert!(whole < CHI_SQUARE, "chi-square {whole:.0}");
    let expected = vec![TAGS as f64 / 256.0; 256];
    for at in 0..16 {
        let here = chi_square(&histogram(tags.iter().map(|tag| &tag[at..=at])), &expected);
        assert!(here < CHI_SQUARE, "chi-square {here:.0} at {at}");
    }
    // The bound finds something: one tag in a hundred is zeros.
    let marked = tags.iter().enumerate().map(|(number, tag)| if number % 100 == 0 { &[0; 16] } else { tag });
    let expected = vec![TAGS as f64 * 16.0 / 256.0; 256];
    assert!(chi_square(&histogram(marked.map(|tag| &tag[..])), &expected) > CHI_SQUARE);
}

/// P19: sealed hellos have bytes like padding: neither is uniform (a point of the curve is in both), so they are held
/// against each other, as a whole and bit by bit.
#[test]
fn sealed_hellos_cannot_be_told_from_padding_by_their_histogram() {
    const HELLOS: usize = 1_500;
    let mut random = random("sealed_hellos_cannot_be_told_from_padding_by_their_histogram");
    let transcript = transcript();
    let real: Vec<SealedHello> = (0..HELLOS)
        .map(|_| {
            let hello = hello(&mut random);
            seal(&transcript, &hello, &mut random)
        })
        .collect();
    let padded: Vec<SealedHello> = (0..HELLOS).map(|_| padding(&transcript, &mut random)).collect();
    let (one, two) = (histogram(real.iter().map(AsRef::as_ref)), histogram(padded.iter().map(AsRef::as_ref)));
    let whole = two_samples(&one, &two);
    assert!(whole < CHI_SQUARE, "chi-square {whole:.0}");
    for bit in 0..SEALED_HELLO_BYTES * 8 {
        let set =
            |all: &[SealedHello]| all.iter().filter(|hello| hello.0[bit / 8] >> (bit % 8) & 1 == 1).count() as f64;
        let (here, there) = (set(&real), set(&padded));
        // Of so many coins each, the difference has this standard deviation at most; there are 2,008 bits.
        let deviations = (here - there).abs() / (HELLOS as f64 / 2.0).sqrt();
        assert!(deviations < 7.0, "bit {bit} is set in {here} of {HELLOS} hellos and {there} of as much padding");
    }
    // The bounds find something: what is not sealed.
    let bare = vec![vec![0; SEALED_HELLO_BYTES]; HELLOS / 100];
    let marked = real.iter().skip(bare.len()).map(AsRef::as_ref).chain(bare.iter().map(Vec::as_slice));
    assert!(two_samples(&histogram(marked), &two) > CHI_SQUARE);
}

/// Chi-square of two histograms of as many bytes each.
fn two_samples(one: &[f64], two: &[f64]) -> f64 {
    one.iter().zip(two).map(|(one, two)| (one - two) * (one - two) / (one + two).max(1.0)).sum()
}

// ---- P20

/// The two ends of a connection.
#[derive(Clone, PartialEq)]
struct Ends {
    names: [Vec<u8>; 2],
    nonces: [[u8; 32]; 2],
}

impl Ends {
    fn random(random: &mut Random) -> Ends {
        let mut name = || {
            let [length] = random.bytes();
            let name: [u8; limits::PEER_BYTES] = random.bytes();
            name[..=usize::from(length) % limits::PEER_BYTES].to_vec()
        };
        Ends { names: [name(), name()], nonces: [random.bytes(), random.bytes()] }
    }

    fn transcript(&self) -> Transcript {
        Transcript::new((&self.names[0], &self.nonces[0]), (&self.names[1], &self.nonces[1]))
    }

    /// This connection, changed in one way or another.
    fn others(&self, random: &mut Random) -> Vec<(&'static str, Ends)> {
        let change = |how: &dyn Fn(&mut Ends)| {
            let mut other = self.clone();
            how(&mut other);
            other
        };
        let (bit, nonce): ([u8; 2], [u8; 32]) = (random.bytes(), random.bytes());
        let [byte, bit] = [usize::from(bit[0]), usize::from(bit[1] % 8)];
        let flip = |name: &mut Vec<u8>| {
            let at = byte % name.len();
            name[at] ^= 1 << bit;
        };
        let mut others = vec![
            ("another asker", change(&|ends| flip(&mut ends.names[0]))),
            ("another answerer", change(&|ends| flip(&mut ends.names[1]))),
            ("a longer name", change(&|ends| ends.names[0].push(0))),
            (
                "a byte moved from name to name",
                change(&|ends| {
                    let last = ends.names[0].pop().expect("names have a byte");
                    ends.names[1].insert(0, last);
                }),
            ),
            ("the asker's nonce again, with a new one of the answerer", change(&|ends| ends.nonces[1] = nonce)),
            ("the answerer's nonce again, with a new one of the asker", change(&|ends| ends.nonces[0] = nonce)),
            ("the nonces the other way round", change(&|ends| ends.nonces.swap(0, 1))),
            ("one nonce for both", change(&|ends| ends.nonces[1] = ends.nonces[0])),
            ("somebody between them", change(&|ends| ends.names[1] = b"in the middle".to_vec())),
        ];
        others.retain(|(_, other)| other != self && other.names.iter().all(|name| !name.is_empty()));
        others
    }
}

/// P20: 10,000 random connections, each against itself changed in nine ways.
#[test]
fn a_tag_never_verifies_in_the_other_direction_for_another_peer_or_under_a_nonce_used_again() {
    let mut random = random("a_tag_never_verifies_in_the_other_direction_for_another_peer_or_under_a_nonce_used_again");
    let mut tried = 0;
    for _ in 0..10_000 {
        let (ends, key) = (Ends::random(&mut random), EpochKey::new(random.bytes()));
        let (here, secret): (Transcript, [u8; 16]) = (ends.transcript(), random.bytes());
        let (community, person) = (CommunityId::new(random.bytes()), PersonId::new(random.bytes()));
        let tags = |t: &Transcript| {
            let directed = [Speaker::Asker, Speaker::Answerer].map(|speaker| t.tag(&key, speaker));
            [directed[0], directed[1], t.join_tag(community), t.pair_tag(&secret), t.restore_tag(person)]
        };
        let mut both = ends.clone();
        both.names.swap(0, 1);
        both.nonces.swap(0, 1);
        assert!(both.transcript() == here, "both ends have the same transcript");
        let own = tags(&here);
        for (at, tag) in own.iter().enumerate() {
            assert!(own.iter().skip(at + 1).all(|other| !same_tag(tag, other)), "swapped direction or use");
        }
        assert!(!same_tag(&here.tag(&EpochKey::new(random.bytes()), Speaker::Asker), &own[0]), "another key");
        for (how, other) in ends.others(&mut random) {
            let elsewhere = tags(&other.transcript());
            for tag in &own {
                assert!(elsewhere.iter().all(|other| !same_tag(tag, other)), "{how}");
            }
            tried += 1;
        }
    }
    assert!(tried > 85_000, "{tried} tried");
}

/// P20, of sealed hellos: they open on their own connection only.
#[test]
fn a_sealed_hello_opens_on_its_own_connection_only() {
    let mut random = random("a_sealed_hello_opens_on_its_own_connection_only");
    for _ in 0..50 {
        let (ends, hello) = (Ends::random(&mut random), hello(&mut random));
        let mine = SealingKey::new(random.bytes());
        let sealed = hello.seal(&ends.transcript(), &WORLD.bob.device, &mine.public(), &mut random);
        assert_eq!(StaleHello::open(&sealed, &ends.transcript(), &mine), Some(hello));
        for (how, other) in ends.others(&mut random) {
            assert_eq!(StaleHello::open(&sealed, &other.transcript(), &mine), None, "{how}");
        }
    }
}
