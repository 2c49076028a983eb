//! A design as it is kept: its documents without credentials, compressed, and their digest.
//!
//! A task freezes the digest when it starts, and whoever takes the task over rebuilds the same
//! inventory from the stored bytes, whatever has become of the reference. The digest is over the
//! bytes before compression, so that it does not depend on a compressor's version.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::document::{Document, Kind, Origin};
use super::source::MAX_DESIGN_BYTES;

/// The most bytes a design may have in stored form before compression: JSON spells control
/// characters and quotes in up to six bytes, and aliases are expanded.
const MAX_STORED_BYTES: u64 = 4 * MAX_DESIGN_BYTES;

/// The version of the stored form. Read before anything else of it.
const FORMAT: u32 = 1;

/// The SHA-256 of a design's stored form before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(
    /// The 32 bytes as the store keeps them.
    pub [u8; 32],
);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct DigestError;

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_no_hex| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// Why stored bytes are no design.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The bytes do not decompress, or to too much.
    #[error("the stored design does not decompress")]
    Compression(#[source] io::Error),
    /// The decompressed bytes are no stored design, or of a newer format.
    #[error("the stored design is not of format {FORMAT}")]
    Format(#[source] Option<serde_json::Error>),
    /// It gives no inventory, which it did when it was stored.
    #[error("the stored design gives no inventory: {0}")]
    Inventory(String),
}

#[derive(Serialize, Deserialize)]
struct StoredDesign<D> {
    format: u32,
    documents: D,
}

#[derive(Serialize)]
struct Written<'d> {
    kind: &'static str,
    name: &'d str,
    file: &'d str,
    line: u32,
    body: &'d Map<String, Value>,
}

#[derive(Deserialize)]
struct Read1 {
    kind: String,
    name: String,
    file: String,
    line: u32,
    body: Map<String, Value>,
}

/// Encodes documents: the digest, and the compressed bytes.
///
/// # Errors
///
/// `FileTooLarge` when they come to more than [`MAX_STORED_BYTES`].
pub(super) fn encode(documents: &[Document<'_>]) -> io::Result<(Digest, Vec<u8>)> {
    let written: Vec<Written<'_>> = documents
        .iter()
        .map(|document| Written {
            kind: document.kind.as_str(),
            name: &document.name,
            file: &document.origin.file,
            line: document.origin.line,
            body: &document.body,
        })
        .collect();
    // The fastest level: designs are repetitive text, and better ones gain little over it.
    let compressed = GzEncoder::new(Vec::new(), Compression::fast());
    let mut sink = Sink {
        hash: Sha256::new(),
        compressed,
        left: MAX_STORED_BYTES,
        full: Vec::new(),
    };
    serde_json::to_writer(
        &mut sink,
        &StoredDesign {
            format: FORMAT,
            documents: written,
        },
    )?;
    sink.finish()
}

/// Decodes what [`encode`] made; the documents have no text to find fields in.
///
/// # Errors
///
/// The bytes are damaged, too many, or of another format.
pub(super) fn decode(stored: &[u8]) -> Result<(Digest, Vec<Document<'static>>), StoredError> {
    let mut bytes = Vec::new();
    let limited = GzDecoder::new(stored)
        .take(MAX_STORED_BYTES + 1)
        .read_to_end(&mut bytes);
    limited.map_err(StoredError::Compression)?;
    if bytes.len() as u64 > MAX_STORED_BYTES {
        return Err(StoredError::Compression(too_large()));
    }
    let digest = Digest(Sha256::digest(&bytes).into());

    let design: StoredDesign<Vec<Read1>> =
        serde_json::from_slice(&bytes).map_err(|error| StoredError::Format(Some(error)))?;
    if design.format != FORMAT {
        return Err(StoredError::Format(None));
    }
    let documents = design.documents.into_iter().map(|read| {
        let kind = Kind::parse(&read.kind).ok_or(StoredError::Format(None))?;
        let origin = Origin {
            file: Arc::from(read.file),
            line: read.line,
            first_line: read.line,
            text: "",
            body_field: "data",
        };
        Ok(Document {
            kind,
            name: read.name,
            body: read.body,
            values: 0,
            credentials: Vec::new(),
            origin,
        })
    });
    Ok((digest, documents.collect::<Result<_, StoredError>>()?))
}

/// Hashes and compresses what is written, up to a limit. Small writes are gathered first: a
/// serializer writes a few bytes at a time, and both sinks prefer pages.
struct Sink {
    hash: Sha256,
    compressed: GzEncoder<Vec<u8>>,
    left: u64,
    full: Vec<u8>,
}

impl Sink {
    const PAGE: usize = 64 * 1024;

    fn drain(&mut self) -> io::Result<()> {
        self.hash.update(&self.full);
        self.compressed.write_all(&self.full)?;
        self.full.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(Digest, Vec<u8>)> {
        self.drain()?;
        Ok((
            Digest(self.hash.finalize().into()),
            self.compressed.finish()?,
        ))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(too_large)?;
        self.full.extend_from_slice(bytes);
        if self.full.len() >= Self::PAGE {
            self.drain()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_large() -> io::Error {
    let message = format!("a design comes to more than {MAX_STORED_BYTES} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}

#[cfg(test)]
#[path = "tests/stored.rs"]
mod tests;
