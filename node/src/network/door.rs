//! The gate's end of one connection: gossipsub's own handler, behind a door that is closed at first.
//!
//! Leaves to others: when a door opens (`gate`), and gossip itself (gossipsub's handler).
//! Always true: a closed door speaks no gossip protocol, like a node that has none; until gossipsub's
//! handler is here nothing is sent, and of what is heard at most one stream is held, unread; a stream
//! that the peer refuses is asked for again, a bounded number of times.

use std::{
    convert::Infallible,
    iter, option,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Stream,
    core::upgrade::{InboundUpgrade, UpgradeInfo},
    futures::{future::Either, task::AtomicWaker},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol, THandler,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, ListenUpgradeError},
    },
};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::{Sleep, sleep},
};

use super::{behaviour::Gossip, limits};

/// Gossipsub's handler of one connection.
type Handler = THandler<Gossip>;

/// The gossip protocol, as gossipsub's handlers speak it. Gossipsub does not export its name.
pub(super) type Protocol = <Handler as ConnectionHandler>::OutboundProtocol;

/// A gossip stream that the peer has opened.
type Inbound = <Protocol as InboundUpgrade<Stream>>::Output;

/// What gossipsub's handler listens for. `None` once it has given its peer up.
pub(super) fn protocol_of(handler: &Handler) -> Option<Protocol> {
    handler.listen_protocol().upgrade().as_ref().left().cloned()
}

/// Opens a [`Door`] from outside.
pub(super) struct Latch {
    shared: Arc<Shared>,
    /// Brings gossipsub's handler to the door, once.
    handler: Option<oneshot::Sender<Box<Handler>>>,
}

impl Latch {
    /// From now on the gossip streams of the peer are accepted.
    ///
    /// The door looks at this flag whenever a stream comes in. What the node sends after this call is
    /// therefore answered by a door that hears: no queue lies between.
    pub(super) fn hear(&self) {
        self.shared.hears.store(true, Ordering::Release);
        self.wake();
    }

    /// Has the door look whether there is something to send.
    ///
    /// Gossipsub wakes only those of a peer's connections that have a stream for it already.
    pub(super) fn wake(&self) {
        self.shared.door.wake();
    }

    /// Lets gossipsub in. An open door hears as well.
    pub(super) fn open(&mut self, handler: Handler) {
        self.hear();
        if let Some(door) = self.handler.take() {
            // An error means that the connection has just ended.
            let _ = door.send(Box::new(handler));
        }
    }

    /// Whether gossipsub was let in.
    pub(super) fn is_open(&self) -> bool {
        self.handler.is_none()
    }
}

/// What latch and door have in common.
#[derive(Default)]
struct Shared {
    hears: AtomicBool,
    door: AtomicWaker,
}

/// The handler of a connection.
pub(super) struct Door {
    protocol: Protocol,
    shared: Arc<Shared>,
    /// Where gossipsub's handler comes from, until it is here.
    awaited: Option<oneshot::Receiver<Box<Handler>>>,
    handler: Option<Box<Handler>>,
    /// The last stream that came before the handler. Gossipsub, too, keeps only the last one.
    held: Option<Inbound>,
    refusals: Refusals,
}

impl Door {
    /// A closed door, and the latch that opens it.
    pub(super) fn new(protocol: Protocol) -> (Latch, Self) {
        let shared = Arc::new(Shared::default());
        let (sent, awaited) = oneshot::channel();
        let latch = Latch { shared: shared.clone(), handler: Some(sent) };
        let refusals = Refusals::default();
        (latch, Self { protocol, shared, awaited: Some(awaited), handler: None, held: None, refusals })
    }

    /// Lets in gossipsub's handler.
    ///
    /// It has missed what happened on the connection so far. It would have looked at streams alone,
    /// and a stream is held for it.
    fn let_in(&mut self, handler: Box<Handler>) {
        self.awaited = None;
        self.handler = Some(handler);
        if let Some(stream) = self.held.take() {
            self.on_inbound(stream);
        }
    }

    fn on_inbound(&mut self, stream: Inbound) {
        self.refusals.peer_speaks();
        match &mut self.handler {
            Some(handler) => {
                let event = FullyNegotiatedInbound { protocol: Either::Left(stream), info: () };
                handler.on_connection_event(ConnectionEvent::FullyNegotiatedInbound(event));
            }
            None => self.held = Some(stream),
        }
    }
}

