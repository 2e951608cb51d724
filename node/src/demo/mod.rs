//! `hearth demo`: the main job in half a minute, with four nodes in one process.
//!
//! Everything goes through the same API as any command, on real homes with real stores and real
//! connections over loopback. The homes are temporary and go when it ends.

mod samples;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    home::{Home, HomeError},
    node::{Mode, Node, NodeError, StartError},
};
use samples::{CARRIED, GARDEN, LIBRARY, Sample};

/// How long a joining person waits for an answer.
const JOIN_MS: u64 = 20_000;
/// How often, and at which distance, the demonstration looks whether something has arrived.
const LOOKS: u32 = 200;
const LOOK_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Why the demonstration stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A node.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// No room for the homes.
    #[error("cannot make a temporary folder: {0}")]
    Folder(#[from] std::io::Error),
    /// A node said no where it should not.
    #[error("{who} was refused: {why}")]
    Refused {
        /// Whose node.
        who: &'static str,
        /// What it said.
        why: String,
    },
    /// Something did not arrive.
    #[error("{what} did not arrive within ten seconds")]
    Missing {
        /// What.
        what: String,
    },
}

impl DemoError {
    /// Its name, for scripts.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            DemoError::Home(why) => why.reason(),
            DemoError::Start(why) => why.reason(),
            DemoError::Node(why) => why.reason(),
            DemoError::Folder(_) => "no_temporary_folder",
            DemoError::Refused { .. } => "refused",
            DemoError::Missing { .. } => "missing",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            DemoError::Home(why) => why.hint(),
            DemoError::Start(why) => why.hint(),
            DemoError::Node(why) => why.hint(),
            DemoError::Folder(_) => "set TMPDIR to a folder that you can write to".to_owned(),
            DemoError::Refused { .. } | DemoError::Missing { .. } => {
                "run it again with HEARTH_LOG=debug and look at what stands on standard error".to_owned()
            }
        }
    }
}

/// A person of the demonstration.
struct Actor {
    name: &'static str,
    home: Home,
    node: Node,
    token: String,
}

/// Plays it; each line goes to `print`. With `stay`, the four nodes stay up until the future is
/// dropped.
///
/// # Errors
/// [`DemoError`].
pub async fn play(print: &mut (dyn FnMut(&str) + Send), stay: bool) -> Result<(), DemoError> {
    let folder = tempfile::Builder::new().prefix("hearth-demo-").tempdir()?;
    let mut actors = Vec::new();
    print("Four people, each with a node of their own, on this machine only:");
    for name in ["alice", "bob", "dave", "ferry"] {
        let actor = Actor::new(name, &folder).await?;
        let listen = actor.node.ready().listen;
        print(&format!("  {name:<5}  {}", listen.first().map_or("", String::as_str)));
        actors.push(actor);
    }
    let [alice, bob, dave, ferry] = actors.as_slice() else { unreachable!("four names make four actors") };
    found_and_join(print, alice, bob, dave, ferry).await?;
    write(print, [alice, bob, dave, ferry]).await?;
    link_and_relay(print, alice, dave, ferry).await?;
    read_on_the_other_side(print, dave).await?;
    let homes: Vec<String> = actors.iter().map(|a| a.home.path().display().to_string()).collect();
    let home = homes.get(2).map_or("", String::as_str);
    print("");
    if stay {
        print("The four nodes stay up until Ctrl-C. Look around in another terminal:");
        print(&format!("  hearth --home {home} list"));
        print(&format!("  hearth --home {home} status"));
        print(&format!("  hearth --home {home} trace ID        # an id from the list"));
        print(&format!("  hearth --home {} member list garden", homes.first().map_or("", String::as_str)));
        std::future::pending::<()>().await;
    } else {
        print("Make a home of your own: `hearth init`, then `hearth run`.");
    }
    for actor in actors {
        actor.node.close().await?;
    }
    Ok(())
}

