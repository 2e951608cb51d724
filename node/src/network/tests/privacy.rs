//! What identify tells a stranger who connects.
//!
//! Always true: nothing that tells one node, device or community from another.

use super::*;
use libp2p::identify;

// eve ── bob
#[tokio::test]
async fn identify_says_nothing_but_what_every_node_says() {
    let mut bob = Node::new(2, &[TCP]).await;
    bob.order(Order::Subscribe { topic: "t".to_owned() });
    let key = addresses::keypair([66; 32]).public();
    let asking = identify::Behaviour::new(identify::Config::new("/eve".to_owned(), key));
    let mut eve = eve(asking, &mut bob).await;
    let told = async {
        loop {
            if let SwarmEvent::Behaviour(identify::Event::Received { info, .. }) = eve.select_next_some().await {
                return info;
            }
        }
    };
    let info = timeout(PATIENCE, told).await.expect("told in time");
    assert_eq!(info.protocol_version, "/hearth/0");
    assert_eq!(info.agent_version, "hearth");
    assert!(info.listen_addrs.is_empty(), "{:?}", info.listen_addrs);
    assert!(info.signed_peer_record.is_none());
    let mut protocols: Vec<&str> = info.protocols.iter().map(AsRef::as_ref).collect();
    protocols.sort_unstable();
    let same_for_all = ["/hearth/0/exchange", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"];
    assert_eq!(protocols, same_for_all);
}
