//! The verbs: which file answers which one, and what each needs of the node.
//!
//! Always true: a verb that asks gets one session, which is closed whatever happened; what it prints was acknowledged.

pub(crate) mod bookmark;
pub(crate) mod charter;
pub(crate) mod community;
pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod edit;
pub(crate) mod endorse;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod label;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod member;
pub(crate) mod passphrase;
pub(crate) mod peer;
pub(crate) mod post;
pub(crate) mod profile;
pub(crate) mod queue;
pub(crate) mod recall;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod report;
pub(crate) mod retract;
pub(crate) mod run;
pub(crate) mod select;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod trace;
pub(crate) mod words;
pub(crate) mod writing;

use crate::args::{Args, Everywhere, Verb};
use crate::error::Error;
use crate::home;
use crate::logs;
use crate::output::Output;
use crate::session::unlock::Unlock;
use crate::session::{Network, Session};

/// What is logged of a command: nothing that its own error does not say.
const QUIET: &str = "off";

/// Does what the arguments say.
pub(crate) async fn run(args: Args, out: &mut Output) -> Result<(), Error> {
    let Everywhere { home, passphrase_file, .. } = args.everywhere;
    let unlock = Unlock::new(passphrase_file);
    match args.verb {
        None => out.say(&crate::grammar().render_help().to_string()),
        Some(Verb::Demo(demo)) => demo.run(out).await,
        Some(Verb::Run(run)) => run.run(&home::chosen(home)?, unlock, out).await,
        Some(verb) => {
            logs::start(QUIET);
            let home = home::chosen(home)?;
            let mut session = Session::new(home, name(&verb), network(&verb), out.progress(), unlock);
            let done = Box::pin(ask(verb, &mut session, out)).await;
            let closed = session.close().await;
            done.and(closed)
        }
    }
}

/// Asks the node what a verb stands for and prints the answer.
pub(crate) async fn ask(verb: Verb, session: &mut Session, out: &mut Output) -> Result<(), Error> {
    match verb {
        Verb::Init(init) => init.run(session, out).await,
        Verb::Words(words) => words.run(session, out).await,
        Verb::Passphrase(passphrase) => passphrase.run(session, out).await,
        Verb::Status(status) => status.run(session, out).await,
        Verb::Community(community) => community.run(session, out).await,
        Verb::Charter(charter) => charter.run(session, out).await,
        Verb::Profile(profile) => profile.run(session, out).await,
        Verb::Invite(invite) => invite.run(session, out).await,
        Verb::Join(join) => join.run(session, out).await,
        Verb::Member(member) => member.run(session, out).await,
        Verb::Post(post) => post.run(session, out).await,
        Verb::Bookmark(bookmark) => bookmark.run(session, out).await,
        Verb::Reply(reply) => reply.run(session, out).await,
        Verb::Edit(edit) => edit.run(session, out).await,
        Verb::Retract(retract) => retract.run(session, out).await,
        Verb::Endorse(endorse) => endorse.run(session, out).await,
        Verb::Label(label) => label.run(session, out).await,
        Verb::Recall(recall) => recall.run(session, out).await,
        Verb::Show(show) => show.run(session, out).await,
        Verb::Trace(trace) => trace.run(session, out).await,
        Verb::List(list) => list.run(session, out).await,
        Verb::Import(import) => import.run(session, out).await,
        Verb::Link(link) => link.run(session, out).await,
        Verb::Relay(relay) => relay.run(session, out).await,
        Verb::Select(select) => select.run(session, out).await,
        Verb::Queue(queue) => queue.run(session, out).await,
        Verb::Peer(peer) => peer.run(session, out).await,
        Verb::Device(device) => device.run(session, out).await,
        Verb::Sync(sync) => sync.run(session, out).await,
        Verb::Limits(limits) => limits.run(session, out).await,
        Verb::Run(_) | Verb::Demo(_) => unreachable!("`run` has answered these without a session"),
    }
}

/// What the lock on the home says while the verb holds it.
fn name(verb: &Verb) -> &'static str {
    match verb {
        Verb::Init(_) => "init",
        Verb::Words(_) => "words",
        Verb::Passphrase(_) => "passphrase",
        Verb::Run(_) => "run",
        Verb::Demo(_) => "demo",
        Verb::Status(_) => "status",
        Verb::Community(_) => "community",
        Verb::Charter(_) => "charter",
        Verb::Profile(_) => "profile",
        Verb::Invite(_) => "invite",
        Verb::Join(_) => "join",
        Verb::Member(_) => "member",
        Verb::Post(_) => "post",
        Verb::Bookmark(_) => "bookmark",
        Verb::Reply(_) => "reply",
        Verb::Edit(_) => "edit",
        Verb::Retract(_) => "retract",
        Verb::Endorse(_) => "endorse",
        Verb::Label(_) => "label",
        Verb::Recall(_) => "recall",
        Verb::Show(_) => "show",
        Verb::Trace(_) => "trace",
        Verb::List(_) => "list",
        Verb::Import(_) => "import",
        Verb::Link(_) => "link",
        Verb::Relay(_) => "relay",
        Verb::Select(_) => "select",
        Verb::Queue(_) => "queue",
        Verb::Peer(_) => "peer",
        Verb::Device(_) => "device",
        Verb::Sync(_) => "sync",
        Verb::Limits(_) => "limits",
    }
}

/// Only what cannot be done alone starts the network where no node runs.
fn network(verb: &Verb) -> Network {
    match verb {
        Verb::Join(join) if join.cancel.is_none() => Network::On,
        Verb::Init(init) if init.pair.is_some() => Network::On,
        Verb::Sync(_) | Verb::Peer(peer::Peer::Add(_)) => Network::On,
        Verb::Community(community) if community.looks() => Network::On,
        _ => Network::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[test]
    fn only_join_sync_peer_add_and_a_look_start_the_network() {
        let on = |line: &str| {
            let args = Args::try_parse_from(line.split(' ')).expect("the test types a correct line");
            network(&args.verb.expect("the test types a verb")) == Network::On
        };
        assert!(on("hearth join KEY") && on("hearth sync") && on("hearth peer add /ip4/1.2.3.4/tcp/5"));
        for key in ["hearth1abc", "HEARTH:HEARTH1ABC", "-"] {
            assert!(on(&format!("hearth community show {key}")), "{key}");
        }
        assert!(!on("hearth community show hearth") && !on("hearth device add"));
        for line in ["hearth join --cancel garden", "hearth peer list", "hearth post hello", "hearth status"] {
            assert!(!on(line), "{line}");
        }
    }
}
