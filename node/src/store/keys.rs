//! The keys of the store. The first byte is the table; numbers are big-endian, so that order of
//! bytes is order of numbers. Part of the format on disk, version 4. The values of three tables are
//! sealed, each under its key: see `seal`.

use hearth_protocol::{
    bytes::Bytes,
    epoch::Scope,
    id::{BodyHash, BundleHash, CertId, CommunityId, EnvelopeId, ItemId, OpId, PersonId},
    item::{Header, Item, Kind},
    key::PublicKey,
    ledger::{Sequel, Turn},
    link::Envelope,
    reconcile::{Place, Position},
    wire::{AnyId, SetName},
};

use super::keep::encode_row;

/// A table of the store.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Table {
    /// community -> genesis
    Community = b'c',
    /// community, lamport, op -> operation
    Operation = b'o',
    /// community, epoch -> key, sealed
    EpochKey = b'k',
    /// name -> blob of sealed epoch keys
    Blob = b'b',
    /// item -> signed item, time received, and salt and body where they are short
    Item = b'i',
    /// body hash -> salt and body, where they are long
    Body = b'd',
    /// community, scope, device -> sequence number, item
    ChainEnd = b'h',
    /// target, item -> kind
    Change = b'x',
    /// parent, item -> nothing
    Reply = b'r',
    /// community, author, hash of normalised address -> item
    Address = b'a',
    /// community, time shown, item -> nothing or the envelope that brought it: what is listed elsewhere than at the
    /// time that it claims
    Timeline = b't',
    /// community -> how many items are listed in it
    Listed = b'L',
    /// store sequence -> community, item; and those that come after it in the same commit
    Sequence = b'y',
    /// community, set, id -> nothing: operations and envelopes; an item is in its set where it has a place
    Set = b's',
    /// community, set, time claimed, id -> nothing, or that it is listed there: items and envelopes; operations have
    /// their own table
    Place = b'w',
    /// envelope -> envelope, outcome
    Envelope = b'e',
    /// community, item, envelope -> nothing
    Path = b'p',
    /// in-link, day, broker, device, sequence number, envelope -> nothing
    Quota = b'q',
    /// from, to, device -> sequence number, envelope
    RelayEnd = b'l',
    /// name -> proof bundle
    Bundle = b'u',
    /// community, peer -> address list
    AddressBook = b'n',
    /// community, certificate -> certificate
    Invite = b'v',
    /// community -> pending join, sealed
    Pending = b'j',
    /// request -> time, answer, sealed
    Answer = b'z',
    /// community, kind, item -> nothing: profiles and charters, of which the newest counts
    Slot = b'K',
    /// community, author, time claimed, item -> nothing
    Author = b'F',
    /// community, author, item -> nothing: the same, before version 3
    AuthorOnce = b'f',
    /// community, scope, device, sequence number without its last byte -> that byte and how the item's id begins, of
    /// each number once
    Number = b'J',
    /// community, scope, device, sequence number without its last three bits -> those bits and an item, of each number
    /// the two lowest ids: before version 4
    NumberOfEight = b'g',
    /// community, device, scope, sequence number -> two items: what a device signed twice
    Fork = b'G',
    /// community, item -> nothing: what stewards hide from its readers
    Hidden = b'H',
    /// community, envelope -> nothing: what waits for a steward (R8)
    Quarantine = b'Q',
    /// what is to be done -> nothing, in the store's own encoding
    Sequel = b'X',
    /// community, peer -> person, device
    Met = b'm',
    /// peer -> ban
    Ban = b'B',
    /// what a broker's desk keeps: see `desk`
    Desk = b'D',
    /// nothing -> nothing: there once what was written before is indexed by author
    Indexed = b'V',
    /// nothing -> nothing: there once what was written before is indexed by the time that it claims
    Placed = b'W',
    /// nothing -> nothing: there once items have the rows of version 3
    Packed = b'P',
    /// nothing -> nothing: there once what was written before is indexed by its number
    Numbered = b'N',
    /// nothing -> nothing: there once the index by number has the rows of version 4
    Shortened = b'M',
    /// nothing -> nothing: there once envelopes that wait have their rows of version 4, and only those that take a turn have a place
    /// in their day's order
    Turned = b'T',
    /// the next store sequence
    Next = b'#',
    /// nothing -> nothing: there once the rows of secrets that were written before are sealed
    Sealed = b'S',
}

