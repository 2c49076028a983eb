//! The connection to a plug-in: made when it is needed, described before it is used, and made anew,
//! with pauses, when it is lost.
//!
//! A connection is one connection: once it has broken, nothing goes over it any more, so that whatever
//! is at the other end next is asked to describe itself first. One attempt is made at a time, whoever
//! waits for it.
#![expect(
    clippy::disallowed_types,
    reason = "a plug-in is called over gRPC, and its statuses are classed here"
)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Uri};
use tonic::{Request, Status};
use tower::service_fn;

use super::super::{DriverError, ErrorKind};
use super::description::Description;
use super::dial::{SetupError, endpoint, open_once};
use super::options::Address;
use super::refusal::{self, Callee};
use super::wire::PROTOCOL_VERSION;
use super::wire::v1::DescribeRequest;
use super::wire::v1::driver_service_client::DriverServiceClient;
use crate::random;
use crate::secret::{Secret, SecretReference, SecretSource};

/// How long a connection may take, its TLS and the description included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pauses between attempts to connect, from the first to the longest: short enough that a plug-in
/// that was restarted is found within a call.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The most that is read of one message, as everywhere (api contract, "Sizes").
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The way to a plug-in.
#[derive(Debug)]
pub(super) struct Link {
    name: String,
    place: String,
    address: Address,
    token: Option<SecretReference>,
    secrets: SecretSource,
    /// Who holds it may connect.
    turn: Mutex<Turn>,
    /// Not held across an await.
    known: std::sync::Mutex<Known>,
}

/// What is known to everybody.
#[derive(Debug, Default)]
struct Known {
    connected: Option<Connected>,
    /// How many connections were made.
    made: u64,
    /// Why there is none.
    failure: Option<DriverError>,
    /// What the plug-in said of itself last.
    description: Option<Arc<Description>>,
}

/// What whoever connects next has to know.
#[derive(Debug, Default)]
struct Turn {
    /// Attempts that failed in a row.
    failures: u32,
    /// When the next may be made.
    not_before: Option<Instant>,
}

/// A connection.
#[derive(Clone, Debug)]
struct Connected {
    number: u64,
    channel: Channel,
    description: Arc<Description>,
}

/// What the plug-in is shown: the token, and as it is sent.
type Shown<'a> = (Option<&'a Secret>, Option<&'a MetadataValue<Ascii>>);

/// What a call needs.
#[derive(Debug)]
pub(super) struct Session {
    number: u64,
    client: DriverServiceClient<Channel>,
    bearer: Option<MetadataValue<Ascii>>,
    /// What the plug-in says that it can do.
    pub(super) description: Arc<Description>,
    /// What it is shown, to be left out of what it says.
    pub(super) token: Option<Secret>,
}

impl Link {
    /// The way to the plug-in `name` at `address`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Certificates or keys cannot be used.
    pub(super) fn new(
        name: &str,
        address: Address,
        token: Option<SecretReference>,
        secrets: SecretSource,
    ) -> Result<Self, SetupError> {
        // Made for each connection, so that files which change are read anew; here to see that it works.
        drop(endpoint(&address)?);
        Ok(Self {
            name: name.to_owned(),
            place: address.to_string(),
            address,
            token,
            secrets,
            turn: Mutex::new(Turn::default()),
            known: std::sync::Mutex::default(),
        })
    }

