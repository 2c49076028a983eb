//! What every measure shares: the sizes, the designs, the servers that bounds are measured on.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::Result;
use crate::args::Args;
use crate::bare::Bare;
use crate::designs::Designs;
use crate::postgres::Cluster;
use crate::process;

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Pairs of each measure.
    pub(crate) rounds: usize,
    /// How long one side of a pair runs, where time is what bounds it.
    pub(crate) slice: Duration,
    /// Operations of one side of a pair, where the system is to be idle in between.
    pub(crate) idle_operations: usize,
    /// Watchers of one tree whose rate is measured.
    pub(crate) watchers: usize,
    /// Nodes of the tree they watch.
    pub(crate) watched_nodes: usize,
    /// Watchers whose memory is measured.
    pub(crate) idle_watchers: usize,
    /// Nodes of the designs that are validated.
    pub(crate) validated_nodes: Vec<usize>,
    /// Nodes of the trees that are run whole.
    pub(crate) tree_nodes: Vec<usize>,
    /// Times each of them is run.
    pub(crate) tree_runs: usize,
    /// Tasks of the short and of the long list.
    pub(crate) listed_tasks: [usize; 2],
    /// Nodes that are filtered.
    pub(crate) filtered_nodes: usize,
}

impl Sizes {
    fn new(args: &Args) -> Self {
        let mut sizes = if args.quick {
            Self {
                rounds: 3,
                slice: Duration::from_millis(500),
                idle_operations: 30,
                watchers: 200,
                watched_nodes: 50,
                idle_watchers: 1_000,
                validated_nodes: vec![1_000],
                tree_nodes: vec![1_000],
                tree_runs: 1,
                listed_tasks: [1_000, 20_000],
                filtered_nodes: 100_000,
            }
        } else {
            Self {
                rounds: 7,
                slice: Duration::from_secs(2),
                idle_operations: 200,
                watchers: 1_000,
                watched_nodes: 200,
                idle_watchers: 10_000,
                validated_nodes: vec![10_000],
                tree_nodes: vec![10_000],
                tree_runs: 3,
                listed_tasks: [1_000, 1_000_000],
                filtered_nodes: 100_000,
            }
        };
        if args.large {
            sizes.validated_nodes.push(100_000);
            sizes.tree_nodes.push(100_000);
        }
        if let Some(rounds) = args.rounds {
            sizes.rounds = rounds.max(1);
        }
        sizes
    }
}

/// Everything that outlives one measure.
pub(crate) struct World {
    pub(crate) sizes: Sizes,
    pub(crate) quick: bool,
    /// The server to measure.
    pub(crate) binary: PathBuf,
    pub(crate) designs: Designs,
    bare: OnceCell<Bare>,
    postgres: OnceCell<(Cluster, u32)>,
}

impl World {
    pub(crate) fn new(args: &Args) -> Result<Self> {
        Ok(Self {
            sizes: Sizes::new(args),
            quick: args.quick,
            binary: args
                .server
                .clone()
                .unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_drydock"))),
            designs: Designs::new()?,
            bare: OnceCell::new(),
            postgres: OnceCell::new(),
        })
    }

    /// The bare server, started by the first who asks.
    pub(crate) async fn bare(&self) -> Result<&Bare> {
        self.bare.get_or_try_init(Bare::start).await
    }

    /// A PostgreSQL server of our own, started by the first who asks.
    pub(crate) async fn postgres(&self) -> Result<&Cluster> {
        let (cluster, _) = self
            .postgres
            .get_or_try_init(async || {
                let cluster = Cluster::start();
                let mut session = cluster.connect("postgres").await;
                let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .fetch_one(&mut session)
                    .await?;
                let postmaster = process::parent(u32::try_from(backend)?)?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((cluster, postmaster))
            })
            .await?;
        Ok(cluster)
    }

    /// The process id of PostgreSQL's first process, if it was started.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        self.postgres.get().map(|(_, postmaster)| *postmaster)
    }
}
