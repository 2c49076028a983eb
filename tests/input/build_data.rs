//! Build data: told when a step collected it, listed for tasks and nodes, page by page.

use drydock::proto::v1::task_event::Event as Arm;
use drydock::proto::v1::{
    BuildData, ListBuildDataRequest, ListTaskMessagesRequest, Task, TaskAction, TaskEvent,
};
use tonic::Code;

use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::{Launch, Server};
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(
    what_a_step_finds_out_is_told_and_listed,
    the_latest_of_a_node_is_that_of_its_last_task,
    pages_make_up_the_list_and_tokens_are_bound_to_it,
    what_is_not_there_is_told_from_what_is_not_known,
);

const FIRST: &str = "52:54:00:00:00:01";
const SECOND: &str = "52:54:00:00:00:02";

/// Two machines of which there is something to find out, and one of which there is nothing.
fn machines() -> Vec<Machine> {
    vec![
        Machine::named("n1").booting_from(FIRST),
        Machine::named("n2").booting_from(SECOND),
        Machine::named("blank"),
    ]
}

async fn serve(database: &Database, site: &Site) -> (Server, Client) {
    let launch = Launch::on(database).designs_in(site.directory());
    let server = launch.start().await;
    let client = Client::of(server.address());
    (server, client)
}

/// Verifies every node; the task, and everything that was told of it.
async fn verify(client: &Client, site: &Site) -> (Task, Vec<TaskEvent>) {
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    let follower = Follower::of(client, &task.task_id).finish(None).await;
    (client.get(&task.task_id).await, follower.events)
}

fn of_task(task_id: &str) -> ListBuildDataRequest {
    ListBuildDataRequest {
        task_id: task_id.to_owned(),
        ..ListBuildDataRequest::default()
    }
}

fn of_node(name: &str) -> ListBuildDataRequest {
    ListBuildDataRequest {
        node_name: name.to_owned(),
        ..ListBuildDataRequest::default()
    }
}

fn told(events: &[TaskEvent]) -> Vec<(&TaskEvent, &BuildData)> {
    let added = events.iter().filter_map(|event| match &event.event {
        Some(Arm::BuildDataAdded(added)) => Some((event, added.build_data.as_ref()?)),
        _ => None,
    });
    added.collect()
}

fn without_element(data: &BuildData) -> BuildData {
    BuildData {
        data_element: String::new(),
        ..data.clone()
    }
}

async fn what_a_step_finds_out_is_told_and_listed(database: Database) {
    let site = Site::of(&machines());
    let (_server, client) = serve(&database, &site).await;
    let (task, events) = verify(&client, &site).await;
    let told = told(&events);
    let listed = client.build_data(of_task(&task.task_id)).await;
    let shown: Vec<BuildData> = listed.iter().map(without_element).collect();
    let events_told: Vec<BuildData> = told.iter().map(|(_, data)| (*data).clone()).collect();
    assert_eq!(events_told, shown, "in the order of the events");

    let tree = client.tree(&task.task_id).await.tasks;
    let mut names: Vec<&str> = Vec::new();
    for data in &listed {
        let step = &tree[&data.task_id];
        assert_eq!(step.step, "interrogate_oob");
        assert_eq!(step.node_name, data.node_name);
        assert_eq!(step.completed, data.collected_date);
        assert_eq!(
            (data.generator.as_str(), data.data_format.as_str()),
            ("simulated", "application/json")
        );
        let element: serde_json::Value =
            serde_json::from_str(&data.data_element).expect("it is JSON");
        assert_eq!(element["schema"], "drydock.dev/machine/v1");
        assert_eq!(element["simulated"], true);
        let mac = if data.node_name == "n1" {
            FIRST
        } else {
            SECOND
        };
        assert_eq!(element["mac_addresses"], serde_json::json!([mac]));
        names.push(&data.node_name);

        let only = client.build_data(of_task(&data.task_id)).await;
        assert_eq!(only, std::slice::from_ref(data), "of its step");
        let node = step.parent_task_id.as_ref().expect("a node");
        assert_eq!(client.build_data(of_task(node)).await, only, "of its node");
        let of_name = client.build_data(of_node(&data.node_name)).await;
        assert_eq!(of_name, only, "of the node's name");
        let bare = client
            .build_data(ListBuildDataRequest {
                include_elements: Some(false),
                ..of_node(&data.node_name)
            })
            .await;
        assert_eq!(bare, [without_element(data)]);
    }
    names.sort_unstable();
    assert_eq!(names, ["n1", "n2"]);

    // A stream that goes on before them is told of them, too, without messages as with them.
    let (first, _) = told[0];
    let place = events
        .iter()
        .position(|event| event.sequence == first.sequence)
        .expect("it was told");
    let before = events[..place].iter().rev();
    let token = before
        .map(|event| &event.resume_token)
        .find(|token| !token.is_empty())
        .expect("a position");
    let request = drydock::proto::v1::WatchTaskRequest {
        task_id: task.task_id.clone(),
        resume_token: token.clone(),
        include_messages: Some(false),
        ..Default::default()
    };
    let stream = client.tasks.clone().watch_task(request).await;
    let stream = crate::support::stream::Stream::of(stream.expect("a stream").into_inner());
    let (again, end) = stream.rest().await;
    end.expect("it ends with the task");
    assert_eq!(self::told(&again), told);
}

