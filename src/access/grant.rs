//! Grants: what was found of a credential, for as long as it stays true.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::identity::Identity;
use super::roster::{Credential, Found, Roster};
use crate::clock;
use crate::domain::Role;
use crate::seeded::{Bug, seeded};

/// Longest sleep towards the end of a credential: the clock of the machine may be set meanwhile.
const MAX_NAP: Duration = Duration::from_secs(60);

/// Who may call, as of now. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub enum Access {
    /// Nobody is asked, and everybody is anonymous.
    Open,
    /// Whoever stands in the roster.
    Listed(watch::Receiver<Arc<Roster>>),
}

/// A caller who was admitted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who.
    pub identity: Identity,
    source: Option<Source>,
}

/// What it was admitted by.
#[derive(Clone, Debug)]
struct Source {
    credential: Credential,
    roster: watch::Receiver<Arc<Roster>>,
}

impl Access {
    /// Admits the owner of a credential; none: it is nobody's.
    pub fn admit(&self, credential: Option<Credential>) -> Option<Grant> {
        match self {
            Self::Open => Some(Grant {
                identity: Identity::anonymous(),
                source: None,
            }),
            Self::Listed(roster) => {
                let credential = credential?;
                let found = roster.borrow().find(&credential, clock::now())?;
                Some(Grant {
                    identity: found.identity,
                    source: Some(Source {
                        credential,
                        roster: roster.clone(),
                    }),
                })
            }
        }
    }
}

impl Grant {
    /// Resolves once the credential is not good for `needed` any more: its line went or got a lesser role,
    /// or its time is over. Never for a caller who was not asked. Safe to drop.
    pub async fn withdrawn(self, needed: Role) {
        let Some(Source {
            credential,
            mut roster,
        }) = self.source
        else {
            return std::future::pending().await;
        };
        if seeded(Bug::KeptStream) {
            return std::future::pending().await;
        }
        loop {
            let now = clock::now();
            let found = roster.borrow_and_update().find(&credential, now);
            let Some(Found { identity, until }) = found else {
                return;
            };
            if !identity.role.includes(needed) {
                return;
            }
            let nap = until.map(|until| {
                // One that ends in this moment is looked at again in the next.
                let left = (until - now).to_std().unwrap_or_default();
                left.saturating_add(Duration::from_millis(1)).min(MAX_NAP)
            });
            let ends = async {
                match nap {
                    Some(nap) => tokio::time::sleep(nap).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = roster.changed() => {
                    if changed.is_err() {
                        // The service is stopping, and ends its streams itself.
                        return std::future::pending().await;
                    }
                }
                () = ends => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use futures::FutureExt as _;

    use super::*;
    use crate::access::Token;

    fn roster(text: &str) -> Arc<Roster> {
        Arc::new(Roster::parse(text).expect("a roster"))
    }

    #[tokio::test]
    async fn a_grant_ends_with_its_line_or_its_role() {
        let token = Token::parse("one").expect("a token");
        let line = |role: &str| format!("ci {role} {}", token.hash());
        let (sender, receiver) = watch::channel(roster(&line("operate")));
        let access = Access::Listed(receiver);
        assert!(access.admit(None).is_none());
        let admit = || access.admit(Some(Credential::Token(token.hash())));
        let grant = admit().expect("admitted");
        assert_eq!(grant.identity.role, Role::Operate);
        let mut reads = Box::pin(grant.clone().withdrawn(Role::Read));
        let mut operates = Box::pin(grant.withdrawn(Role::Operate));
        assert!((&mut reads).now_or_never().is_none());
        assert!((&mut operates).now_or_never().is_none());

        sender.send_replace(roster(&line("read")));
        operates.await;
        assert!((&mut reads).now_or_never().is_none());
        sender.send_replace(roster(&format!("{}\nother read cn:x", line("read"))));
        assert!(
            (&mut reads).now_or_never().is_none(),
            "others do not matter"
        );
        sender.send_replace(roster("other read cn:x"));
        reads.await;
        assert!(admit().is_none());
    }

    #[tokio::test]
    async fn a_grant_ends_with_its_time() {
        let token = Token::parse("one").expect("a token");
        let until = clock::now() + TimeDelta::milliseconds(300);
        let line = format!("ci read {} until={}", token.hash(), until.to_rfc3339());
        let (_sender, receiver) = watch::channel(roster(&line));
        let grant = Access::Listed(receiver).admit(Some(Credential::Token(token.hash())));
        grant.expect("admitted").withdrawn(Role::Read).await;
        assert!(clock::now() > until);
    }

    #[test]
    fn where_nobody_is_asked_everybody_is_anonymous() {
        let grant = Access::Open.admit(None).expect("admitted");
        assert_eq!(grant.identity, Identity::anonymous());
        assert!(grant.withdrawn(Role::Destroy).now_or_never().is_none());
    }
}
