//! The gate: an action on real machines needs of the design what it uses, and no more.

use drydock::proto::v1::{
    CreateTaskRequest, FilterType, ListTaskMessagesRequest, NodeFilter, NodeFilterSet,
    ResultStatus, Task, TaskAction, TaskStatus,
};

use crate::support::client::{Client, create_request};
use crate::support::database::Database;
use crate::support::server::{Launch, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(
    an_action_is_refused_for_what_it_needs_on_its_nodes,
    a_strict_gate_needs_everything_and_an_open_one_nothing
);

/// Nodes `a` and `b` have one address, `c` and the simulated `s1` and `s2` have their own trouble.
const DESIGN: &str = "\
schema: drydock/Network/v1
metadata: {name: oob}
data: {cidr: 10.0.0.0/24, ranges: [{type: static, start: 10.0.0.1, end: 10.0.0.99}]}
---
schema: drydock/NetworkLink/v1
metadata: {name: oob}
data: {allowed_networks: [oob], trunking: {mode: disabled, default_network: oob}}
---
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data: {oob: {type: manual, network: oob}, addressing: [{network: oob, address: 10.0.0.1}]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: b}
data: {oob: {type: manual, network: oob}, addressing: [{network: oob, address: 10.0.0.1}]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: c}
data: {oob: {type: manual, network: oob}, addressing: [{network: oob, address: 10.0.0.3}]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: s1}
data: {oob: {type: simulated}, addressing: [{network: oob, address: 10.0.0.4}]}
---
schema: drydock/BaremetalNode/v1
metadata: {name: s2}
data: {oob: {type: simulated}, addressing: [{network: oob, address: 10.0.0.4}]}
";

struct Gated {
    client: Client,
    design_ref: String,
    _site: Site,
    server: Server,
}

impl Gated {
    async fn by(database: &Database, gate: Option<&str>) -> Self {
        let site = Site::of(&Machine::many(1));
        let path = site.directory().join("gated.yaml");
        std::fs::write(&path, DESIGN).expect("a file");
        let mut launch = Launch::on(database)
            .designs_in(site.directory())
            .set("drivers.oob", "manual");
        if let Some(gate) = gate {
            launch = launch.set("design.gate", gate);
        }
        let server = launch.start().await;
        Self {
            client: Client::of(server.address()),
            design_ref: format!("file://{}", path.display()),
            _site: site,
            server,
        }
    }

    /// Verifies nodes to the end.
    async fn verify(&self, names: &[&str]) -> Task {
        let filter = NodeFilter {
            filter_type: FilterType::Union.into(),
            node_names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..NodeFilter::default()
        };
        let request = CreateTaskRequest {
            node_filter: Some(NodeFilterSet {
                filter_set_type: FilterType::Union.into(),
                filter_set: vec![filter],
            }),
            ..create_request(TaskAction::VerifyNode, &self.design_ref)
        };
        let task = self.client.try_create(request).await.expect("a task");
        let ended = Follower::of(&self.client, &task.task_id).finish(None).await;
        drop(ended);
        self.client.get(&task.task_id).await
    }

    async fn errors(&self, task: &Task) -> Vec<String> {
        let request = ListTaskMessagesRequest {
            task_id: task.task_id.clone(),
            errors_only: true,
            ..ListTaskMessagesRequest::default()
        };
        let answer = self.client.tasks.clone().list_task_messages(request).await;
        let messages = answer.expect("messages").into_inner().messages;
        messages
            .into_iter()
            .filter_map(|message| Some(message.message?.message))
            .collect()
    }
}

fn result(task: &Task) -> (ResultStatus, &str) {
    let result = task.result.as_ref().expect("a result");
    (result.status(), &result.reason)
}

async fn an_action_is_refused_for_what_it_needs_on_its_nodes(database: Database) {
    let gated = Gated::by(&database, None).await;

    let refused = gated.verify(&["a", "c"]).await;
    assert_eq!(result(&refused), (ResultStatus::Failure, "DesignInvalid"));
    assert_eq!(refused.status(), TaskStatus::Complete);
    assert_eq!(refused.subtask_count, Some(0), "nothing was begun");
    assert_eq!(refused.target_nodes, ["a", "c"]);
    assert_eq!(
        gated.errors(&refused).await,
        [
            "verify_node on a is refused: 10.0.0.1 is already the address of `a` on `oob`",
            "the design cannot be used: 1 error"
        ]
    );

    for good in [&["c"][..], &["s1", "s2"], &["c", "s2"]] {
        let done = gated.verify(good).await;
        assert_eq!(result(&done), (ResultStatus::Success, ""), "{good:?}");
    }
}

async fn a_strict_gate_needs_everything_and_an_open_one_nothing(database: Database) {
    let strict = Gated::by(&database, Some("strict")).await;
    let refused = strict.verify(&["c"]).await;
    assert_eq!(result(&refused), (ResultStatus::Failure, "DesignInvalid"));
    let simulated = strict.verify(&["s1"]).await;
    assert_eq!(result(&simulated), (ResultStatus::Success, ""));
    // It holds the file of the database until it is gone.
    strict.server.kill().await;

    let open = Gated::by(&database, Some("off")).await;
    let done = open.verify(&["a", "b"]).await;
    assert_eq!(result(&done), (ResultStatus::Success, ""));
}
