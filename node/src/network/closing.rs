//! The end of a connection over TCP, within a time.
//!
//! Closing waits until everything that was sent is taken, which over TCP to a peer that is gone lasts until the system
//! gives up, a quarter of an hour; so long it would count as connected, and would not be dialled.
//! Leaves to others: when a connection is closed (`task`). Always true: what has not ended by then is cut.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use tokio::time::{Sleep, sleep};

use super::limits;

/// A connection that ends when it is closed, or [`limits::CLOSING_TIME`] later.
pub(super) struct InTime<M> {
    connection: M,
    /// Since it is being closed.
    left: Option<Pin<Box<Sleep>>>,
}

impl<M> InTime<M> {
    pub(super) fn new(connection: M) -> Self {
        Self { connection, left: None }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for InTime<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.connection).poll_inbound(cx)
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.connection).poll_outbound(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.connection).poll(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(closed) = Pin::new(&mut self.connection).poll_close(cx) {
            return Poll::Ready(closed);
        }
        let left = self.left.get_or_insert_with(|| Box::pin(sleep(limits::CLOSING_TIME)));
        left.as_mut().poll(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io::Cursor, time::Instant};

    use hearth_protocol::testing::lasted;
    use libp2p::{core::muxing::StreamMuxerExt, futures::future::poll_fn, futures::io::AllowStdIo};

    use super::*;

    /// A connection with nobody at its other end.
    struct Stuck;

    impl StreamMuxer for Stuck {
        type Substream = AllowStdIo<Cursor<Vec<u8>>>;
        type Error = Infallible;

        fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Infallible>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_connection_that_does_not_end_is_cut_in_time() {
        let mut connection = InTime::new(Stuck);
        let begun = Instant::now();
        let closed = poll_fn(|cx| connection.poll_close_unpin(cx));
        tokio::time::timeout(limits::CLOSING_TIME * 5, closed).await.expect("it ends").expect("as if closed");
        lasted(limits::CLOSING_TIME, begun.elapsed());
    }
}
