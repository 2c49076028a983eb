//! The measures, in the order of the report.

mod create;
mod done;
mod get;
mod idle;
mod list;
mod node_filter;
mod tree;
mod validate;
mod watch_latency;
mod watchers;

use std::future::Future;
use std::pin::Pin;

use crate::Result;
use crate::report::Row;
use crate::world::World;

type Rows<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>>> + 'a>>;

/// Something that is measured.
pub(crate) struct Measure {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What the report calls it.
    pub(crate) title: &'static str,
    run: for<'a> fn(&'a World) -> Rows<'a>,
}

impl Measure {
    pub(crate) async fn run(&self, world: &World) -> Result<Vec<Row>> {
        (self.run)(world).await
    }
}

const ALL: &[Measure] = &[
    Measure {
        name: "idle",
        title: "A server at rest",
        run: |world| Box::pin(idle::run(world)),
    },
    Measure {
        name: "create-postgres",
        title: "CreateTask, durable, PostgreSQL",
        run: |world| Box::pin(create::postgres(world)),
    },
    Measure {
        name: "create-sqlite",
        title: "CreateTask, durable, SQLite",
        run: |world| Box::pin(create::sqlite(world)),
    },
    Measure {
        name: "get",
        title: "GetTask",
        run: |world| Box::pin(get::run(world)),
    },
    Measure {
        name: "list",
        title: "A page of 50 tasks",
        run: |world| Box::pin(list::run(world)),
    },
    Measure {
        name: "watch-latency",
        title: "From the commit to a watcher, nothing else going on",
        run: |world| Box::pin(watch_latency::run(world)),
    },
    Measure {
        name: "done",
        title: "From CreateTask to the durable end of one node's verification, nothing else going on",
        run: |world| Box::pin(done::run(world)),
    },
    Measure {
        name: "tree",
        title: "verify_node over a whole site, steps that take no time",
        run: |world| Box::pin(tree::run(world)),
    },
    Measure {
        name: "watchers",
        title: "Many watchers of one tree",
        run: |world| Box::pin(watchers::rate(world)),
    },
    Measure {
        name: "watcher-memory",
        title: "Memory of watchers",
        run: |world| Box::pin(watchers::memory(world)),
    },
    Measure {
        name: "validate",
        title: "ValidateDesign, SQLite",
        run: |world| Box::pin(validate::run(world)),
    },
    Measure {
        name: "node-filter",
        title: "Node filter, in the process",
        run: |world| Box::pin(node_filter::run(world)),
    },
];

/// The names of all measures.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|measure| measure.name).collect()
}

/// The measures of these names; all of them for none.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<&'static Measure>> {
    if let Some(unknown) = only.iter().find(|name| !names().contains(&name.as_str())) {
        return Err(format!("no measure `{unknown}`; there are {}", names().join(", ")).into());
    }
    let wanted =
        |measure: &&Measure| only.is_empty() || only.iter().any(|name| name == measure.name);
    Ok(ALL.iter().filter(wanted).collect())
}
