//! The items of the garden, one of each kind that this version writes and one that it does not know.
//!
//! Always true: the chains of each device have no gap, and the heads cover the grants of the authors.

use hearth_protocol::{
    bytes::{Bytes, List},
    encoding::V1,
    epoch::Scope,
    id::{Context, ItemId, hash},
    item::{
        Attachment, Body, Bookmark, Charter, Edit, Endorsement, Header, Kind, Label, Merit, Post, Profile, Recall,
        Reply, SaltedBody, SignedItem, Tag,
    },
};

use crate::{
    cast::{Actor, BEGIN, at, blob, list, text},
    story::Story,
};

/// One item and all that it was made of.
pub(crate) struct Written {
    pub(crate) title: &'static str,
    pub(crate) author: &'static str,
    pub(crate) seed: [u8; 32],
    pub(crate) salt: [u8; 16],
    pub(crate) body: Vec<u8>,
    pub(crate) header: Header,
    pub(crate) item: SignedItem,
}

impl Written {
    pub(crate) fn salted(&self) -> SaltedBody {
        blob([&self.salt[..], &self.body].concat())
    }
}

/// What somebody means to write.
struct Plan {
    title: &'static str,
    kind: Kind,
    scope: Scope,
    reach: u8,
    body: Vec<u8>,
    re: Vec<ItemId>,
    target: Option<ItemId>,
    tags: Vec<&'static str>,
}

/// The name of a salted body.
pub(crate) fn body_hash(salt: &[u8; 16], body: &[u8]) -> [u8; 32] {
    hash(Context::BODY, &[&salt[..], body].concat())
}

fn plan(title: &'static str, kind: Kind, body: Vec<u8>) -> Plan {
    Plan { title, kind, scope: Scope::All, reach: 0, body, re: Vec::new(), target: None, tags: Vec::new() }
}

fn known(title: &'static str, body: &Body) -> Plan {
    plan(title, body.kind().expect("the samples are of known kinds"), body.to_bytes())
}

/// The writings of one device, in order, each linked to the one before it in its scope.
struct Pen<'a> {
    story: &'a Story,
    actor: &'a Actor,
    written: Vec<Written>,
}

impl Pen<'_> {
    fn write(&mut self, plan: Plan) -> ItemId {
        let before: Vec<&Written> = self.written.iter().filter(|w| w.header.scope == plan.scope).collect();
        let count = u8::try_from(self.written.len()).expect("few samples");
        let salt = [0x80 + count; 16];
        let header = Header {
            version: V1,
            kind: plan.kind,
            community: self.story.id(),
            author: self.actor.id(),
            device: self.actor.device.public(),
            seq: u32::try_from(before.len()).expect("few samples"),
            prev: before.last().map(|w| w.item.id()),
            ts: at(30 + u64::from(count)),
            auth_heads: list(self.story.log.heads()),
            scope: plan.scope,
            reach: plan.reach,
            re: list(plan.re),
            target: plan.target,
            tags: list(plan.tags.into_iter().map(text::<{ hearth_protocol::limits::TAG_BYTES }>).collect::<Vec<Tag>>()),
            body_hash: body_hash(&salt, &plan.body).into(),
            body_len: u32::try_from(plan.body.len()).expect("short samples"),
        };
        let item = SignedItem::seal(&header, &self.actor.device).expect("the samples follow the rules");
        let id = item.id();
        let (author, seed) = (self.actor.name, self.actor.device_seed);
        self.written.push(Written { title: plan.title, author, seed, salt, body: plan.body, header, item });
        id
    }
}