impl ConnectionHandler for Door {
    type FromBehaviour = <Handler as ConnectionHandler>::FromBehaviour;
    type ToBehaviour = <Handler as ConnectionHandler>::ToBehaviour;
    type InboundProtocol = Ajar;
    type OutboundProtocol = Protocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Ajar> {
        let protocol = match &self.handler {
            Some(handler) => protocol_of(handler),
            None => self.shared.hears.load(Ordering::Acquire).then(|| self.protocol.clone()),
        };
        SubstreamProtocol::new(Ajar(protocol), ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.handler.as_ref().is_some_and(|handler| handler.connection_keep_alive())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Protocol, (), Self::ToBehaviour>> {
        self.shared.door.register(cx.waker());
        if let Some(awaited) = &mut self.awaited {
            match Pin::new(awaited).poll(cx) {
                Poll::Ready(Ok(handler)) => self.let_in(handler),
                // The gate has forgotten the connection, which is about to end.
                Poll::Ready(Err(_)) => self.awaited = None,
                Poll::Pending => {}
            }
        }
        let Some(handler) = &mut self.handler else {
            return Poll::Pending;
        };
        if self.refusals.poll_again(cx).is_ready() {
            // Gossipsub still waits for the stream that it asked for.
            let protocol = SubstreamProtocol::new(self.protocol.clone(), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        handler.poll(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        match &mut self.handler {
            Some(handler) => handler.poll_close(cx),
            None => Poll::Ready(None),
        }
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        // The handler may have been sent just before this event, and not be here yet.
        match self.awaited.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Ok(handler)) => self.let_in(handler),
            Some(Err(TryRecvError::Closed)) => self.awaited = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        if let Some(handler) = &mut self.handler {
            handler.on_behaviour_event(event);
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Ajar, Protocol>) {
        let for_gossipsub = match event {
            ConnectionEvent::FullyNegotiatedInbound(stream) => return self.on_inbound(stream.protocol),
            // Gossipsub would give the peer up for as long as the connection lasts, both ways.
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                error: StreamUpgradeError::NegotiationFailed,
                ..
            }) => return self.refusals.refused(),
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { error, .. }) => match error {},
            ConnectionEvent::FullyNegotiatedOutbound(event) => ConnectionEvent::FullyNegotiatedOutbound(event),
            ConnectionEvent::DialUpgradeError(event) => ConnectionEvent::DialUpgradeError(event),
            ConnectionEvent::AddressChange(event) => ConnectionEvent::AddressChange(event),
            ConnectionEvent::LocalProtocolsChange(event) => ConnectionEvent::LocalProtocolsChange(event),
            ConnectionEvent::RemoteProtocolsChange(event) => ConnectionEvent::RemoteProtocolsChange(event),
            _ => return,
        };
        if let Some(handler) = &mut self.handler {
            handler.on_connection_event(for_gossipsub);
        }
    }
}

/// What a door listens for: the gossip protocol, or nothing at all.
pub(super) struct Ajar(Option<Protocol>);

impl UpgradeInfo for Ajar {
    type Info = <Protocol as UpgradeInfo>::Info;
    type InfoIter = iter::Flatten<option::IntoIter<<Protocol as UpgradeInfo>::InfoIter>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.as_ref().map(UpgradeInfo::protocol_info).into_iter().flatten()
    }
}

impl InboundUpgrade<Stream> for Ajar {
    type Output = Inbound;
    type Error = Infallible;
    type Future = <Protocol as InboundUpgrade<Stream>>::Future;

