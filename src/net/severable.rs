//! IO that the server can end from its own side.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future::Future, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A caller that takes nothing for so long will never read its answer. HTTP/2 finds
/// that out by its pings, HTTP/1 has none.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// A connection that fails once its token is cancelled, or its peer takes no byte of
/// what is written for too long.
pub(crate) struct Severable<T> {
    io: T,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Runs while a write waits for the peer.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T> Severable<T> {
    pub(crate) fn new(io: T, cut: &CancellationToken) -> Self {
        let cut = Box::pin(cut.clone().cancelled_owned());
        Self {
            io,
            cut,
            stall: None,
        }
    }

    /// Also arranges for the task to be woken when the connection is cut.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// What a write came to, or an error if it has come to nothing for too long.
    fn in_time(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_STALL)));
        stall
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Severable<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Severable<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.in_time(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_cut_wakes_a_reader_that_would_wait_for_ever() {
        let (mut client, server) = tokio::io::duplex(64);
        let cut = CancellationToken::new();
        let mut server = Severable::new(server, &cut);
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        let reading = tokio::spawn(async move { server.read_u8().await });
        tokio::task::yield_now().await;
        cut.cancel();
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (mut client, server) = tokio::io::duplex(8);
        let mut server = Severable::new(server, &CancellationToken::new());
        let writing = tokio::spawn(async move { server.write_all(&[0; 40]).await });
        for _ in 0..3 {
            tokio::time::sleep(WRITE_STALL * 9 / 10).await;
            client.read_exact(&mut [0; 8]).await.unwrap();
        }
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
