//! From what the network reports to what the engine decides upon: frames are decoded and
//! signatures checked here, beside the driver, so that it only decides.

use std::sync::Arc;

use hearth_protocol::{
    bytes::{Blob, List},
    encoding::Malformed,
    engine::{CheckedGossip, Fetched, Input, Unchecked, open_gossip, read_response},
    epoch::EpochKey,
    id::CommunityId,
    ledger::{AddressList, Ledger as _},
    signed::Unsound,
    wire::{Request, Response},
};
use tokio::sync::{mpsc, watch};

use crate::{
    clock,
    handle::{Ended, Inbox, Reached, Reaches, Snapshot},
    network::{self, NetworkHandle, Order, Report, Verdict},
    store::{Overlay, Reader},
};

/// Fewer things are not worth another thread: some milliseconds of checks.
const FEWEST_CHECKED_APART: usize = 64;

/// Turns reports into inputs until the network or the driver ends.
pub(crate) async fn translate(
    mut reports: mpsc::Receiver<Report>,
    network: NetworkHandle,
    transport: zeroize::Zeroizing<[u8; 32]>,
    mut listening: Vec<String>,
    (snapshot, reached): (watch::Receiver<Arc<Snapshot>>, watch::Sender<Arc<Reaches>>),
    (inbox, reader): (Inbox, Reader),
) {
    let mut sent = Ok(());
    while let (Ok(()), Some(report)) = (&sent, reports.recv().await) {
        sent = match report {
            Report::Listening { address } => {
                if !listening.contains(&address) {
                    listening.push(address);
                }
                announce(&transport, &listening, &inbox).await
            }
            Report::NotListening { address } => {
                listening.retain(|known| *known != address);
                announce(&transport, &listening, &inbox).await
            }
            Report::Connected { peer, address, dialed } => {
                let how = Reached { address, dialed, since: clock::now() };
                reached.send_modify(|all| drop(Arc::make_mut(all).insert(peer.clone(), how)));
                inbox.input(Input::Connected(peer)).await
            }
            Report::Disconnected { peer } => {
                reached.send_modify(|all| drop(Arc::make_mut(all).remove(&peer)));
                inbox.input(Input::Disconnected(peer)).await
            }
            Report::Dialed { .. } => Ok(()),
            Report::DialFailed { peer, why, .. } => {
                tracing::debug!(why, "dial failed");
                match peer {
                    Some(peer) => inbox.input(Input::Unreachable(peer)).await,
                    None => Ok(()),
                }
            }
            Report::Requested { peer, token, frame } => requested(peer, token, &frame, &inbox).await,
            Report::Answered { peer, id, frame } => answered(peer, id, frame, &inbox).await,
            Report::Failed { peer, id, why } => {
                tracing::debug!(why, "no answer");
                inbox.input(Input::Unanswered { peer, id }).await
            }
            Report::Misbehaved { peer, name } => inbox.input(Input::Misbehaved { peer, name }).await,
            Report::Gossip { peer, token, topic, data } => {
                gossip((peer, token), topic, data, (&snapshot, &reader), &network, &inbox).await
            }
        };
    }
}

/// Tells the engine where this node can be reached, in a list signed by the transport key.
pub(crate) async fn announce(transport: &[u8; 32], listening: &[String], inbox: &Inbox) -> Result<(), Ended> {
    match address_list(transport, listening) {
        Some(list) => inbox.input(Input::Listening(list)).await,
        None => Ok(()),
    }
}

/// A signed list of this node's own addresses; none while there is none.
fn address_list(transport: &[u8; 32], listening: &[String]) -> Option<AddressList> {
    let addresses: Vec<String> = listening.iter().take(hearth_protocol::limits::ADDRESSES).cloned().collect();
    if addresses.is_empty() {
        return None;
    }
    let bytes = network::sign_addresses(transport, clock::now().0, &addresses).ok()?;
    read_list(&bytes)
}

fn read_list(bytes: &[u8]) -> Option<AddressList> {
    let read = network::read_signed_addresses(bytes).ok()?;
    let addresses: Vec<_> =
        read.addresses.iter().filter_map(|a| Blob::new(network::address_to_bytes(a).ok()?).ok()).collect();
    Some(AddressList {
        peer: Blob::new(read.peer).ok()?,
        seq: read.seq,
        list: Blob::new(bytes.to_vec()).ok()?,
        addresses: List::new(addresses).ok()?,
    })
}

