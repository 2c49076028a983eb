//! One client's connection, encrypted or not, which can be cut from outside.
//!
//! HTTP/2 has no way for a handler to close the connection under its call, and a peer that has stopped
//! reading keeps what was sent to it in memory until it is closed. So each connection carries a switch,
//! and the extensions of each of its requests hold the other end of it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::access::Certificate;
use crate::api::Peer;

/// A connection with a switch.
pub(super) struct Connection {
    stream: Stream,
    address: SocketAddr,
    certificate: Option<Arc<Certificate>>,
    cut: CancellationToken,
    /// Wakes the reader when the switch is thrown. HTTP/2 always waits for frames to read, so that this is
    /// enough to end a connection on which nothing moves.
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What the bytes go through. One with TLS is large, and there are many of both.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// A connection in plaintext, until `cut` is cancelled.
    pub(super) fn plain(stream: TcpStream, address: SocketAddr, cut: CancellationToken) -> Self {
        Self::new(Stream::Plain(stream), address, None, cut)
    }

    /// An encrypted connection, until `cut` is cancelled; `certificate` is what its handshake has verified.
    pub(super) fn encrypted(
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        certificate: Option<Arc<Certificate>>,
        cut: CancellationToken,
    ) -> Self {
        Self::new(Stream::Tls(Box::new(stream)), address, certificate, cut)
    }

    fn new(
        stream: Stream,
        address: SocketAddr,
        certificate: Option<Arc<Certificate>>,
        cut: CancellationToken,
    ) -> Self {
        Self {
            stream,
            address,
            certificate,
            cutting: Box::pin(cut.clone().cancelled_owned()),
            cut,
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.cut.is_cancelled() {
            Err(was_cut())
        } else {
            Ok(())
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Self::ConnectInfo {
        let cut = self.cut.clone();
        Peer {
            address: self.address,
            certificate: self.certificate.clone(),
            close: Arc::new(move || cut.cancel()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A future that was ready must not be polled again, so the token is asked first.
        if self.cut.is_cancelled() || self.cutting.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(was_cut()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn was_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_cut_wakes_a_reader_to_whom_nothing_comes() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut peer = TcpStream::connect(listener.local_addr()?).await?;
        let (stream, address) = listener.accept().await?;
        let mut connection = Connection::plain(stream, address, CancellationToken::new());
        let Peer { close, .. } = connection.connect_info();

        let reading = tokio::spawn(async move {
            let mut buffer = [0; 1];
            connection.read_exact(&mut buffer).await?;
            let cut = connection.read(&mut buffer).await;
            Ok::<_, io::Error>((cut, connection.write(b"x").await))
        });
        peer.write_all(b"x").await?;
        tokio::task::yield_now().await;
        close();
        let (read, write) = reading.await??;
        assert_eq!(
            read.map_err(|error| error.kind()),
            Err(io::ErrorKind::ConnectionAborted)
        );
        assert!(write.is_err());
        assert_eq!(peer.read(&mut [0; 1]).await?, 0);
        Ok(())
    }
}
