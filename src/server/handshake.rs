//! The handshake of a connection: encryption, and who is at the other end if they say so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::connection::Connection;
use crate::access::Certificate;

/// How long a handshake may take: a few round trips of the slowest network that anybody works over.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The first byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// The first byte of a client that speaks HTTP/2 in plaintext; that of HTTP/1 is another letter, or `P`
/// as well.
const HTTP2_PREFACE: &[u8] = b"PRI ";

/// What a client in plaintext is told, in HTTP/1.
const HTTP1_ANSWER: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 43\r\n\r\nThis port speaks TLS only: use https here.\n";

/// What a client in plaintext is told, in HTTP/2: empty SETTINGS, and GOAWAY with INADEQUATE_SECURITY (12)
/// and the same words, which clients show with the error.
const HTTP2_ANSWER: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
    \0\0\x32\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cThis port speaks TLS only: use https here.";

/// Shakes hands. None: it came to nothing, which is the peer's affair.
pub(super) async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    cut: CancellationToken,
) -> Option<Connection> {
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, shake(acceptor, stream)) => shaken,
        () = cut.cancelled() => return None,
    };
    let (stream, certificate) = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => {
            debug!(peer = %address, error = %error, "handshake failed");
            return None;
        }
        Err(_) => {
            debug!(peer = %address, "handshake took too long");
            return None;
        }
    };
    Some(Connection::encrypted(stream, address, certificate, cut))
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("the connection or its handshake broke: {0}")]
    Broken(#[from] std::io::Error),
    #[error("the client does not speak TLS")]
    Plaintext,
    #[error("the client certificate cannot be read: {0}")]
    Certificate(#[from] crate::access::certificate::CertificateError),
}

type Shaken = (
    tokio_rustls::server::TlsStream<TcpStream>,
    Option<Arc<Certificate>>,
);

async fn shake(acceptor: TlsAcceptor, mut stream: TcpStream) -> Result<Shaken, HandshakeError> {
    let mut first = [0; HTTP2_PREFACE.len()];
    let count = stream.peek(&mut first).await?;
    if first[..count].first().is_some_and(u8::is_ascii_alphabetic) {
        let answer = if &first[..count] == HTTP2_PREFACE {
            HTTP2_ANSWER
        } else {
            HTTP1_ANSWER
        };
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        drain(&mut stream).await?;
        return Err(HandshakeError::Plaintext);
    }
    if first[..count]
        .first()
        .is_some_and(|byte| *byte != TLS_HANDSHAKE)
    {
        return Err(HandshakeError::Plaintext);
    }
    let stream = acceptor.accept(stream).await?;
    let shown = stream.get_ref().1.peer_certificates();
    let certificate = shown
        .and_then(|chain| chain.first())
        .map(|certificate| Certificate::read(certificate))
        .transpose()?
        .map(Arc::new);
    Ok((stream, certificate))
}

/// Reads what the client still sends, for a while: a connection that is closed with bytes unread is reset,
/// and then the client may never see the answer.
async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    use tokio::io::AsyncReadExt as _;
    /// More than a client sends before it reads.
    const MOST: usize = 64 * 1024;
    const BUFFER: usize = 4 * 1024;
    let mut buffer = [0; BUFFER];
    let mut total = 0;
    while total < MOST {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => total += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"This port speaks TLS only: use https here.";

    #[test]
    fn the_answers_are_as_long_as_they_say() {
        let body = HTTP1_ANSWER
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .map(|end| &HTTP1_ANSWER[end + 4..]);
        assert_eq!(body.map(<[u8]>::len), Some(43));
        // After the frame of settings: a length of 24 bits, and a head that is not part of it.
        let goaway = &HTTP2_ANSWER[9..];
        assert_eq!(usize::from(goaway[2]), goaway.len() - 9);
        assert_eq!(goaway[2], 8 + u8::try_from(TEXT.len()).unwrap());
        assert!(goaway.ends_with(TEXT));
    }
}
