//! This program as it was called, so that the commands it proposes work when they are pasted.

use super::connection::DEFAULT_URL;

/// How this program is called, and for which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    name: String,
    server: String,
}

impl Program {
    /// This program, for the server at `url`.
    pub(super) fn for_server(url: &str) -> Self {
        let name = std::env::args().next();
        Self {
            name: name.unwrap_or_else(|| "drydock".to_owned()),
            server: url.to_owned(),
        }
    }

    /// This program, for whichever server it takes by itself.
    pub(super) fn local() -> Self {
        Self::for_server(DEFAULT_URL)
    }

    /// The whole command that does `what`.
    pub(super) fn call(&self, what: &str) -> String {
        let name = word(&self.name);
        if self.server == DEFAULT_URL {
            format!("{name} {what}")
        } else {
            format!("{name} {what} --server {}", word(&self.server))
        }
    }
}

/// `text` as one word of a shell.
fn word(text: &str) -> String {
    let is_safe = |c: char| c.is_alphanumeric() || "/._-:@%+=".contains(c);
    if !text.is_empty() && text.chars().all(is_safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_its_server_where_it_is_not_the_usual_one() {
        let program = |server: &str| Program {
            name: "target/debug/drydock".to_owned(),
            server: server.to_owned(),
        };
        assert_eq!(
            program(DEFAULT_URL).call("task list"),
            "target/debug/drydock task list"
        );
        assert_eq!(
            program("http://[::1]:7").call("task list"),
            "target/debug/drydock task list --server 'http://[::1]:7'"
        );
        assert_eq!(word("it's here"), r"'it'\''s here'");
    }
}