async fn the_latest_of_a_node_is_that_of_its_last_task(database: Database) {
    let site = Site::of(&machines());
    let (_server, client) = serve(&database, &site).await;
    let (first, _) = verify(&client, &site).await;
    let (second, _) = verify(&client, &site).await;
    let all = client.build_data(of_node("n1")).await;
    assert_eq!(all.len(), 2, "oldest first: {all:?}");
    assert!(
        client
            .tree(&first.task_id)
            .await
            .tasks
            .contains_key(&all[0].task_id)
    );
    assert!(
        client
            .tree(&second.task_id)
            .await
            .tasks
            .contains_key(&all[1].task_id)
    );
    let latest = ListBuildDataRequest {
        latest: true,
        ..of_node("n1")
    };
    assert_eq!(client.build_data(latest.clone()).await, all[1..]);
    let of_first = ListBuildDataRequest {
        task_id: first.task_id.clone(),
        ..latest.clone()
    };
    assert_eq!(client.build_data(of_first).await, all[..1]);
    for (generator, count) in [("simulated", 1), ("redfish", 0)] {
        let of_generator = ListBuildDataRequest {
            generator: generator.to_owned(),
            ..latest.clone()
        };
        assert_eq!(client.build_data(of_generator).await.len(), count);
    }

    // It goes with the task that collected it, and what was known before is the latest again.
    let purged = client.try_purge(0, None, true).await;
    assert_eq!(
        purged.expect("an answer").purge_count,
        Some(0),
        "events are kept"
    );
}

async fn pages_make_up_the_list_and_tokens_are_bound_to_it(database: Database) {
    let site = Site::of(&machines());
    let (_server, client) = serve(&database, &site).await;
    let (task, _) = verify(&client, &site).await;
    verify(&client, &site).await;
    let all = client.build_data(of_node("n1")).await;
    let list = |request: ListBuildDataRequest| {
        let mut service = client.build_data.clone();
        async move { service.list_build_data(request).await }
    };
    let first = ListBuildDataRequest {
        page_size: 1,
        ..of_node("n1")
    };
    let page = list(first.clone()).await.expect("a page").into_inner();
    assert_eq!(page.build_data, all[..1]);
    let next = ListBuildDataRequest {
        page_token: page.next_page_token,
        ..first
    };
    let larger = ListBuildDataRequest {
        page_size: 9,
        ..next.clone()
    };
    for next in [next.clone(), larger] {
        let page = list(next).await.expect("the next page").into_inner();
        assert_eq!(page.build_data, all[1..]);
        assert_eq!(page.next_page_token, "");
    }

    type Change<'a> = (&'a str, &'a dyn Fn(&mut ListBuildDataRequest));
    let others: [Change<'_>; 7] = [
        ("another node", &|r| r.node_name = "n2".to_owned()),
        ("a task", &|r| r.task_id.clone_from(&task.task_id)),
        ("a generator", &|r| r.generator = "simulated".to_owned()),
        ("the latest", &|r| r.latest = true),
        ("without elements", &|r| r.include_elements = Some(false)),
        ("no token", &|r| r.page_token = "token".to_owned()),
        ("something after it", &|r| r.page_token.push('A')),
    ];
    for (what, change) in others {
        let mut request = next.clone();
        change(&mut request);
        let status = list(request).await.expect_err(what);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_eq!(reason(&status), "PAGE_TOKEN_INVALID", "{what}");
    }
    let messages = ListTaskMessagesRequest {
        task_id: task.task_id.clone(),
        page_token: next.page_token,
        ..ListTaskMessagesRequest::default()
    };
    let status = client.tasks.clone().list_task_messages(messages).await;
    let status = status.expect_err("a token of build data for messages");
    assert_eq!(reason(&status), "PAGE_TOKEN_INVALID");
}

async fn what_is_not_there_is_told_from_what_is_not_known(database: Database) {
    let site = Site::of(&machines());
    let (_server, client) = serve(&database, &site).await;
    let (task, _) = verify(&client, &site).await;
    for nothing in [of_node("blank"), of_node("stranger")] {
        assert_eq!(client.build_data(nothing).await, []);
    }
    let tree = client.tree(&task.task_id).await.tasks;
    let blank = tree.values().find(|task| task.node_name == "blank");
    let of_blank = of_task(&blank.expect("a node").task_id);
    assert_eq!(client.build_data(of_blank).await, []);
    // Of a task that is not there nothing is known, whatever else is asked.
    let missing = ListBuildDataRequest {
        node_name: "n1".to_owned(),
        ..of_task(crate::call::NO_TASK)
    };
    let status = client.build_data.clone().list_build_data(missing).await;
    let status = status.expect_err("no such task");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(reason(&status), "TASK_NOT_FOUND");
}
