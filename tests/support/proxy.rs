//! A TCP proxy that can do to connections what networks do: cut them, refuse them, slow them down, and
//! swallow what is sent without telling anybody.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From whoever connected.
    There,
    /// To whoever connected.
    Back,
}

/// What happens to connections now. Connections are numbered from 1 as they come.
#[derive(Clone, Debug, Default)]
struct Weather {
    /// Connections below are closed.
    cut_below: u64,
    /// Of connections below, nothing passes any more, that way and the way back.
    lost_below: [u64; 2],
    /// The same of those to come.
    silent: [bool; 2],
    /// What is sent waits.
    stalled: bool,
    refusing: bool,
    delay: Duration,
    /// How many there were.
    count: u64,
}

impl Weather {
    fn is_cut(&self, number: u64) -> bool {
        number < self.cut_below
    }

    fn is_lost(&self, number: u64, direction: Direction) -> bool {
        let way = direction as usize;
        self.silent[way] || number < self.lost_below[way]
    }
}

/// A way to a server, of which a test decides. Dropped, it cuts every connection.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Ends with this value: its tasks are aborted.
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// A way to `target` on which nothing happens yet.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let weather = watch::Sender::new(Weather {
            count: 1,
            ..Weather::default()
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, address, target, weather.clone()));
        Self {
            address,
            weather,
            _tasks: tasks,
        }
    }

    /// A way to the server of a database URL, and the URL that takes it.
    pub(crate) async fn to_database(url: &str) -> (Self, String) {
        let (head, rest) = url.split_once('@').expect("a URL with a user");
        let (target, name) = rest.split_once('/').expect("a URL with a database");
        let proxy = Self::to(target.parse().expect("an address and a port")).await;
        let url = format!("{head}@{}/{name}", proxy.address);
        (proxy, url)
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection there is.
    pub(crate) fn cut(&self) {
        self.weather
            .send_modify(|weather| weather.cut_below = weather.count);
    }

    /// Swallows what is sent one way, for as long as this lasts and, of the connections that live then, for
    /// ever: a firewall that forgot them. Nobody is told.
    pub(crate) fn silence(&self, direction: Direction) {
        self.weather
            .send_modify(|weather| weather.silent[direction as usize] = true);
    }

    /// Keeps what is sent back until all is well again, and delivers it then.
    pub(crate) fn stall(&self) {
        self.weather.send_modify(|weather| weather.stalled = true);
    }

    /// Refuses new connections.
    pub(crate) fn refuse(&self) {
        self.weather.send_modify(|weather| weather.refusing = true);
    }

    /// Makes every piece take `delay` longer.
    pub(crate) fn slow_down(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Lets everything pass again, except what was lost.
    pub(crate) fn heal(&self) {
        self.weather.send_modify(|weather| {
            for way in [Direction::There as usize, Direction::Back as usize] {
                if std::mem::take(&mut weather.silent[way]) {
                    weather.lost_below[way] = weather.count;
                }
            }
            weather.stalled = false;
            weather.refusing = false;
            weather.delay = Duration::ZERO;
        });
    }
}

/// Accepts until it is dropped, and with it every connection.
async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    weather: watch::Sender<Weather>,
) {
    let mut connections = JoinSet::new();
    let mut changes = weather.subscribe();
    let mut listener = Some(listener);
    loop {
        let refusing = changes.borrow_and_update().refusing;
        if refusing {
            listener = None;
        } else if listener.is_none() {
            let again = TcpListener::bind(address).await;
            listener = Some(again.expect("the port is still free"));
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => {
                let Ok((near, _)) = accepted else { continue };
                let mut number = 0;
                weather.send_modify(|weather| {
                    number = weather.count;
                    weather.count += 1;
                });
                connections.spawn(connection(near, target, number, weather.subscribe()));
            }
            _ = changes.changed() => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(
    near: TcpStream,
    target: SocketAddr,
    number: u64,
    weather: watch::Receiver<Weather>,
) {
    // As if the target itself refused: whoever connected sees its end.
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let mut cut = weather.clone();
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let there = pump(
        near_read,
        far_write,
        number,
        Direction::There,
        weather.clone(),
    );
    let back = pump(far_read, near_write, number, Direction::Back, weather);
    tokio::select! {
        () = async { tokio::join!(there, back); } => {}
        _ = cut.wait_for(|weather| weather.is_cut(number)) => {}
    }
}

/// Passes on what comes from one side to the other, as the weather allows; an end too.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    direction: Direction,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let passes = weather.wait_for(|now| !now.stalled && !now.is_lost(number, direction));
        let Ok(delay) = passes.await.map(|now| now.delay) else {
            return;
        };
        if read == 0 {
            // Whoever is gone needs no end.
            to.shutdown().await.ok();
            return;
        }
        sleep(delay).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::time::timeout;

    use super::*;

    /// Long enough for a local connection to pass a byte on.
    const A_WHILE: Duration = Duration::from_millis(200);

    /// A server that sends back what it is sent, and a way to it.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut echoes = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                echoes.spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
        });
        (Proxy::to(address).await, tasks)
    }

    async fn ask(stream: &mut TcpStream) -> Option<std::io::Result<u8>> {
        let asked = async {
            stream.write_all(b"x").await?;
            stream.read_u8().await
        };
        timeout(A_WHILE, asked).await.ok()
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address()).await.expect("a way")
    }

    #[tokio::test]
    async fn what_was_swallowed_stays_so_and_what_was_held_comes_late() {
        let (proxy, _echo) = echo().await;
        for direction in [Direction::There, Direction::Back] {
            let mut old = connect(&proxy).await;
            assert!(matches!(ask(&mut old).await, Some(Ok(b'x'))));
            proxy.silence(direction);
            let mut during = connect(&proxy).await;
            assert!(ask(&mut old).await.is_none());
            assert!(ask(&mut during).await.is_none());
            proxy.heal();
            assert!(ask(&mut old).await.is_none());
            assert!(ask(&mut during).await.is_none());
            let mut new = connect(&proxy).await;
            assert!(matches!(ask(&mut new).await, Some(Ok(b'x'))));
            proxy.stall();
            assert!(ask(&mut new).await.is_none());
            proxy.heal();
            assert_eq!(new.read_u8().await.expect("late"), b'x');
        }
    }

    #[tokio::test]
    async fn a_slow_way_is_slow_until_it_is_well_again() {
        let (proxy, _echo) = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.slow_down(A_WHILE);
        assert!(ask(&mut stream).await.is_none());
        assert_eq!(stream.read_u8().await.expect("late"), b'x');
        proxy.heal();
        assert!(matches!(ask(&mut stream).await, Some(Ok(b'x'))));
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_there_and_nothing_else() {
        let (proxy, _echo) = echo().await;
        let mut old = connect(&proxy).await;
        assert!(matches!(ask(&mut old).await, Some(Ok(b'x'))));
        proxy.cut();
        assert!(matches!(ask(&mut old).await, Some(Err(_))));
        let mut new = connect(&proxy).await;
        assert!(matches!(ask(&mut new).await, Some(Ok(b'x'))));
        proxy.refuse();
        // The listener goes a moment later.
        let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        while !TcpStream::connect(proxy.address())
            .await
            .is_err_and(|error| refused(&error))
        {
            tokio::task::yield_now().await;
        }
        assert!(matches!(ask(&mut new).await, Some(Ok(b'x'))));
    }
}
