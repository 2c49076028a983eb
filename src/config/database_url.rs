//! Database URLs: `sqlite:PATH`, or `postgres://...`.

use std::path::PathBuf;

use crate::store::DatabaseUrl;

/// Why a text is no database URL. It never holds the text, which may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADatabaseUrl {
    /// Neither of the two databases.
    #[error("must be `sqlite:PATH` or `postgres://...`")]
    Scheme,
    /// SQLite in memory, or without a path: tasks would not outlive the process.
    #[error("must name a file, as in `sqlite:/var/lib/drydock/drydock.db`")]
    NoFile,
    /// `sqlite:PATH?key=value`.
    #[error("takes no parameters after a SQLite path")]
    Parameters,
}

/// The database that `text` names.
///
/// # Errors
///
/// Other databases, and SQLite without a file.
pub fn parse(text: &str) -> Result<DatabaseUrl, NotADatabaseUrl> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(DatabaseUrl::Postgres(text.to_owned()));
    }
    let path = text
        .strip_prefix("sqlite:")
        .ok_or(NotADatabaseUrl::Scheme)?;
    // `sqlite:///var/lib/x.db` is how other tools spell `sqlite:/var/lib/x.db`.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(":memory:") {
        return Err(NotADatabaseUrl::NoFile);
    }
    if path.contains('?') {
        return Err(NotADatabaseUrl::Parameters);
    }
    Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_known() {
        for (text, path) in [
            ("sqlite:drydock.db", "drydock.db"),
            ("sqlite:/var/lib/drydock.db", "/var/lib/drydock.db"),
            ("sqlite:///var/lib/drydock.db", "/var/lib/drydock.db"),
        ] {
            assert_eq!(parse(text), Ok(DatabaseUrl::Sqlite(path.into())), "{text}");
        }
        for url in ["postgres://u:p@db/drydock", "postgresql://db/drydock"] {
            assert_eq!(parse(url), Ok(DatabaseUrl::Postgres(url.to_owned())));
        }
    }

    #[test]
    fn others_are_refused() {
        for (text, why) in [
            ("mysql://db/drydock", NotADatabaseUrl::Scheme),
            ("drydock.db", NotADatabaseUrl::Scheme),
            ("sqlite:", NotADatabaseUrl::NoFile),
            ("sqlite::memory:", NotADatabaseUrl::NoFile),
            ("sqlite:x.db?mode=rwc", NotADatabaseUrl::Parameters),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }
}