async fn requested(peer: Vec<u8>, token: u64, frame: &[u8], inbox: &Inbox) -> Result<(), Ended> {
    let input = match Request::from_bytes(frame) {
        Ok(Request::Addresses(tag, lists)) => {
            let lists = lists.iter().filter_map(|list| read_list(list.as_slice())).collect();
            Input::AddressesAsked { peer, token, tag, lists }
        }
        request => Input::Asked { peer, token, request },
    };
    inbox.input(input).await
}

async fn answered(peer: Vec<u8>, id: u64, frame: Vec<u8>, inbox: &Inbox) -> Result<(), Ended> {
    let read = off_thread(move || read_response(&frame)).await.unwrap_or(Err(Malformed::WrongShape));
    match read {
        Ok((Response::Addresses(lists), _)) => {
            let lists = lists.iter().filter_map(|list| read_list(list.as_slice())).collect();
            inbox.input(Input::AddressesAnswered { peer, id, lists }).await
        }
        Ok((response, things)) => {
            if let Response::Take(_, _, Some(next)) = response {
                inbox.input(Input::Outlined { peer: peer.clone(), id, next }).await?;
            }
            for thing in check(things).await {
                inbox.input(Input::Arrived { peer: peer.clone(), id, thing: Box::new(thing) }).await?;
            }
            inbox.input(Input::Answered { peer, id, response: Ok(response) }).await
        }
        Err(why) => inbox.input(Input::Answered { peer, id, response: Err(why) }).await,
    }
}

/// Checks things on all processors, in their order. Those on whom a check panicked are not there.
async fn check(mut things: Unchecked) -> Vec<Fetched> {
    let processors = std::thread::available_parallelism().map_or(1, Into::into);
    let share = things.count().div_ceil(processors).max(FEWEST_CHECKED_APART);
    let mut checks = Vec::new();
    while things.count() > 0 {
        let rest = things.split_off(share);
        checks.push(off_thread(move || things.check()));
        things = rest;
    }
    let mut checked = Vec::new();
    for check in checks {
        checked.extend(check.await.unwrap_or_default());
    }
    checked
}

async fn gossip(
    (peer, token): (Vec<u8>, u64),
    topic: String,
    data: Vec<u8>,
    (snapshot, reader): (&watch::Receiver<Arc<Snapshot>>, &Reader),
    network: &NetworkHandle,
    inbox: &Inbox,
) -> Result<(), Ended> {
    let Some((community, key)) = key_of(&snapshot.borrow(), &topic) else {
        // A topic that we have just left. Lost where it does not fit: nobody is waiting for us.
        let _ = network.try_order(Order::Judge { token, verdict: Verdict::Ignore });
        return Ok(());
    };
    let reader = reader.clone();
    let checked = off_thread(move || check_unless_kept(&data, &topic, (community, &key), &reader)).await;
    let Some(checked) = checked.unwrap_or(Some(Err(Unsound::WrongSigner))) else {
        // As the engine would, for a fifth of the work: gossip that the network has forgotten comes again.
        let _ = network.try_order(Order::Judge { token, verdict: Verdict::Ignore });
        return Ok(());
    };
    let gossip = checked.map(|gossip| (community, gossip));
    inbox.input(Input::Gossip { peer, token, gossip }).await
}

/// Checks what came on a topic, unless it is kept and stands already: then its signature is not looked at (F11). Where
/// the store cannot be read, it is checked.
#[must_use]
pub fn check_unless_kept(
    data: &[u8],
    topic: &str,
    (community, key): (CommunityId, &EpochKey),
    reader: &Reader,
) -> Option<Result<CheckedGossip, Unsound>> {
    let opened = match open_gossip(data, key, topic) {
        Ok(opened) => opened,
        Err(why) => return Some(Err(why)),
    };
    let is_kept = |(set, id)| matches!(Overlay::new(reader).holds(community, set, id), Ok(true));
    if opened.brings().is_some_and(is_kept) { None } else { Some(opened.check()) }
}

