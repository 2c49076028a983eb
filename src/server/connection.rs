//! One client's connection, which can be cut from outside.
//!
//! HTTP/2 has no way for a handler to close the connection under its call, and a peer that has stopped
//! reading keeps what was sent to it in memory until it is closed. So each connection carries a switch,
//! and the extensions of each of its requests hold the other end of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use crate::api::CloseConnection;

/// A connection with a switch.
pub(super) struct Connection {
    stream: TcpStream,
    cut: CancellationToken,
    /// Wakes the reader when the switch is thrown. HTTP/2 always waits for frames to read, so that this is
    /// enough to end a connection on which nothing moves.
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    /// `stream`, until `cut` is cancelled.
    pub(super) fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        Self {
            stream,
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
    type ConnectInfo = CloseConnection;

    fn connect_info(&self) -> Self::ConnectInfo {
        let cut = self.cut.clone();
        CloseConnection(Arc::new(move || cut.cancel()))
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
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
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
        let (stream, _) = listener.accept().await?;
        let mut connection = Connection::new(stream, CancellationToken::new());
        let CloseConnection(close) = connection.connect_info();

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
