//! Failpoints: named places where a replica of a simulation crashes, or where what it does fails.
//!
//! A point is one line at the place that it names, and nothing at all where no test is compiled. The
//! crate `fail` was looked at: its registry is one for the whole process and its points block the thread,
//! while here several replicas share a process, each on a runtime of its own, and a crash is a future
//! that is never polled again. So a point asks what is armed for the runtime that it runs on.

/// Passes a point of [`Point`]. With an outcome behind the arrow, that is returned where the point is
/// armed with an error.
macro_rules! failpoint {
    ($point:ident) => {
        #[cfg(test)]
        {
            crate::failpoint::pass(crate::failpoint::Point::$point).await;
        }
    };
    ($point:ident => $error:expr) => {
        #[cfg(test)]
        {
            if crate::failpoint::pass(crate::failpoint::Point::$point).await {
                return $error;
            }
        }
    };
}
pub(crate) use failpoint;

#[cfg(test)]
pub(crate) use armed::{Act, Point, Seat, Trap, pass};

#[cfg(test)]
mod armed {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, LazyLock, Mutex, PoisonError};

    use tokio::runtime::{Handle, Id};

    /// The points.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum Point {
        /// A write is about to be sent to the database.
        BeforeCommit,
        /// A write is committed; nobody was told.
        AfterCommit,
        /// A write is committed and told here; other replicas were not woken.
        BeforeDoorbell,
        /// A create or a stop is committed; its caller has no answer.
        BeforeAnswer,
        /// Roots are claimed; none has a runner.
        AfterClaim,
        /// A root's design is loaded; nothing is frozen.
        BeforeFreeze,
        /// What a root left behind was read; nobody goes on with it.
        AfterRecovery,
        /// The quarantine of a predecessor's calls is over; nothing was called.
        AfterQuarantine,
        /// A step is committed as running; its driver was not called.
        BeforeCall,
        /// A command is on its way to a machine, and arrives whatever becomes of who sent it.
        DuringCall,
        /// The driver has answered; nothing of it is committed.
        AfterCall,
        /// A guarded step is about to look for its mark.
        BeforeFind,
        /// A step is about to be cancelled.
        BeforeCancel,
        /// A lease is about to be renewed.
        BeforeRenewal,
        /// A lease was renewed; its owner does not know.
        AfterRenewal,
        /// A replica that drains is about to give its roots back.
        BeforeRelease,
        /// A watch has its snapshot; it is not live.
        AfterSnapshot,
    }

    impl Point {
        /// Every point.
        pub(crate) const ALL: [Self; 17] = [
            Self::BeforeCommit,
            Self::AfterCommit,
            Self::BeforeDoorbell,
            Self::BeforeAnswer,
            Self::AfterClaim,
            Self::BeforeFreeze,
            Self::AfterRecovery,
            Self::AfterQuarantine,
            Self::BeforeCall,
            Self::DuringCall,
            Self::AfterCall,
            Self::BeforeFind,
            Self::BeforeCancel,
            Self::BeforeRenewal,
            Self::AfterRenewal,
            Self::BeforeRelease,
            Self::AfterSnapshot,
        ];
    }

    /// What happens at a point.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Act {
        /// The replica is gone from here on.
        Crash,
        /// What was about to happen fails, or what has happened is not answered.
        Error,
    }

    /// What is armed in one simulation, all replicas together; it goes off once.
    #[derive(Default)]
    pub(crate) struct Trap {
        state: Mutex<State>,
    }

    #[derive(Default)]
    struct State {
        armed: Option<(Point, usize, Act)>,
        passed: BTreeMap<Point, usize>,
        sprung: bool,
    }

    impl Trap {
        /// One that lets everybody pass, and counts.
        pub(crate) fn open() -> Arc<Self> {
            Arc::default()
        }

        /// One that goes off where `point` is passed for the `time`th time, from 1.
        pub(crate) fn at(point: Point, time: usize, act: Act) -> Arc<Self> {
            let trap = Self::default();
            trap.lock().armed = Some((point, time, act));
            Arc::new(trap)
        }

        /// How often each point was passed.
        pub(crate) fn passed(&self) -> BTreeMap<Point, usize> {
            self.lock().passed.clone()
        }

        /// Whether it went off.
        pub(crate) fn sprung(&self) -> bool {
            self.lock().sprung
        }

        fn pass(&self, point: Point) -> Option<Act> {
            let mut state = self.lock();
            let passed = state.passed.entry(point).or_default();
            *passed += 1;
            let passed = *passed;
            let act = state
                .armed
                .filter(|(at, time, _)| (*at, *time) == (point, passed));
            state.sprung |= act.is_some();
            act.map(|(.., act)| act)
        }

        fn lock(&self) -> std::sync::MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// What is armed for each runtime.
    static SEATS: LazyLock<Mutex<HashMap<Id, Armed>>> = LazyLock::new(Mutex::default);

    #[derive(Clone)]
    struct Armed {
        trap: Arc<Trap>,
        dead: Arc<AtomicBool>,
    }

    /// One life of a replica: while this lives, the runtime that it was made on is armed.
    pub(crate) struct Seat {
        runtime: Id,
    }

    impl Seat {
        /// Arms this runtime. `dead` tells whoever looks that the replica has to be taken away, and
        /// takes away what it would still do.
        pub(crate) fn take(trap: &Arc<Trap>, dead: &Arc<AtomicBool>) -> Self {
            let runtime = Handle::current().id();
            let armed = Armed {
                trap: Arc::clone(trap),
                dead: Arc::clone(dead),
            };
            let mut seats = SEATS.lock().unwrap_or_else(PoisonError::into_inner);
            seats.insert(runtime, armed);
            Self { runtime }
        }
    }

    impl Drop for Seat {
        fn drop(&mut self) {
            let mut seats = SEATS.lock().unwrap_or_else(PoisonError::into_inner);
            seats.remove(&self.runtime);
        }
    }

    /// Passes a point: true where what it is about fails. Does not return in a replica that is gone.
    pub(crate) async fn pass(point: Point) -> bool {
        let armed = {
            let seats = SEATS.lock().unwrap_or_else(PoisonError::into_inner);
            seats.get(&Handle::current().id()).cloned()
        };
        let Some(Armed { trap, dead }) = armed else {
            return false;
        };
        if dead.load(Ordering::Acquire) {
            return std::future::pending().await;
        }
        match trap.pass(point) {
            None => false,
            Some(Act::Error) => true,
            Some(Act::Crash) => {
                dead.store(true, Ordering::Release);
                std::future::pending().await
            }
        }
    }
}