async fn found_and_join(
    print: &mut (dyn FnMut(&str) + Send),
    alice: &Actor,
    bob: &Actor,
    dave: &Actor,
    ferry: &Actor,
) -> Result<(), DemoError> {
    print("");
    print("alice founds `garden`, dave founds `library`; their ids are the hashes of what they founded:");
    for (who, name, domain) in [
        (alice, "garden", "Growing food between houses"),
        (dave, "library", "A lending shelf of seeds, tools and books"),
    ] {
        let made = who.post("communities", json!({"name": name, "domain": domain})).await?;
        print(&format!("  {name:<7}  {}", short(&made["community"])));
    }
    print("bob pastes a key from alice; ferry pastes one from each. A key works even when whoever made it is away:");
    for (from, to, community) in [(alice, bob, "garden"), (alice, ferry, "garden"), (dave, ferry, "library")] {
        let terms = json!({"community": community, "role": "member", "uses": 1, "expires_ms": 7 * 24 * 3_600_000_u64});
        let invite = from.post("invites", terms).await?;
        let key = invite["key"].as_str().unwrap_or_default();
        let joined = to.post("join", json!({"key": key, "wait_ms": JOIN_MS})).await?;
        print(&format!(
            "  {:<5}  {}…  is now a {} of {community}",
            to.name,
            key.get(..24).unwrap_or(key),
            joined["role"].as_str().unwrap_or_default()
        ));
    }
    Ok(())
}

async fn write(print: &mut (dyn FnMut(&str) + Send), actors: [&Actor; 4]) -> Result<(), DemoError> {
    print("");
    print("They write. Reach is 0 unless the author says otherwise: then an item stays where it is.");
    for (community, samples) in [("garden", GARDEN), ("library", LIBRARY)] {
        let mut leaving = 0;
        for sample in samples {
            let Some(actor) = actors.iter().find(|a| a.name == sample.by) else { continue };
            actor.post("items", item(sample, community)).await?;
            leaving += u32::from(sample.may_leave);
        }
        print(&format!("  {community:<7}  {} posts and bookmarks, {leaving} of them with reach 1", samples.len()));
    }
    for (actor, community, samples) in
        [(actors[1], "garden", GARDEN), (actors[3], "garden", GARDEN), (actors[3], "library", LIBRARY)]
    {
        let count = actor.sees(community, samples.len()).await?;
        print(&format!("  {:<5} holds all {count} of {community}, every signature checked", actor.name));
    }
    Ok(())
}

async fn link_and_relay(
    print: &mut (dyn FnMut(&str) + Send),
    alice: &Actor,
    dave: &Actor,
    ferry: &Actor,
) -> Result<(), DemoError> {
    print("");
    print("The two stewards let ferry carry what is tagged `seeds` or `tomatoes`: one lets it out, one lets it in.");
    let person = |status: Value| status["person"].as_str().unwrap_or_default().to_owned();
    let garden = alice.community("garden").await?;
    let library = dave.community("library").await?;
    let broker = person(ferry.get("status").await?);
    for (who, community, direction, other) in [(alice, "garden", "out", &library), (dave, "library", "in", &garden)] {
        let terms = json!({
            "community": community, "direction": direction, "other": other, "brokers": [broker],
            "kinds": [], "tags": ["seeds", "tomatoes"], "per_day": 20, "min_role": "member",
            "quarantine": false, "replies_only": false, "expires_ms": 90 * 24 * 3_600_000_u64,
        });
        let link = who.post("links", terms).await?;
        print(&format!("  {:<5}  {direction:<3}  {}", who.name, short(&link["link"])));
    }
    ferry.knows_links("garden").await?;
    ferry.knows_links("library").await?;
    print("ferry relays, each time with a note on why it matters on the other side:");
    let listed = ferry.get("items?in=garden&limit=100").await?;
    let find = |title: &str| {
        listed["items"].as_array().into_iter().flatten().find(|i| i["title"] == title).map(|i| i["item"].clone())
    };
    for (title, note) in CARRIED {
        let item = find(title).unwrap_or_default();
        ferry.post("relay", json!({"item": item, "to": "library", "note": note, "tags": []})).await?;
        print(&format!("  “{title}”  —  {note}"));
    }
    print("and is refused where somebody has not agreed; the refusal says who:");
    for title in ["Who has the key to the shed?", "Soil texture with a jar"] {
        let item = find(title).unwrap_or_default();
        let refused = ferry
            .call("POST", "relay", json!({"item": item, "to": "library", "note": "Useful there too.", "tags": []}))
            .await;
        let (reason, error) = match &refused {
            Ok(_) => {
                return Err(DemoError::Refused { who: "ferry", why: format!("“{title}” should not have crossed") });
            }
            Err(answer) => {
                (answer["reason"].as_str().unwrap_or_default(), answer["error"].as_str().unwrap_or_default())
            }
        };
        print(&format!("  “{title}”  —  {reason}: {error}"));
    }
    Ok(())
}