pub(crate) fn write(story: &Story, [alice, bob, carol]: [&Actor; 3]) -> Vec<Written> {
    let mut pen = Pen { story, actor: bob, written: Vec::new() };
    let post = pen.write(known("post: a text with a title and a file", &post()));
    let bookmark =
        Plan { reach: 1, tags: vec!["rust/async", "tools"], ..known("bookmark: may cross one border", &bookmark()) };
    let bookmark = pen.write(bookmark);
    let reply = Body::Reply(Reply { version: V1, text: text("It is well kept.") });
    let reply = pen.write(Plan { re: vec![bookmark], ..known("reply: to the bookmark", &reply) });
    let body =
        Body::Post(Post { version: V1, title: None, text: text("Sow peas in *March*."), attachments: List::none() });
    let edit = Body::Edit(Edit { version: V1, body: blob(body.to_bytes()) });
    pen.write(Plan { target: Some(post), ..known("edit: a new body for the post", &edit) });
    pen.write(Plan { target: Some(reply), ..known("tombstone: of the reply", &Body::Tombstone) });
    pen.write(known("profile: of bob", &profile()));
    pen.write(plan("later: of a kind that this version keeps and does not read", Kind(95), vec![0x82, 0x01, 0x0c]));
    let mut written = pen.written;
    let mut pen = Pen { story, actor: alice, written: Vec::new() };
    pen.write(known("charter: of the garden", &charter()));
    let inner =
        Body::Post(Post { version: V1, title: None, text: text("For members only."), attachments: List::none() });
    pen.write(Plan { scope: Scope::Inner, ..known("post: of the inner scope, with a chain of its own", &inner) });
    let label = Body::Label(Label { version: V1, hide: true, reason: text("It is out of date.") });
    pen.write(Plan { target: Some(post), ..known("label: hides the post", &label) });
    let recall = Body::Recall(Recall { version: V1, reason: text("The address has moved.") });
    pen.write(Plan { target: Some(bookmark), ..known("recall: of the bookmark", &recall) });
    written.append(&mut pen.written);
    let mut pen = Pen { story, actor: carol, written: Vec::new() };
    let hello = Body::Post(Post { version: V1, title: None, text: text(""), attachments: List::none() });
    pen.write(known("post: the shortest", &hello));
    let endorsement = Endorsement { version: V1, merit: Merit::TeachFrom, line: Some(text("I did, twice.")) };
    pen.write(Plan {
        target: Some(bookmark),
        ..known("endorsement: of the bookmark", &Body::Endorsement(endorsement))
    });
    written.append(&mut pen.written);
    written
}

/// The bytes of the attached file.
pub(crate) const FILE: &[u8] = b"peas, beans, kale\n";

fn post() -> Body {
    let file =
        Attachment(text("seeds.txt"), text("text/plain"), FILE.len() as u64, Bytes(*blake3::hash(FILE).as_bytes()));
    Body::Post(Post {
        version: V1,
        title: Some(text("Sowing")),
        text: text("Sow peas in *May*."),
        attachments: list(vec![file]),
    })
}

fn bookmark() -> Body {
    Body::Bookmark(Bookmark {
        version: V1,
        url: text("https://example.org/async?b=2&a=1#top"),
        title: Some(text("Async, slowly")),
        note: Some(text("The clearest text on it.")),
        excerpt: None,
        added: BEGIN,
        source: Some(text("netscape")),
    })
}

fn profile() -> Body {
    Body::Profile(Profile {
        version: V1,
        name: text("Bob"),
        about: Some(text("Grows things.")),
        practises: list(vec![text("pruning")]),
        learning: list(vec![text("grafting")]),
        offers: List::none(),
        asks: list(vec![text("scions of old apples")]),
        languages: list(vec![text("en"), text("nds")]),
        zone: Some(text("Europe/Berlin")),
    })
}

fn charter() -> Body {
    Body::Charter(Charter {
        version: V1,
        domain: text("Growing food in small places"),
        community: None,
        practice: Some(text("Sowing calendars, seed lists, failures told honestly")),
        norms: Some(text("Say what you tried.")),
        topics: list(vec![text("peas"), text("soil")]),
        start_here: None,
        welcome: Some(text("Welcome. Ask anything.")),
    })
}
