//! Every bound of the protocol, each with its reason. A bound is checked before anything is
//! allocated for what it bounds.

/// CBOR nesting that is accepted. The deepest type, a genesis, needs 8.
pub const NESTING: usize = 8;
/// Longest item header. A header travels alone when its body does not fit, and is kept for ever.
pub const HEADER_BYTES: usize = 3 * 1024;
/// Longest item body. Real newsletters take 20 to 60 KB; four times that leaves room.
pub const BODY_BYTES: usize = 256 * 1024;
/// Longest Markdown text inside a body.
pub const TEXT_BYTES: usize = 200 * 1024;
/// Longest title: a headline, not a text.
pub const TITLE_BYTES: usize = 300;
/// Longest tag. Of 2,895 tagged bookmarks looked at, 104 have a tag of more than 32 bytes.
pub const TAG_BYTES: usize = 64;
/// Most tags of an item.
pub const TAGS: usize = 16;
/// Longest name of a person.
pub const NAME_BYTES: usize = 64;
/// Longest name of a community.
pub const COMMUNITY_NAME_BYTES: usize = 80;
/// Longest address of a bookmark.
pub const URL_BYTES: usize = 4096;
/// Most items that an item refers to.
pub const REFERENCES: usize = 4;
/// Most attachments of an item.
pub const ATTACHMENTS: usize = 16;
/// Most heads of the authority log that an item, envelope or epoch names.
pub const HEADS: usize = 4;
/// Longest operation of an authority log.
pub const OPERATION_BYTES: usize = 8 * 1024;
/// Most parents of an operation.
pub const PARENTS: usize = 16;
/// Most persons that one ruling names.
pub const SUBJECTS: usize = 32;
/// Longest reason that a ruling gives.
pub const REASON_BYTES: usize = 256;
/// Most chains that a ruling closes.
pub const FEEDS: usize = 64;
/// Longest genesis: seven founders with two device certificates each fit.
pub const GENESIS_BYTES: usize = 12 * 1024;
/// Most founders of a community.
pub const FOUNDERS: usize = 7;
/// Longest payload of a join: a full person, a name and the ids.
pub const JOIN_BYTES: usize = 6 * 1024;
/// Longest payload of an invite certificate; none takes half of it.
pub const INVITE_CERT_BYTES: usize = 512;
/// Longest pasted invite key, in characters. Four long addresses fit.
pub const INVITE_KEY_CHARS: usize = 3000;
/// Most uses of one invite.
pub const INVITE_USES: u32 = 100;
/// Longest life of an invite: 90 days.
pub const INVITE_LIFE_MS: u64 = 90 * crate::time::DAY_MS;
/// Longest life of a link: 180 days.
pub const LINK_LIFE_MS: u64 = 180 * crate::time::DAY_MS;
/// Most brokers of a link.
pub const BROKERS: usize = 8;
/// Most tags of a link.
pub const LINK_TAGS: usize = 32;
/// Most borders that an item may cross: the format's bound. This version relays over one.
pub const HOPS: u8 = 3;
/// Longest note of a broker.
pub const NOTE_BYTES: usize = 2000;
/// Longest summary of a broker.
pub const SUMMARY_BYTES: usize = 4000;
/// Longest envelope: note, summary, 16 tags and the ids.
pub const ENVELOPE_BYTES: usize = 8 * 1024;
/// Longest proof bundle. It is fetched once and serves thousands of items.
pub const BUNDLE_BYTES: usize = 64 * 1024;
/// Most operations in a proof bundle.
pub const BUNDLE_OPERATIONS: usize = 32;
/// Longest path of grants in a proof bundle.
pub const PATH_DEPTH: usize = 16;
/// Longest person: 8 reveals of 176 bytes, 16 device certificates of 220, an inception of 295.
pub const PERSON_BYTES: usize = 6 * 1024;
/// Most device certificates of a person.
pub const DEVICES: usize = 16;
/// Keys of the ladder that an inception commits to.
pub const LADDER: usize = 8;
/// Longest blob of sealed epoch keys (E2).
pub const EPOCH_BLOB_BYTES: usize = 64 * 1024;
/// Epoch keys handed over or asked for at once. Who is given the history and needs more asks again.
pub const KEYS_HANDED_OVER: usize = 64;
/// How long an epoch lasts at most (E8): 30 days.
pub const EPOCH_MS: u64 = 30 * crate::time::DAY_MS;
/// How long somebody who left tells members that they meet: 30 days.
pub const LEAVE_TOLD_MS: u64 = 30 * crate::time::DAY_MS;
/// Sealed hellos beside the tags of a handshake, always this many (7.4).
pub const SEALED_HELLOS: usize = 4;
/// Longest answer to a look before joining: a genesis and a charter of full length.
pub const PREVIEW_BYTES: usize = 300 * 1024;
/// Longest handover to one device: a genesis and 64 sealed keys for each of 16 communities.
pub const HANDOVERS_BYTES: usize = 512 * 1024;
/// Requests to join, look, pair or restore that fail on one connection before the rest is not looked at.
pub const VAIN_ASKS: u32 = 16;
/// The same of all connections in one minute: each costs up to three checks of signatures.
pub const VAIN_ASKS_PER_MINUTE: u32 = 600;
/// How long a pairing code is good for: 10 minutes (D4).
pub const PAIRING_MS: u64 = 10 * 60 * 1000;
/// How far ahead of our clock a claimed time may lie (T1, B1): 10 minutes.
pub const FUTURE_MS: u64 = 10 * 60 * 1000;
/// Largest gossip message, sealed. Gossipsub's frame is 64 KiB, of which its reading ahead takes
/// up to 8; what does not fit is announced by its header and fetched.
pub const GOSSIP_BYTES: usize = 55 * 1024;
/// Largest request frame.
pub const REQUEST_BYTES: usize = 64 * 1024;
/// Largest response frame.
pub const RESPONSE_BYTES: usize = 1024 * 1024;
/// Ids asked for in one request, and things sent in one response at most.
pub const FETCH: usize = 500;
/// Ids listed in one response: 16,000 of 34 bytes stay below the frame.
pub const IDS_PER_PAGE: usize = 16_000;
/// Cells of sketches in one response, and of one sketch that are ever kept up to date: they show 30,000
/// ids that differ, and 22 bytes each stay below the frame.
pub const CELLS: usize = 45_000;
/// Periods of one set: of 30 days, a hundred years have 1,218.
pub const PERIODS: usize = 4096;
/// Ids that one peer may offer and that wait to be fetched from it.
pub const OFFERED: usize = 10_000;
/// Communities of one node, the own space included.
pub const COMMUNITIES: usize = 16;
/// Tags in a handshake, always this many (7.2).
pub const HELLO_TAGS: usize = 64;
/// Operations of one authority log.
pub const LOG_OPERATIONS: usize = 50_000;
/// Admissions that a node signs in a day (I3).
pub const ADMISSIONS_PER_DAY: usize = 60;
/// Addresses kept of one peer.
pub const ADDRESSES: usize = 10;
/// Longest address in its binary form.
pub const ADDRESS_BYTES: usize = 256;
/// Longest signed address list of a peer.
pub const ADDRESS_LIST_BYTES: usize = 2048;
/// Address lists in one frame.
pub const ADDRESS_LISTS: usize = 64;
/// Longest binary name of a peer.
pub const PEER_BYTES: usize = 64;
