//! Notices a server that speaks TLS where plain text is expected.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Failed;

/// How an alert of TLS begins. HTTP/2 begins with the length of its settings, and that
/// byte of it is 0.
const ALERT: u8 = 0x15;

/// Whether the server speaks TLS, once it has said something.
pub(crate) type Spoken = watch::Sender<Option<bool>>;

/// A connection whose first byte is looked at. What it says is told beside the
/// connection too: a call that ends with it hears only that it ended.
pub(crate) struct Sniffed {
    tcp: TcpStream,
    /// Until the first byte came.
    tell: Option<Spoken>,
}

impl Sniffed {
    pub(super) fn new(tcp: TcpStream, tell: Spoken) -> Self {
        Self {
            tcp,
            tell: Some(tell),
        }
    }
}

impl AsyncRead for Sniffed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if let Some(first) = buf.filled().get(before)
            && let Some(tell) = self.tell.take()
        {
            let is_tls = *first == ALERT;
            tell.send_replace(Some(is_tls));
            if is_tls {
                return Poll::Ready(Err(io::Error::other(Failed::SpeaksTls)));
            }
        }
        read
    }
}

impl AsyncWrite for Sniffed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