fn key_of(snapshot: &Snapshot, topic: &str) -> Option<(CommunityId, EpochKey)> {
    snapshot.communities.values().find_map(|standing| {
        let key = standing.listening_keys().into_iter().find(|key| key.topic() == topic)?;
        Some((standing.id(), key.clone()))
    })
}

/// Runs checks, from now on, where they do not hold up the network. None when they panicked: then what was
/// checked counts as unsound.
fn off_thread<T: Send + 'static>(check: impl FnOnce() -> T + Send + 'static) -> impl Future<Output = Option<T>> {
    let running = tokio::task::spawn_blocking(check);
    async { running.await.inspect_err(|why| tracing::error!(%why, "a check panicked")).ok() }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::{
        bytes::List,
        encoding::V1,
        engine::{Answer, Command, Effect, Engine, Identity},
        epoch::SealingKey,
        item::{Body, Draft, Post},
        key::SecretKey,
        person::Ladder,
        text::Text,
        time::Millis,
    };

    use super::*;
    use crate::store::{DiskSettings, disk, keep};

    /// What somebody tells others who founds a community and writes in it, with the community.
    fn found_and_write(overlay: &mut Overlay<'_>) -> (CommunityId, EpochKey, Vec<(String, Vec<u8>)>) {
        let (ladder, device, sealing) = (Ladder::new([9; 32]), SecretKey::new(&[1; 32]), SealingKey::new([2; 32]));
        let record = ladder.record(device.public(), sealing.public(), Millis(1));
        let name = Text::line("alice").unwrap();
        let me = Identity { key: Some(ladder.key(0)), device, sealing, record, name, peer: vec![1], restoring: false };
        let mut engine = Engine::load(me, &[3; 32], Millis(5), overlay).unwrap();
        let mut frames = Vec::new();
        let mut answered = |now, command| {
            let mut answer = None;
            for effect in engine.handle(Millis(now), Input::Command(1, command), overlay).unwrap() {
                match effect {
                    Effect::Keep(kept) => keep(overlay, kept).unwrap(),
                    Effect::Answer(_, Ok(given)) => answer = Some(given),
                    Effect::Publish { topic, data } => frames.push((topic, data)),
                    _ => {}
                }
            }
            answer.unwrap()
        };
        let name = Text::line("garden").unwrap();
        let found = Command::CreateCommunity { name, domain: Text::default(), parent: None };
        let Answer::Community(community) = answered(5, found) else { panic!("a community was founded") };
        let text = Text::written("soon kept").unwrap();
        let post = Body::Post(Post { version: V1, title: None, text, attachments: List::none() });
        answered(6, Command::Write { communities: vec![community], draft: Draft::new(post) });
        answered(7, Command::SetPolicy { community, key: 1, value: 1 });
        let key = engine.communities()[&community].listening_keys()[0].clone();
        (community, key, frames)
    }

    #[test]
    fn what_is_kept_is_not_checked_and_what_is_not_is() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, reader) = disk::open(folder.path(), DiskSettings::default()).unwrap();
        let mut overlay = Overlay::new(&reader);
        let (community, key, frames) = found_and_write(&mut overlay);
        let [.., (topic, post), (_, policy)] = &frames[..] else { panic!("both were told: {}", frames.len()) };
        let look = |data: &[u8]| check_unless_kept(data, topic, (community, &key), &reader);
        assert!(matches!(look(post), Some(Ok(CheckedGossip::Carry(_)))));
        assert!(matches!(look(policy), Some(Ok(CheckedGossip::Operation(_)))));
        let mut changed = post.clone();
        changed[40] ^= 1;
        assert!(matches!(look(&changed), Some(Err(_))));

        writer.commit(&overlay.into_batch()).unwrap();
        assert!(look(post).is_none() && look(policy).is_none());
        assert!(matches!(look(&changed), Some(Err(_))), "what the seal does not open is refused whatever is kept");
        // Known in another community, it is new here.
        let elsewhere = CommunityId::new([8; 32]);
        assert!(check_unless_kept(post, topic, (elsewhere, &key), &reader).is_some());
    }
}
