//! This program as it was called, so that the commands it proposes work when they are pasted.

use std::path::Path;

use super::connection::DEFAULT_URL;

/// How this program is called, and for which server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    name: String,
    server: String,
    /// Further flags, each with its value.
    flags: Vec<(&'static str, String)>,
}

impl Program {
    /// This program, for the server at `url`.
    pub(super) fn for_server(url: &str) -> Self {
        let name = std::env::args().next();
        Self {
            name: name.unwrap_or_else(|| "drydock".to_owned()),
            server: url.to_owned(),
            flags: Vec::new(),
        }
    }

    /// The same, called with these flags, whose values are paths.
    pub(super) fn with_flags(mut self, flags: &[(&'static str, &Path)]) -> Self {
        let flags = flags.iter();
        self.flags
            .extend(flags.map(|(flag, path)| (*flag, path.display().to_string())));
        self
    }

    /// This program, for whichever server it takes by itself.
    pub(super) fn local() -> Self {
        Self::for_server(DEFAULT_URL)
    }

    /// The whole command that does `what`.
    pub(super) fn call(&self, what: &str) -> String {
        let name = word(&self.name);
        let mut call = format!("{name} {what}");
        if self.server != DEFAULT_URL {
            call.push_str(&format!(" --server {}", word(&self.server)));
        }
        for (flag, value) in &self.flags {
            call.push_str(&format!(" {flag} {}", word(value)));
        }
        call
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
            flags: Vec::new(),
        };
        assert_eq!(
            program(DEFAULT_URL).call("task list"),
            "target/debug/drydock task list"
        );
        assert_eq!(
            program("http://[::1]:7").call("task list"),
            "target/debug/drydock task list --server 'http://[::1]:7'"
        );
        let path = Path::new("/run/a token");
        assert_eq!(
            program(DEFAULT_URL)
                .with_flags(&[("--token-file", path)])
                .call("task list"),
            "target/debug/drydock task list --token-file '/run/a token'"
        );
        assert_eq!(word("it's here"), r"'it'\''s here'");
    }
}
