//! What a step found out is kept with its outcome: whoever was told of it finds it again, whatever
//! becomes of the server (promises P1, P6).

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{BuildData, ListBuildDataRequest, TaskAction};

use crate::support::client::Client;
use crate::support::database::{Database, Kind};
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(what_was_told_is_there_after_a_kill_and_once);

const NODES: usize = 4;

async fn what_was_told_is_there_after_a_kill_and_once(database: Database) {
    let machines = (1..=NODES).map(|number| {
        Machine::named(format!("n{number}")).booting_from(&format!("52:54:00:00:00:0{number}"))
    });
    let site = Site::of(&machines.collect::<Vec<_>>());
    let mut launch = Launch::on(&database)
        .designs_in(site.directory())
        .set("simulated.step_duration", "30ms")
        .set("executor.max_parallel_nodes", "1");
    if database.kind == Kind::Postgres {
        launch = launch.with_short_leases();
    }
    let server = launch.start().await;
    let launch = launch.at(server.address());
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let of_root = ListBuildDataRequest {
        task_id: task.task_id.clone(),
        ..ListBuildDataRequest::default()
    };

    let mut stream = client.watch(&task.task_id).await;
    let event = stream
        .until(|event| matches!(event.event, Some(Arm::BuildDataAdded(_))))
        .await;
    server.kill().await;
    let Some(Arm::BuildDataAdded(told)) = event.event else {
        unreachable!("it was waited for");
    };
    let told = told.build_data.expect("build data");

    let server = launch.start().await;
    let client = Client::of(server.address());
    let bare = |data: &BuildData| BuildData {
        data_element: String::new(),
        ..data.clone()
    };
    let kept = client.build_data(of_root.clone()).await;
    assert_eq!(kept.iter().map(bare).find(|data| *data == told), Some(told));
    let follower = Follower::of(&client, &task.task_id).finish(None).await;
    drop(follower);
    let kept = client.build_data(of_root).await;
    let mut nodes: Vec<&str> = kept.iter().map(|data| data.node_name.as_str()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["n1", "n2", "n3", "n4"], "each once");
    assert!(kept.iter().all(|data| !data.data_element.is_empty()));
}
