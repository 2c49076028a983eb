//! Golden documents: a task document in, its status document out, through the command line.

use std::process::Output;

use serde_json::{Value, json};

use crate::node_filter::worked_site;
use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::{Launch, Server, drydock};
use crate::support::stream::Follower;

on_both_databases!(a_task_document_comes_back_as_a_status_document);

async fn command(server: &Server, arguments: &[&str]) -> Output {
    let mut command = drydock();
    command.args(arguments).args(["--server", &server.url()]);
    let output = command.output().await.expect("the command runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

/// A task document as the original service takes it.
fn task_document(action: &str, design_ref: &str) -> Value {
    json!({
        "action": action,
        "design_ref": design_ref,
        "node_filter": {
            "filter_set_type": "union",
            "filter_set": [
                {
                    "filter_type": "intersection",
                    "node_names": [], "node_tags": [],
                    "node_labels": {"color": "yellow", "type": "physical"},
                    "rack_names": [], "rack_labels": {}
                },
                {
                    "filter_type": "intersection",
                    "node_names": ["a"], "node_tags": [], "node_labels": {},
                    "rack_names": [], "rack_labels": {}
                }
            ]
        }
    })
}

async fn a_task_document_comes_back_as_a_status_document(database: Database) {
    let site = worked_site();
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    for (count, action) in ["verify_node", "verify_nodes"].into_iter().enumerate() {
        let asked = task_document(action, &site.reference());
        let path = database.directory().join("task.json");
        std::fs::write(&path, asked.to_string()).expect("the document is written");
        let path = path.to_str().expect("a path in UTF-8");
        command(&server, &["task", "create", "-f", path]).await;

        let tasks = client.list().await;
        let roots: Vec<_> = tasks
            .iter()
            .filter(|task| task.parent_task_id.is_none())
            .collect();
        assert_eq!(roots.len(), count + 1);
        let task_id = &roots[count].task_id;
        Follower::of(&client, task_id).finish(None).await;
        let task = client.get(task_id).await;

        let output = command(&server, &["task", "get", task_id, "-o", "document"]).await;
        let mut document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let messages = document["result"]["details"]["messageList"].take();
        for message in messages.as_array().expect("a list of messages") {
            let keys = ["message", "error", "context_type", "context", "ts", "extra"];
            let object = message.as_object().expect("a message is an object");
            assert_eq!(object.len(), keys.len(), "{message}");
            assert!(
                keys.iter().all(|key| object.contains_key(*key)),
                "{message}"
            );
        }
        for key in ["created", "updated"] {
            let time = document[key].take();
            let time = time.as_str().expect("a time");
            chrono::DateTime::parse_from_rfc3339(time).expect("RFC 3339");
        }
        let sentence = document["result"]["message"].take();
        assert!(sentence.as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(
            document,
            json!({
                "Kind": "Task",
                "apiVersion": "v1",
                "task_id": task_id,
                "action": "verify_node",
                "design_ref": site.reference(),
                "parent_task_id": null,
                "subtask_id_list": task.subtask_id_list,
                "status": "complete",
                "node_filter": asked["node_filter"],
                "created": null,
                "created_by": "anonymous",
                "updated": null,
                "terminated": null,
                "terminated_by": null,
                "result": {
                    "Kind": "Status",
                    "apiVersion": "v1",
                    "metadata": {},
                    "message": null,
                    "reason": "",
                    "status": "success",
                    "details": {"errorCount": 0, "messageList": null},
                    "successes": ["a", "c"],
                    "failures": [],
                    "links": task.result.map(|result| result.links.iter()
                        .map(|link| json!({"rel": link.rel, "href": link.href}))
                        .collect::<Vec<_>>()),
                },
            })
        );
        assert_eq!(task.subtask_id_list.len(), 2);
    }
}
