//! Tells the network whom to keep places for: members, as far as they are known.
//!
//! Leaves to others: what a kept place is worth (the network), who is a member (the engine).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use crate::{
    handle::Snapshot,
    network::{self, NetworkHandle, Order},
};

/// Time between two looks: a snapshot comes with each batch, and members with few of them.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is known, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places {
    proven: BTreeSet<Vec<u8>>,
    known: BTreeSet<Vec<u8>>,
    addresses: BTreeSet<Vec<u8>>,
}

/// Keeps the network told until it or the driver ends.
pub(crate) async fn reserve(mut snapshot: watch::Receiver<Arc<Snapshot>>, network: NetworkHandle) {
    let mut told = Places::default();
    loop {
        let latest = snapshot.borrow_and_update().clone();
        let places = places(&latest);
        if places != told {
            if network.order(order(&places)).await.is_err() {
                return;
            }
            told = places;
        }
        if snapshot.changed().await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

fn places(snapshot: &Snapshot) -> Places {
    let mut places = Places::default();
    let proven = snapshot.peers.iter().filter(|(_, proven_in)| !proven_in.is_empty());
    places.proven.extend(proven.map(|(peer, _)| peer.clone()));
    for list in snapshot.communities.values().flat_map(|standing| standing.address_book()) {
        places.known.insert(list.peer.as_slice().to_vec());
        places.addresses.extend(list.addresses.iter().map(|address| address.as_slice().to_vec()));
    }
    places
}

fn order(places: &Places) -> Order {
    let text = |address: &Vec<u8>| network::address_from_bytes(address).ok();
    Order::Reserve {
        proven: places.proven.iter().cloned().collect(),
        known: places.known.iter().cloned().collect(),
        addresses: places.addresses.iter().filter_map(text).collect(),
    }
}
