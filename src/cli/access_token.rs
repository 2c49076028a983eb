//! `drydock token`: makes tokens for the roster of a server.

use std::process::ExitCode;
use std::time::Duration;

use chrono::SecondsFormat;
use clap::{Args, Subcommand};

use super::{Error, moment, output};
use crate::access::Token;
use crate::access::identity::is_name;
use crate::clock;
use crate::domain::Role;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token, and the line by which a server knows it
    New(New),
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// Who will show it: letters, digits and `._@+-`; tasks remember it as their creator
    #[arg(value_parser = name)]
    name: String,
    /// How much it allows: read, operate or destroy
    #[arg(long, value_parser = role)]
    role: Role,
    /// How long it is good for; without this until its line is removed
    #[arg(long, value_name = "DURATION", value_parser = moment::span)]
    lifetime: Option<Duration>,
}

impl Command {
    /// Prints the token on the first line and the line of the roster on the second. Neither is kept.
    pub(super) fn run(self) -> Result<ExitCode, Error> {
        let Self::New(new) = self;
        let token = Token::generate().map_err(Error::Token)?;
        let mut line = format!("{} {} {}", new.name, new.role, token.hash());
        if let Some(lifetime) = new.lifetime {
            let until = chrono::TimeDelta::from_std(lifetime)
                .ok()
                .and_then(|lifetime| clock::now().checked_add_signed(lifetime))
                .ok_or_else(|| Error::Usage("--lifetime is beyond the calendar".to_owned()))?;
            let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
            line.push_str(&format!(" until={until}"));
        }
        output::line(token.expose())?;
        output::line(&line)?;
        output::note(&format!(
            "The first line is the token: it is for {} alone and is not shown again.\n\
             The second belongs into the file that the server's `auth.roster` names.",
            new.name
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("give 1 to 128 letters, digits and ._@+-, and not `anonymous` or `drydock`".to_owned())
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "give read, operate or destroy".to_owned())
}