    fn upgrade_inbound(self, stream: Stream, agreed: Self::Info) -> Self::Future {
        let protocol = self.0.expect("without a protocol there is no name to agree on");
        protocol.upgrade_inbound(stream, agreed)
    }
}

/// Refusals of our gossip stream by a peer that does not hear yet, and when to ask again.
///
/// A few times by the clock, for a peer that is about to hear. After that once the peer opens a stream
/// of its own: who speaks hears too. A peer gets gossipsub to listen to four streams on a connection,
/// so that this is bounded as well.
#[derive(Default)]
struct Refusals {
    /// How often in a row.
    count: usize,
    again: Again,
}

/// When to ask for a stream again.
#[derive(Default)]
enum Again {
    /// There is nothing to ask for, or it was asked for.
    #[default]
    Never,
    /// After a pause.
    After(Pin<Box<Sleep>>),
    /// As soon as the peer speaks.
    OnceItSpeaks,
}

impl Refusals {
    fn refused(&mut self) {
        self.again = match limits::GOSSIP_PAUSES.get(self.count) {
            Some(pause) => Again::After(Box::pin(sleep(*pause))),
            None => Again::OnceItSpeaks,
        };
        self.count += 1;
    }

    fn peer_speaks(&mut self) {
        self.count = 0;
        if !matches!(self.again, Again::Never) {
            self.again = Again::After(Box::pin(sleep(Duration::ZERO)));
        }
    }

    /// Ready, once, when it is time to ask again.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Again::After(pause) = &mut self.again else {
            return Poll::Pending;
        };
        let time = pause.as_mut().poll(cx);
        if time.is_ready() {
            self.again = Again::Never;
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use libp2p::{
        Multiaddr, PeerId,
        swarm::{ConnectionId, NetworkBehaviour},
    };
    use tokio::time::timeout;

    use super::*;
    use crate::network::behaviour::gossip;

    fn handler(gossip: &mut Gossip) -> Handler {
        let nowhere = Multiaddr::empty();
        let (id, peer) = (ConnectionId::new_unchecked(1), PeerId::random());
        gossip.handle_established_inbound_connection(id, peer, &nowhere, &nowhere).expect("not denied")
    }

    /// Longer than any pause.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn asks(door: &mut Door) {
        let event = timeout(PATIENCE, poll_fn(|cx| door.poll(cx))).await.expect("asked in time");
        assert!(matches!(event, ConnectionHandlerEvent::OutboundSubstreamRequest { .. }), "{event:?}");
    }

    fn waits(door: &mut Door) -> bool {
        door.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    fn refuse(door: &mut Door) {
        let error = StreamUpgradeError::NegotiationFailed;
        door.on_connection_event(ConnectionEvent::DialUpgradeError(DialUpgradeError { info: (), error }));
    }

    #[tokio::test]
    async fn a_door_without_a_handler_does_nothing() {
        let mut gossip = gossip();
        let handler = handler(&mut gossip);
        let (mut latch, mut door) = Door::new(protocol_of(&handler).expect("listens"));
        let listens = |door: &Door| door.listen_protocol().upgrade().protocol_info().count() > 0;
        assert!(waits(&mut door) && !listens(&door) && !door.connection_keep_alive());
        latch.hear();
        assert!(waits(&mut door) && listens(&door) && !latch.is_open());
        latch.open(handler);
        asks(&mut door).await;
        assert!(waits(&mut door) && listens(&door) && latch.is_open());
    }

    #[tokio::test]
    async fn a_door_whose_latch_is_gone_stays_closed() {
        let protocol = protocol_of(&handler(&mut gossip())).expect("listens");
        let (latch, mut door) = Door::new(protocol);
        drop(latch);
        assert!(waits(&mut door));
        assert!(waits(&mut door));
    }

    #[tokio::test]
    async fn a_refused_stream_is_asked_for_again_a_few_times_and_then_once_the_peer_speaks() {
        let mut gossip = gossip();
        let handler = handler(&mut gossip);
        let (mut latch, mut door) = Door::new(protocol_of(&handler).expect("listens"));
        latch.open(handler);
        asks(&mut door).await;
        for _ in 0..2 {
            refuse(&mut door);
            assert!(waits(&mut door));
            asks(&mut door).await;
            assert!(waits(&mut door));
        }
        for _ in 2..=limits::GOSSIP_PAUSES.len() {
            refuse(&mut door);
        }
        let longest = limits::GOSSIP_PAUSES[limits::GOSSIP_PAUSES.len() - 1];
        timeout(longest, asks(&mut door)).await.expect_err("it has given up");
        door.refusals.peer_speaks();
        asks(&mut door).await;
        refuse(&mut door);
        asks(&mut door).await;
    }
}
