//! What is asked by those who are not in yet, or have missed a change of keys, and what they are given: hellos, looks,
//! pairings, restores. All over the one connection of the vectors.
//!
//! Leaves to others: how it is written down (`vectors`). Always true: signatures and HPKE are made here a second time
//! from the pages, so that what the code makes is compared with something.

use hearth_protocol::{
    bytes::Bytes,
    community::Community,
    encoding::encode,
    epoch::{EpochKey, SealedKey, SealingKey, seal_to, sealing_info},
    hello::{Handover, PairRequest, Paired, Preview, PreviewRequest, RestoreRequest, SealedHello, StaleHello},
    id::{CommunityId, Context, OpId},
    item::Kind,
    key::{SecretKey, Signature},
    link::Carry,
    pairing::PairingCode,
    person::Caps,
    random::Random,
};
use hpke::{
    Deserializable as _, OpModeR, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};

use crate::{
    cast::{BEGIN, at, blob, list, sign, text},
    cbor::Node,
    story::{WORLD, found, hint},
    vectors::{proved_bytes, transcript, transcript_bytes},
};

/// A device beside the one that an actor has.
pub(crate) struct Device {
    pub(crate) seed: [u8; 32],
    pub(crate) device: SecretKey,
    pub(crate) sealing: SealingKey,
}

impl Device {
    fn new(number: u8) -> Device {
        let seed = [0x10 + number; 32];
        Device { seed, device: SecretKey::new(&seed), sealing: SealingKey::new([0x20 + number; 32]) }
    }

    /// The one that bob pairs.
    pub(crate) fn paired() -> Device {
        Device::new(11)
    }

    /// The one on which bob types his words.
    pub(crate) fn restored() -> Device {
        Device::new(12)
    }
}

/// The secret of the pairing code.
pub(crate) const SECRET: [u8; 16] = [0x71; 16];
/// The key that bob makes for the connection.
pub(crate) const FRESH: [u8; 32] = [0x43; 32];
/// The seed of the stand-in for entropy when his hello is sealed.
pub(crate) const HELLO_SEED: [u8; 32] = [0x63; 32];
/// The seed when keys are sealed to a new device.
pub(crate) const HANDOVER_SEED: [u8; 32] = [0x65; 32];

// ---- sealed hellos

/// Bob, a member of the garden, says hello to somebody there.
pub(crate) fn hello() -> StaleHello {
    let bob = &WORLD.bob;
    StaleHello {
        community: WORLD.garden.id(),
        person: bob.id(),
        device: bob.device.public(),
        key: EpochKey::new(FRESH),
    }
}

/// What a sealed hello signs.
pub(crate) fn hello_signed() -> Vec<u8> {
    [&transcript_bytes()[..], WORLD.garden.id().as_bytes(), &FRESH].concat()
}

/// What is sealed in bob's hello, with a signature over this, made for `context`.
pub(crate) fn hello_plain(context: Context, signed: &[u8]) -> Vec<u8> {
    let (device, signature) = sign(&WORLD.bob.device_seed, context, signed);
    let bytes = |bytes: &[u8]| Node::Bytes(bytes.to_vec());
    let fields = [
        bytes(WORLD.garden.id().as_bytes()),
        bytes(WORLD.bob.id().as_bytes()),
        bytes(&device.0.0),
        bytes(&FRESH),
        bytes(&signature.0.0),
    ];
    Node::Array(fields.to_vec()).write()
}

/// `enc || ct`, as the page says.
pub(crate) fn hpke_seal(to: &Bytes<32>, plain: &[u8], info: &[u8], random: &mut Random) -> Vec<u8> {
    let to = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(&to.0).expect("32 bytes are a key");
    let (enc, ct) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        info,
        plain,
        &[],
        random,
    )
    .expect("the key is no point of small order");
    [enc.to_bytes().as_slice(), &ct].concat()
}

/// What is inside.
pub(crate) fn hpke_open(sealed: &[u8], mine: &SealingKey, info: &[u8]) -> Option<Vec<u8>> {
    let mine = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(mine.as_bytes()).ok()?;
    let enc = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(sealed.get(..32)?).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &mine,
        &enc,
        info,
        sealed.get(32..)?,
        &[],
    )
    .ok()
}

