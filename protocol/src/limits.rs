//! Every bound of the protocol, each with its reason. A bound is checked before anything is
//! allocated for what it bounds.
//!
//! Leaves to others: the bounds that a node sets for itself, on sockets, memory and its own API, which
//! need not be the same at both ends (`limits` of the node). The two lists are made alike.
//! Always true: each bound stands in [`ALL`], with the value that the code checks by and the reason
//! that stands above it, so that what is printed is what is in force.

/// A bound, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    name: &'static str,
    /// How much.
    pub value: u64,
    /// Of what.
    pub unit: &'static str,
    reason: &'static str,
}

impl Limit {
    /// A bound with the name and the reason that stand at its constant.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, value: u64, unit: &'static str, reason: &'static str) -> Limit {
        Limit { name, value, unit, reason }
    }

    /// The constant's name in small letters.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Why this much: what stands above the constant, as plain text.
    #[must_use]
    pub fn reason(&self) -> String {
        self.reason.trim().replace("[`", "`").replace("`]", "`")
    }
}

/// Makes constants of a list of bounds, and the list of all of them, `ALL`.
#[macro_export]
macro_rules! limits {
    ($($(#[doc = $reason:literal])+ $name:ident: $type:ident = $value:expr, $unit:literal;)+) => {
        $($(#[doc = $reason])+ pub const $name: $type = $value;)+

        /// Every bound of this list.
        pub const ALL: &[$crate::limits::Limit] = &[$($crate::limits::Limit::new(
            stringify!($name),
            $crate::limits!(@number $type $name),
            $unit,
            concat!($($reason),+),
        )),+];
    };
    (@number Duration $name:ident) => {{
        assert!($name.as_millis() <= u64::MAX as u128, "a bound is shown in 64 bits");
        $name.as_millis() as u64
    }};
    (@number $type:ident $name:ident) => { $name as u64 };
}

limits! {
    /// CBOR nesting that is accepted. The deepest type, a genesis, needs 8.
    NESTING: usize = 8, "levels";
    /// Longest item header. A header travels alone when its body does not fit, and is kept for ever.
    HEADER_BYTES: usize = 3 * 1024, "bytes";
    /// Longest item body. Real newsletters take 20 to 60 KB; four times that leaves room.
    BODY_BYTES: usize = 256 * 1024, "bytes";
    /// Longest Markdown text inside a body.
    TEXT_BYTES: usize = 200 * 1024, "bytes";
    /// Longest title: a headline, not a text.
    TITLE_BYTES: usize = 300, "bytes";
    /// Longest tag. Of 2,895 tagged bookmarks looked at, 104 have a tag of more than 32 bytes.
    TAG_BYTES: usize = 64, "bytes";
    /// Most tags of an item.
    TAGS: usize = 16, "of an item";
    /// Longest name of a person.
    NAME_BYTES: usize = 64, "bytes";
    /// Longest name of a community.
    COMMUNITY_NAME_BYTES: usize = 80, "bytes";
    /// Longest address of a bookmark.
    URL_BYTES: usize = 4096, "bytes";
    /// Most items that an item refers to.
    REFERENCES: usize = 4, "of an item";
    /// Most attachments of an item.
    ATTACHMENTS: usize = 16, "of an item";
    /// Most heads of the authority log that an item, envelope or epoch names.
    HEADS: usize = 4, "of an item, envelope or epoch";
    /// Longest operation of an authority log.
    OPERATION_BYTES: usize = 8 * 1024, "bytes";
    /// Most parents of an operation.
    PARENTS: usize = 16, "of an operation";
    /// Most persons that one ruling names.
    SUBJECTS: usize = 32, "of a ruling";
    /// Longest reason that a ruling gives.
    REASON_BYTES: usize = 256, "bytes";
    /// Most chains that a ruling closes.
    FEEDS: usize = 64, "of a ruling";
    /// Longest genesis: seven founders with two device certificates each fit.
    GENESIS_BYTES: usize = 12 * 1024, "bytes";
    /// Most founders of a community.
    FOUNDERS: usize = 7, "of a community";
    /// Longest payload of a join: a full person, a name and the ids.
    JOIN_BYTES: usize = 6 * 1024, "bytes";
    /// Longest payload of an invite certificate; none takes half of it.
    INVITE_CERT_BYTES: usize = 512, "bytes";
    /// Longest pasted invite key, in characters. Four long addresses fit.
    INVITE_KEY_CHARS: usize = 3000, "characters";
    /// Most uses of one invite.
    INVITE_USES: u32 = 100, "of an invite";
    /// Longest life of an invite: 90 days.
    INVITE_LIFE_MS: u64 = 90 * crate::time::DAY_MS, "ms";
    /// Longest life of a link: 180 days.
    LINK_LIFE_MS: u64 = 180 * crate::time::DAY_MS, "ms";
    /// Most brokers of a link.
    BROKERS: usize = 8, "of a link";
    /// Most tags of a link.
    LINK_TAGS: usize = 32, "of a link";
    /// Most borders that an item may cross: the format's bound. This version relays over one.
    HOPS: u8 = 3, "borders";
    /// Longest note of a broker.
    NOTE_BYTES: usize = 2000, "bytes";
    /// Longest summary of a broker.
    SUMMARY_BYTES: usize = 4000, "bytes";
    /// Tags of one community that have a word in one other, of one broker: more than a practice was seen to use.
    TAG_MAPPINGS: usize = 256, "of a border";
    /// Selections of one person: a few for each border they could carry over.
    SELECTIONS: usize = 64, "of a node";
    /// Tags, kinds, persons and words of one query.
    QUERY_TERMS: usize = 32, "of a query";
    /// Candidates of one selection that wait for its person. Of more, the rest of what was written is judged later.
    CANDIDATES: usize = 1_000, "of a selection";
    /// Longest envelope: note, summary, 16 tags and the ids.
    ENVELOPE_BYTES: usize = 8 * 1024, "bytes";
    /// Longest proof bundle. It is fetched once and serves thousands of items.
    BUNDLE_BYTES: usize = 64 * 1024, "bytes";
    /// Most endings of a link, or of its brokers' mandates, that one bundle shows: the newest.
    BUNDLE_ENDS: usize = 8, "of a bundle";
    /// Checked proofs that are remembered.
    PROOFS: usize = 64, "proofs";
    /// Envelopes on cut chains that are remembered as being on them (R7).
    WALKED: usize = 100_000, "envelopes";
    /// Most operations in a proof bundle.
    BUNDLE_OPERATIONS: usize = 32, "of a bundle";
    /// Longest path of grants in a proof bundle.
    PATH_DEPTH: usize = 16, "grants";
    /// Longest person: 8 reveals of 176 bytes, 16 device certificates of 220, an inception of 295.
    PERSON_BYTES: usize = 6 * 1024, "bytes";
    /// Most device certificates of a person.
    DEVICES: usize = 16, "of a person";
    /// Keys of the ladder that an inception commits to.
    LADDER: usize = 8, "keys of a person";
    /// Longest blob of sealed epoch keys (E2).
    EPOCH_BLOB_BYTES: usize = 64 * 1024, "bytes";
    /// Epoch keys handed over or asked for at once. Who is given the history and needs more asks again.
    KEYS_HANDED_OVER: usize = 64, "at once";
    /// How long an epoch lasts at most (E8): 30 days.
    EPOCH_MS: u64 = 30 * crate::time::DAY_MS, "ms";
    /// How long somebody who left tells members that they meet: 30 days.
    LEAVE_TOLD_MS: u64 = 30 * crate::time::DAY_MS, "ms";
    /// Sealed hellos beside the tags of a handshake, always this many (7.4).
    SEALED_HELLOS: usize = 4, "of a handshake";
    /// Longest answer to a look before joining: a genesis and a charter of full length.
    PREVIEW_BYTES: usize = 300 * 1024, "bytes";
    /// Longest handover to one device: a genesis and 64 sealed keys for each of 16 communities.
    HANDOVERS_BYTES: usize = 512 * 1024, "bytes";
    /// Requests to join, look, pair or restore that fail on one connection before the rest is not looked at.
    VAIN_ASKS: u32 = 16, "on a connection";
    /// The same of all connections in one minute: each costs up to three checks of signatures.
    VAIN_ASKS_PER_MINUTE: u32 = 600, "a minute";
    /// How long a pairing code is good for: 10 minutes (D4).
    PAIRING_MS: u64 = 10 * 60 * 1000, "ms";
    /// How far ahead of our clock a claimed time may lie (T1, B1): 10 minutes.
    FUTURE_MS: u64 = 10 * 60 * 1000, "ms";
    /// Items from further ahead that wait until they are due (T1).
    PARKED: usize = 1_000, "of a node";
    /// What these take together: sixty-four of the longest. What does not fit is compared for again.
    PARKED_BYTES: usize = 16 * 1024 * 1024, "bytes";
    /// Largest gossip message, sealed. libp2p-gossipsub 0.50.1 holds its whole read buffer against its
    /// frame of 64 KiB, and that buffer may already hold 8 KiB of the next frame. A longer frame would be
    /// refused whenever another follows close behind, and the refusal closes the stream. 55 KiB, a topic
    /// and 8 KiB always fit. What does not fit is announced by its header and fetched.
    GOSSIP_BYTES: usize = 55 * 1024, "bytes";
    /// Largest request frame. A request names what is wanted; it carries no items.
    REQUEST_BYTES: usize = 64 * 1024, "bytes";
    /// Largest response frame: one page of a catch-up.
    RESPONSE_BYTES: usize = 1024 * 1024, "bytes";
    /// Ids asked for in one request, and things sent in one response at most.
    FETCH: usize = 500, "of a request or response";
    /// Ids listed in one response: 16,000 of 34 bytes stay below the frame.
    IDS_PER_PAGE: usize = 16_000, "of a response";
    /// Cells of sketches in one response, and of one sketch that are ever kept up to date: they show 30,000
    /// ids that differ, and 22 bytes each stay below the frame.
    CELLS: usize = 45_000, "of a response";
    /// Views of what lies in a set from some position on: three for each reader without history who is met. Of more,
    /// the one that was not needed for longest goes, and is made anew when it is needed.
    VIEWS: usize = 256, "of a node";
    /// Cells of all these sketches together: 32 bytes each make 16 MiB.
    VIEW_CELLS: usize = 512 * 1024, "of a node";
    /// Largest body that is sent along while smaller ones are missing: larger ones are announced by their header, and
    /// fetched when all else is here.
    EARLY_BODY_BYTES: usize = 16 * 1024, "bytes";
    /// Periods of one set: of 30 days, a hundred years have 1,218.
    PERIODS: usize = 4096, "of a set";
    /// Ids that one peer may offer, or announce by their header, and that wait to be fetched from it.
    OFFERED: usize = 10_000, "of a peer";
    /// Communities of one node, the own space included.
    COMMUNITIES: usize = 16, "of a node";
    /// Tags in a handshake, always this many (7.2).
    HELLO_TAGS: usize = 64, "of a handshake";
    /// Operations of one authority log.
    LOG_OPERATIONS: usize = 50_000, "of a log";
    /// Admissions that a node signs in a day (I3).
    ADMISSIONS_PER_DAY: usize = 60, "a day";
    /// Items that claim one day and that are one person's in one community, where its policy names no number (T6): a
    /// person may bring a whole file of bookmarks.
    ITEMS_PER_DAY: u32 = 25_000, "a day";
    /// The same of a peripheral member.
    ITEMS_PER_DAY_PERIPHERAL: u32 = 50, "a day";
    /// How many times as many items a node takes: what is near the bound must not depend on what came first.
    STORED_TIMES: usize = 4, "times";
    /// Bodies of one person in one community that a node takes in a day, whatever day they claim: 64 MiB. The rest
    /// comes on the next.
    AUTHOR_BYTES_PER_DAY: u64 = 64 * 1024 * 1024, "bytes";
    /// Items beyond a share that are not fetched again the same day. Of more, each comparison fetches some again.
    DEFERRED: usize = 100_000, "of a node";
    /// Days of authors whose items are counted; beyond this all are counted anew.
    AUTHOR_DAYS: usize = 10_000, "of a node";
    /// Addresses kept of one peer, told or dialled.
    ADDRESSES: usize = 10, "of a peer";
    /// Longest address in its binary form. The longest that is dialled has 61.
    ADDRESS_BYTES: usize = 256, "bytes";
    /// Longest signed address list of a peer.
    ADDRESS_LIST_BYTES: usize = 2048, "bytes";
    /// Address lists in one frame.
    ADDRESS_LISTS: usize = 64, "of a frame";
    /// Longest binary name of a peer.
    PEER_BYTES: usize = 64, "bytes";
    /// Lists of addresses kept of one community: as many as it can have members on one node's disk.
    ADDRESS_BOOK: usize = 1_000, "of a community";
    /// Persons who must claim another time than this node's clock shows, each more than ten minutes off and to the same
    /// side, before it is doubted (F6): one or two may be wrong themselves.
    CLOCK_PERSONS: usize = 3, "of a node";
    /// Persons who must have told of what was signed long ago, before this node's clock is held to be ahead: one could
    /// have held it back.
    CLOCK_TELLERS: usize = 2, "of a node";
    /// How long that counts which somebody claimed: an hour.
    CLOCK_WITHIN_MS: u64 = 60 * 60 * 1000, "ms";
    /// Persons whose last claim is remembered.
    CLOCK_CLAIMS: usize = 1_000, "of a node";
    /// Strikes that make a ban: one may be a broken disk, three are no accident.
    STRIKES: usize = 3, "of a peer";
    /// How long a strike counts: an hour.
    STRIKES_WITHIN_MS: u64 = 60 * 60 * 1000, "ms";
    /// The first ban of a peer: 10 minutes. Each one after it is twice as long.
    BAN_MS: u64 = 10 * 60 * 1000, "ms";
    /// The longest ban that strikes lead to.
    BAN_LONGEST_MS: u64 = crate::time::DAY_MS, "ms";
    /// Bans that are kept, ended ones among them.
    BANS: usize = 1_000, "of a node";
    /// Peers of whom a node remembers how they behave.
    PEERS_REMEMBERED: usize = 1_000, "of a node";
}

#[cfg(test)]
mod tests;
