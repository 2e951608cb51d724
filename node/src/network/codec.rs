//! How one request and one response lie on a stream: a length of four bytes, big-endian, then that
//! many bytes.
//!
//! Leaves to others: what the bytes mean.
//! Always true: a length of zero or over the limit is refused before anything is allocated for it, and
//! memory grows only with what has arrived, never with what was announced. A request of no bytes comes
//! out only in the place of one that was refused.

use std::io::{Error, ErrorKind, Result};

use libp2p::{
    StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    request_response::Codec,
};

use super::limits;

/// The name of the request protocol.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/hearth/0/exchange");

/// The codec of the request protocol, with its two limits in bytes. A request of no bytes stands for a frame that was
/// refused.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    /// Longest request.
    pub(super) request: usize,
    /// Longest response.
    pub(super) response: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { request: limits::REQUEST, response: limits::RESPONSE }
    }
}

/// Why a frame is not sent or not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameRefusal {
    /// A frame always says something.
    #[error("a frame of no bytes")]
    Empty,
    /// Longer than its kind may be.
    #[error("a frame of {bytes} bytes, over the limit of {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
}

/// Says whether a frame of `bytes` bytes may pass.
pub(super) fn check(bytes: usize, limit: usize) -> std::result::Result<(), FrameRefusal> {
    if bytes == 0 {
        return Err(FrameRefusal::Empty);
    }
    if bytes > limit {
        return Err(FrameRefusal::TooLong { bytes, limit });
    }
    Ok(())
}

async fn read<T>(io: &mut T, limit: usize) -> Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let announced = u32::from_be_bytes(length);
    let bytes = usize::try_from(announced).unwrap_or(usize::MAX);
    check(bytes, limit).map_err(|refusal| Error::new(ErrorKind::InvalidData, refusal))?;
    let mut frame = Vec::new();
    io.take(u64::from(announced)).read_to_end(&mut frame).await?;
    if frame.len() < bytes {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

async fn write<T>(io: &mut T, frame: &[u8], limit: usize) -> Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    check(frame.len(), limit).map_err(|refusal| Error::new(ErrorKind::InvalidInput, refusal))?;
    let length = u32::try_from(frame.len()).map_err(|_| Error::from(ErrorKind::InvalidInput))?.to_be_bytes();
    io.write_all(&length).await?;
    io.write_all(frame).await
}

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read(io, self.request).await {
            // libp2p tells nobody of a request that could not be read. The empty frame, which none can
            // be, stands for one that was refused.
            Err(error) if error.get_ref().is_some_and(|why| why.is::<FrameRefusal>()) => Ok(Vec::new()),
            read => read,
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.response).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, frame: Vec<u8>) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &frame, self.request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, frame: Vec<u8>) -> Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &frame, self.response).await
    }
}

#[cfg(test)]
mod tests {
    use libp2p::futures::io::Cursor;

    use super::*;

    async fn reads(announced: u32, sent: usize) -> Result<usize> {
        let mut bytes = announced.to_be_bytes().to_vec();
        bytes.resize(4 + sent, 7);
        read(&mut Cursor::new(bytes), limits::REQUEST).await.map(|frame| frame.len())
    }

    #[tokio::test]
    async fn a_request_up_to_the_limit_passes_and_one_byte_more_does_not() {
        let limit = u32::try_from(limits::REQUEST).expect("64 KiB fit");
        assert_eq!(reads(1, 1).await.expect("one byte"), 1);
        assert_eq!(reads(limit - 1, limits::REQUEST - 1).await.expect("below"), limits::REQUEST - 1);
        assert_eq!(reads(limit, limits::REQUEST).await.expect("at the limit"), limits::REQUEST);
        let over = reads(limit + 1, limits::REQUEST + 1).await;
        assert_eq!(over.expect_err("over").kind(), ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_length_is_refused_before_its_bytes_are_awaited() {
        for announced in [0, u32::MAX] {
            let refused = reads(announced, 0).await.expect_err("refused");
            assert_eq!(refused.kind(), ErrorKind::InvalidData, "{announced}");
        }
    }

    #[tokio::test]
    async fn a_refused_request_is_told_as_an_empty_one_and_one_that_ends_early_is_not_told() {
        for (bytes, told) in [
            (vec![0; 4], Some(0)),
            (vec![0xff; 4], Some(0)),
            (vec![0, 0, 0, 1, 7], Some(1)),
            (vec![0, 0, 0, 9, 7], None),
        ] {
            let read = Frames::default().read_request(&PROTOCOL, &mut Cursor::new(bytes)).await;
            assert_eq!(read.ok().map(|frame| frame.len()), told);
        }
    }

    #[tokio::test]
    async fn a_frame_that_ends_early_is_refused() {
        for sent in [0, 1, 99] {
            let refused = reads(100, sent).await.expect_err("cut short");
            assert_eq!(refused.kind(), ErrorKind::UnexpectedEof, "{sent}");
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_again_and_nothing_over_the_limit_is_written() {
        let mut wire = Cursor::new(Vec::new());
        let mut frames = Frames::default();
        let frame = vec![9; limits::RESPONSE];
        frames.write_response(&PROTOCOL, &mut wire, frame.clone()).await.expect("written");
        assert_eq!(wire.get_ref().len(), 4 + frame.len());
        wire.set_position(0);
        let read = frames.read_response(&PROTOCOL, &mut wire).await;
        assert_eq!(read.expect("read"), frame);

        for wrong in [Vec::new(), vec![9; limits::RESPONSE + 1]] {
            let mut wire = Cursor::new(Vec::new());
            let refused = frames.write_response(&PROTOCOL, &mut wire, wrong).await;
            assert_eq!(refused.expect_err("refused").kind(), ErrorKind::InvalidInput);
            assert!(wire.get_ref().is_empty());
        }
    }
}