    /// Whose calls these are.
    pub(super) fn callee(&self) -> Callee<'_> {
        Callee {
            name: &self.name,
            place: &self.place,
        }
    }

    /// A connection, made if there is none, by `until`.
    ///
    /// # Errors
    ///
    /// There is none, or the plug-in is not to be used. Nothing was sent that could begin anything.
    pub(super) async fn session(&self, until: Instant) -> Result<Session, DriverError> {
        let token = match &self.token {
            Some(reference) => Some(self.secrets.read(reference).await?),
            None => None,
        };
        let bearer = token.as_ref().map(|token| self.bearer(token)).transpose()?;
        let connected = match self.connected() {
            Some(connected) => connected,
            None => match timeout_at(until, self.turn.lock()).await {
                Ok(mut turn) => {
                    let shown = (token.as_ref(), bearer.as_ref());
                    self.make(&mut turn, shown, until).await?
                }
                // Somebody else tries, for as long as we could wait.
                Err(_) => return Err(self.known_failure()),
            },
        };
        Ok(Session {
            number: connected.number,
            client: client(&connected.channel),
            bearer,
            description: connected.description,
            token,
        })
    }

    /// What the plug-in said of itself last; none: it was not asked yet.
    pub(super) fn description(&self) -> Option<Arc<Description>> {
        self.known().description.clone()
    }

    /// The connection of `session` is not used any more.
    pub(super) fn lost(&self, session: &Session) {
        let mut known = self.known();
        let is_it = |connected: &Connected| connected.number == session.number;
        if known.connected.as_ref().is_some_and(is_it) {
            known.connected = None;
        }
    }

    fn connected(&self) -> Option<Connected> {
        self.known().connected.clone()
    }

    fn bearer(&self, token: &Secret) -> Result<MetadataValue<Ascii>, DriverError> {
        let value = MetadataValue::try_from(format!("Bearer {}", token.expose()));
        let mut value = value.map_err(|_| {
            DriverError::permanent(
                ErrorKind::Internal,
                format!(
                    "the token of plug-in {} is no text of visible ASCII",
                    self.name
                ),
            )
            .before_sending()
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Makes a connection, attempt after attempt.
    async fn make(
        &self,
        turn: &mut Turn,
        shown: Shown<'_>,
        until: Instant,
    ) -> Result<Connected, DriverError> {
        loop {
            // Whoever had the turn before may have made one.
            if let Some(connected) = self.connected() {
                return Ok(connected);
            }
            if let Some(not_before) = turn.not_before {
                if not_before >= until {
                    return Err(self.known_failure());
                }
                sleep(not_before.saturating_duration_since(Instant::now())).await;
            }
            let by = until.min(Instant::now() + CONNECT_TIMEOUT);
            let failure = match timeout_at(by, self.connect(shown, by)).await {
                Ok(Ok((channel, description))) => {
                    *turn = Turn::default();
                    return Ok(self.keep(channel, description));
                }
                Ok(Err(failure)) => failure,
                Err(_) => self.callee().too_late("no connection to").before_sending(),
            };
            tracing::debug!(plugin = self.name, error = %failure, "plug-in not connected");
            turn.failures = turn.failures.saturating_add(1);
            turn.not_before = Some(Instant::now() + pause(turn.failures, random::fraction()));
            self.known().failure = Some(failure.clone());
            if !failure.transient {
                return Err(failure);
            }
        }
    }

    fn keep(&self, channel: Channel, description: Description) -> Connected {
        let description = Arc::new(description);
        let mut known = self.known();
        known.made += 1;
        known.description = Some(Arc::clone(&description));
        let connected = Connected {
            number: known.made,
            channel,
            description,
        };
        known.connected = Some(connected.clone());
        connected
    }

    async fn connect(
        &self,
        (token, bearer): Shown<'_>,
        by: Instant,
    ) -> Result<(Channel, Description), DriverError> {
        let endpoint = endpoint(&self.address).map_err(|error| {
            DriverError::passing(
                ErrorKind::Internal,
                format!(
                    "set up plug-in {}: {error}: {}",
                    self.name,
                    super::super::http::cause(&error)
                ),
            )
            .before_sending()
        })?;
        let address = self.address.clone();
        let used = Arc::new(AtomicBool::new(false));
        let connector = service_fn(move |_: Uri| open_once(address.clone(), Arc::clone(&used)));
        let channel = endpoint
            .connect_with_connector(connector)
            .await
            .map_err(|error| self.callee().not_connected(&error))?;
        let mut request = Request::new(DescribeRequest {
            protocol_version: PROTOCOL_VERSION,
        });
        prepare(&mut request, bearer, by);
        let described = client(&channel).describe(request).await;
        let described = described.map_err(|status| {
            let secrets: Vec<&Secret> = token.into_iter().collect();
            self.callee().refused(&status, &secrets).before_sending()
        })?;
        let description = Description::read(&self.name, described.get_ref())?;
        Ok((channel, description))
    }

    fn known_failure(&self) -> DriverError {
        let failure = self.known().failure.clone();
        failure.unwrap_or_else(|| self.callee().too_late("no connection to").before_sending())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // What is inside is written at once: no panic leaves it half made.
        self.known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Session {
    /// The client, and a request for it with a deadline and the token.
    pub(super) fn request<T>(
        &self,
        message: T,
        deadline: Instant,
    ) -> (DriverServiceClient<Channel>, Request<T>) {
        let mut request = Request::new(message);
        prepare(&mut request, self.bearer.as_ref(), deadline);
        (self.client.clone(), request)
    }
}

/// Whether nothing more is to be expected of the connection that answered with `status`.
pub(super) fn is_lost(status: &Status) -> bool {
    refusal::broke(status)
}

fn client(channel: &Channel) -> DriverServiceClient<Channel> {
    DriverServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

fn prepare<T>(request: &mut Request<T>, bearer: Option<&MetadataValue<Ascii>>, deadline: Instant) {
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    if let Some(bearer) = bearer {
        request
            .metadata_mut()
            .insert("authorization", bearer.clone());
    }
}

/// Doubles with each failure. `jitter` is from 0 to 1 and keeps replicas from coming all at once.
fn pause(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(0.75 + 0.25 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(pause(1, 1.0), FIRST_PAUSE);
        assert_eq!(pause(3, 1.0), FIRST_PAUSE * 4);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
        assert_eq!(pause(1, 0.0), FIRST_PAUSE * 3 / 4);
    }
}