async fn read_on_the_other_side(print: &mut (dyn FnMut(&str) + Send), dave: &Actor) -> Result<(), DemoError> {
    print("");
    dave.sees("library", LIBRARY.len() + CARRIED.len()).await?;
    print("dave, whose node never met alice's, reads them with her signature and the path they took:");
    let listed = dave.get("items?in=library&limit=100").await?;
    for item in listed["items"].as_array().into_iter().flatten().filter(|i| i["relayed_from"].is_string()) {
        let trace = dave.get(&format!("items/{}/trace", item["item"].as_str().unwrap_or_default())).await?;
        let hop = &trace["hops"][0];
        print(&format!(
            "  {}  “{}”  signature {}  {} -> {} by {}",
            short(&item["item"]),
            item["title"].as_str().unwrap_or_default(),
            trace["signature"].as_str().unwrap_or_default(),
            short(&hop["from"]),
            hop["to_name"].as_str().unwrap_or_default(),
            hop["broker_name"].as_str().unwrap_or_default(),
        ));
    }
    Ok(())
}

fn item(sample: &Sample, community: &str) -> Value {
    let reach = u8::from(sample.may_leave);
    match sample.url {
        Some(url) => {
            json!({"kind": "bookmark", "to": [community], "url": url, "title": sample.title, "note": sample.text, "tags": sample.tags, "reach": reach})
        }
        None => {
            json!({"kind": "post", "to": [community], "title": sample.title, "text": sample.text, "tags": sample.tags, "reach": reach})
        }
    }
}

/// The first ten digits of an id.
fn short(id: &Value) -> &str {
    id.as_str().and_then(|id| id.get(..10)).unwrap_or_default()
}

impl Actor {
    async fn new(name: &'static str, folder: &TempDir) -> Result<Actor, DemoError> {
        let home = Home::at(folder.path().join(name));
        home.create(name, None)?;
        let listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"].map(str::to_owned).to_vec();
        let node = Node::open(&home, Mode::Node { listen, api: None }, None).await?;
        let token = node.token().to_owned();
        Ok(Actor { name, home, node, token })
    }

    async fn get(&self, path: &str) -> Result<Value, DemoError> {
        self.call("GET", path, Value::Null).await.map_err(|why| self.refused(&why))
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, DemoError> {
        self.call("POST", path, body).await.map_err(|why| self.refused(&why))
    }

    fn refused(&self, answer: &Value) -> DemoError {
        DemoError::Refused { who: self.name, why: answer["error"].as_str().unwrap_or("no reason given").to_owned() }
    }

    /// Asks this person's node as any command does; an error is the answer's body.
    async fn call(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/api/0/{path}"))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body)
            .map_err(|why| json!({"error": why.to_string()}))?;
        let answer = self.node.call(request).await;
        let value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if answer.status().is_success() { Ok(value) } else { Err(value) }
    }

    async fn community(&self, name: &str) -> Result<String, DemoError> {
        let found = self.get(&format!("communities/{name}")).await?;
        Ok(found["community"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the list of a community has as many items.
    async fn sees(&self, community: &str, count: usize) -> Result<usize, DemoError> {
        let path = format!("items?in={community}&limit=1000");
        for _ in 0..LOOKS {
            let listed = self.get(&path).await?;
            if listed["items"].as_array().is_some_and(|items| items.len() >= count) {
                return Ok(count);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Err(DemoError::Missing { what: format!("the {count} items of {community} at {}", self.name) })
    }

    /// Waits until the link that a steward has made is known here.
    async fn knows_links(&self, community: &str) -> Result<(), DemoError> {
        for _ in 0..LOOKS {
            let links = self.get(&format!("communities/{community}/links")).await?;
            if links["links"].as_array().is_some_and(|links| !links.is_empty()) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Err(DemoError::Missing { what: format!("the link of {community} at {}", self.name) })
    }
}