/// A key under construction.
#[derive(Debug, Clone)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn of(table: Table) -> Key {
        Key(vec![table as u8])
    }

    pub(super) fn with(mut self, part: &[u8]) -> Key {
        self.0.extend_from_slice(part);
        self
    }

    pub(super) fn number(self, number: u64) -> Key {
        self.with(&number.to_be_bytes())
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// The last 32 bytes of a key: the id with which it ends.
pub(super) fn last_id(key: &[u8]) -> Option<[u8; 32]> {
    key.last_chunk::<32>().copied()
}

pub(super) fn community(id: CommunityId) -> Key {
    Key::of(Table::Community).with(id.as_bytes())
}

pub(super) fn operation(community: CommunityId, lamport: u32, id: OpId) -> Key {
    operations(community).with(&lamport.to_be_bytes()).with(id.as_bytes())
}

pub(super) fn operations(community: CommunityId) -> Key {
    Key::of(Table::Operation).with(community.as_bytes())
}

pub(super) fn epoch_keys(community: CommunityId) -> Key {
    Key::of(Table::EpochKey).with(community.as_bytes())
}

pub(super) fn blob(name: &AnyId) -> Key {
    Key::of(Table::Blob).with(&name.0)
}

pub(super) fn item(id: ItemId) -> Key {
    Key::of(Table::Item).with(id.as_bytes())
}

pub(super) fn body(hash: BodyHash) -> Key {
    Key::of(Table::Body).with(hash.as_bytes())
}

pub(super) fn chain_end(community: CommunityId, scope: Scope, device: PublicKey) -> Key {
    Key::of(Table::ChainEnd).with(community.as_bytes()).with(&[scope.number()]).with(device.0.as_ref())
}

/// The row of a number and of the 255 beside it.
pub(super) fn numbers(header: &Header) -> Key {
    let chain = [header.community.as_bytes(), [header.scope.number()].as_slice(), header.device.0.as_ref()].concat();
    numbers_of(&chain, header.seq)
}

/// The same of a chain that is written as in keys.
pub(super) fn numbers_of(chain: &[u8], seq: u32) -> Key {
    let [high @ .., _] = seq.to_be_bytes();
    Key::of(Table::Number).with(chain).with(&high)
}

pub(super) fn forks(community: CommunityId) -> Key {
    Key::of(Table::Fork).with(community.as_bytes())
}

pub(super) fn fork(header: &Header) -> Key {
    let device = forks(header.community).with(header.device.0.as_ref());
    device.with(&[header.scope.number()]).with(&header.seq.to_be_bytes())
}

pub(super) fn changes(target: ItemId) -> Key {
    Key::of(Table::Change).with(target.as_bytes())
}

pub(super) fn replies(parent: ItemId) -> Key {
    Key::of(Table::Reply).with(parent.as_bytes())
}

pub(super) fn address(community: CommunityId, author: PersonId, normalised: &str) -> Key {
    let hash = blake3::hash(normalised.as_bytes());
    Key::of(Table::Address).with(community.as_bytes()).with(author.as_bytes()).with(hash.as_bytes())
}

pub(super) fn timeline(community: CommunityId) -> Key {
    Key::of(Table::Timeline).with(community.as_bytes())
}

pub(super) fn slot(community: CommunityId, kind: Kind) -> Key {
    Key::of(Table::Slot).with(community.as_bytes()).with(&[kind.0])
}

pub(super) fn set(community: CommunityId, set: SetName) -> Key {
    Key::of(Table::Set).with(community.as_bytes()).with(&[set.number()])
}

/// What stands in the order of its set; of operations the number has 4 bytes, of others 8.
pub(super) fn places(community: CommunityId, set: SetName) -> Key {
    match set {
        SetName::Operations => operations(community),
        _ => Key::of(Table::Place).with(community.as_bytes()).with(&[set.number()]),
    }
}

/// The key of one place, or of the first one that could be at a position.
pub(super) fn place(community: CommunityId, set: SetName, position: Position, id: &[u8]) -> Key {
    let key = places(community, set);
    let key = match set {
        SetName::Operations => key.with(&u32::try_from(position).unwrap_or(u32::MAX).to_be_bytes()),
        _ => key.number(position),
    };
    key.with(id)
}

/// The place that a key ends with.
pub(super) fn read_place(set: SetName, key: &[u8]) -> Option<Place> {
    let (rest, id) = key.split_last_chunk::<32>()?;
    let position = match set {
        SetName::Operations => u32::from_be_bytes(*rest.last_chunk()?).into(),
        _ => u64::from_be_bytes(*rest.last_chunk()?),
    };
    Some((position, Bytes(*id)))
}

pub(super) fn envelope(id: EnvelopeId) -> Key {
    Key::of(Table::Envelope).with(id.as_bytes())
}

pub(super) fn paths(community: CommunityId, item: ItemId) -> Key {
    Key::of(Table::Path).with(community.as_bytes()).with(item.as_bytes())
}

pub(super) fn quota(in_link: OpId, day: u64) -> Key {
    Key::of(Table::Quota).with(in_link.as_bytes()).number(day)
}

pub(super) fn turn(envelope: &Envelope, id: EnvelopeId) -> Key {
    quota(envelope.in_link, envelope.ts.day())
        .with(envelope.broker.as_bytes())
        .with(envelope.device.0.as_ref())
        .with(&envelope.seq.to_be_bytes())
        .with(id.as_bytes())
}

/// Whose turn a row's key says it is.
pub(super) fn read_turn(key: &[u8]) -> Option<Turn> {
    let (broker, rest) = key.get(41..)?.split_first_chunk::<32>()?;
    let (device, rest) = rest.split_first_chunk::<32>()?;
    let (seq, id) = rest.split_first_chunk::<4>()?;
    let device = PublicKey(Bytes(*device));
    Some((PersonId::new(*broker), device, u32::from_be_bytes(*seq), EnvelopeId::new(id.try_into().ok()?)))
}

pub(super) fn hidden(community: CommunityId, item: ItemId) -> Key {
    Key::of(Table::Hidden).with(community.as_bytes()).with(item.as_bytes())
}

pub(super) fn quarantine(community: CommunityId) -> Key {
    Key::of(Table::Quarantine).with(community.as_bytes())
}

pub(super) fn sequel(sequel: &Sequel) -> Key {
    Key::of(Table::Sequel).with(&encode_row(sequel))
}

pub(super) fn relay_end(from: CommunityId, to: CommunityId, device: PublicKey) -> Key {
    Key::of(Table::RelayEnd).with(from.as_bytes()).with(to.as_bytes()).with(device.0.as_ref())
}

pub(super) fn bundle(hash: BundleHash) -> Key {
    Key::of(Table::Bundle).with(hash.as_bytes())
}

pub(super) fn address_book(community: CommunityId) -> Key {
    Key::of(Table::AddressBook).with(community.as_bytes())
}

pub(super) fn invites(community: CommunityId) -> Key {
    Key::of(Table::Invite).with(community.as_bytes())
}

pub(super) fn invite(community: CommunityId, cert: CertId) -> Key {
    invites(community).with(cert.as_bytes())
}

pub(super) fn pending(community: CommunityId) -> Key {
    Key::of(Table::Pending).with(community.as_bytes())
}

pub(super) fn answer(request: &[u8; 16]) -> Key {
    Key::of(Table::Answer).with(request)
}

pub(super) fn author(community: CommunityId, author: PersonId) -> Key {
    Key::of(Table::Author).with(community.as_bytes()).with(author.as_bytes())
}

/// The row of an item under its author.
pub(super) fn written(item: &Item) -> Key {
    author(item.header.community, item.header.author).number(item.header.ts.0).with(item.id.as_bytes())
}

/// Where lists look: what is listed at its place, in either scope, and what is listed elsewhere.
pub(super) fn lists(community: CommunityId) -> [Key; 3] {
    [places(community, SetName::Items), places(community, SetName::Inner), timeline(community)]
}

pub(super) fn listed(community: CommunityId) -> Key {
    Key::of(Table::Listed).with(community.as_bytes())
}

pub(super) fn ban(peer: &[u8]) -> Key {
    Key::of(Table::Ban).with(peer)
}

pub(super) fn met(community: CommunityId) -> Key {
    Key::of(Table::Met).with(community.as_bytes())
}