/// Any plaintext, sealed to alice as a hello is.
pub(crate) fn sealed_to_alice(plain: &[u8]) -> Vec<u8> {
    hpke_seal(&WORLD.alice.sealing.public(), plain, &transcript_bytes(), &mut Random::new(&HELLO_SEED))
}

/// Bob's hello to alice, on its way.
pub(crate) fn sealed_hello() -> SealedHello {
    let w = &*WORLD;
    hello().seal(&transcript(), &w.bob.device, &w.alice.sealing.public(), &mut Random::new(&HELLO_SEED))
}

// ---- looking before joining

/// What bob sends to look at the garden.
pub(crate) fn look() -> PreviewRequest {
    let (_, invite) = sign(&WORLD.invite.secret().seed(), Context::PREVIEW_AUTH, &proved_bytes(0));
    PreviewRequest { cert: WORLD.invite.cert.signed.clone(), invite }
}

/// What he sees.
pub(crate) fn seen() -> Preview {
    let w = &*WORLD;
    let charter = w.items.iter().find(|written| written.header.kind == Kind::CHARTER).expect("the garden has one");
    let charter = Carry::plain(charter.item.clone(), Some(charter.salted()));
    Preview { genesis: w.garden.log.community().signed.clone(), charter: Some(blob(charter.to_bytes())), members: 3 }
}

// ---- pairing

/// The code that bob's first device shows.
pub(crate) fn code() -> PairingCode {
    PairingCode::new(SECRET, list(vec![hint(&WORLD.bob)]))
}

/// What a new device signs: the transcript and its X25519 key.
pub(crate) fn pair_signed(device: &Device) -> Vec<u8> {
    [&transcript_bytes()[..], &device.sealing.public().0].concat()
}

/// What it sends.
pub(crate) fn pair() -> PairRequest {
    let new = Device::paired();
    let (device, signature) = sign(&new.seed, Context::PAIR_AUTH, &pair_signed(&new));
    PairRequest { device, kem: new.sealing.public(), signature }
}

/// Bob's own space.
fn own_space() -> Community {
    found("mine", 0x34, &WORLD.bob)
}

/// A key, sealed to a device after its epoch has been opened.
pub(crate) fn handed(community: CommunityId, epoch: OpId, key: &EpochKey, to: &Device) -> SealedKey {
    let info = sealing_info(community, &[epoch]);
    let mut random = Random::new(&HANDOVER_SEED);
    let sealed = seal_to(to.device.public(), &to.sealing.public(), key, &info, &mut random);
    sealed.expect("the key is no point of small order")
}

/// What the new device is given.
pub(crate) fn paired() -> Paired {
    let (bob, new) = (&WORLD.bob, Device::paired());
    let caps = Caps(Caps::ITEMS.0 | Caps::OPERATIONS.0);
    let cert = bob.ladder.certify(0, new.device.public(), new.sealing.public(), caps, at(40));
    let mut record = bob.record();
    record.devices = list([&record.devices[..], &[cert.signed]].concat());
    let own = own_space();
    let epoch = OpId::new([0x35; 32]);
    let key = handed(own.id, epoch, &EpochKey::new([0x45; 32]), &new);
    Paired { record, name: text(bob.name), mine: Handover { genesis: own.signed, keys: list(vec![(epoch, key)]) } }
}

// ---- restoring

/// What bob's identity key signs when he comes back with his words.
pub(crate) fn restore_signed(device: &Device) -> Vec<u8> {
    [&transcript_bytes()[..], device.device.public().0.as_bytes()].concat()
}

/// What he sends.
pub(crate) fn restore() -> RestoreRequest {
    let (bob, new) = (&WORLD.bob, Device::restored());
    let (_, signature): (_, Signature) = sign(&bob.ladder.key(0).seed(), Context::RESTORE_AUTH, &restore_signed(&new));
    let record = bob.ladder.record(new.device.public(), new.sealing.public(), BEGIN);
    RestoreRequest { record, device: new.device.public(), signature }
}

/// The garden, handed over to the device on which he typed them.
pub(crate) fn handover() -> Handover {
    let w = &*WORLD;
    let epoch = w.garden.steps[0].id;
    let key = handed(w.garden.id(), epoch, &w.epoch, &Device::restored());
    Handover { genesis: w.garden.log.community().signed.clone(), keys: list(vec![(epoch, key)]) }
}

/// What stands in the answer to a restore.
pub(crate) fn handovers() -> Vec<u8> {
    encode(&vec![handover()])
}
