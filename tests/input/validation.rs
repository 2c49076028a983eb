//! ValidateDesign: an answer whatever the design is like, and the same that a task gives.

use drydock::proto::v1::{
    ListTaskMessagesRequest, ResultStatus, TaskAction, ValidateDesignRequest,
};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(a_design_is_validated_with_and_without_a_task);

async fn a_design_is_validated_with_and_without_a_task(database: Database) {
    let site = Site::of(&Machine::many(3));
    let broken = site.directory().join("broken.yaml");
    let text = "schema: drydock/BaremetalNode/v1\nmetadata:\n  name: n1\n\
                data:\n  host_profile: nothing\n";
    std::fs::write(&broken, text).expect("a file");
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let validate = async |design_ref: String| {
        let request = ValidateDesignRequest { design_ref };
        let answer = client.designs.clone().validate_design(request).await;
        answer.expect("an answer").into_inner()
    };

    let good = validate(site.reference()).await;
    assert_eq!(good.status(), ResultStatus::Success, "{good:?}");
    assert_eq!(good.details.expect("details").error_count, Some(0));
    assert_eq!(good.kind, "Status");

    let missing = validate(format!("file://{}/no.yaml", site.directory().display())).await;
    assert_eq!(missing.status(), ResultStatus::Failure);

    let reference = format!("file://{}", broken.display());
    let wrong = validate(reference.clone()).await;
    assert_eq!(wrong.status(), ResultStatus::Failure);
    assert_eq!(wrong.reason, "DesignInvalid");
    let details = wrong.details.expect("details");
    let found = details
        .message_list
        .iter()
        .find(|message| message.message.contains("`nothing`"))
        .expect("the profile that is missing");
    assert_eq!(found.context, "BaremetalNode/n1");
    assert_eq!(found.context_type, "document");

    let task = client.create(TaskAction::ValidateDesign, &reference).await;
    let ended = Follower::of(&client, &task.task_id).finish(None).await;
    drop(ended);
    let request = ListTaskMessagesRequest {
        task_id: task.task_id,
        errors_only: true,
        ..ListTaskMessagesRequest::default()
    };
    let listed = client.tasks.clone().list_task_messages(request).await;
    let listed = listed.expect("messages").into_inner().messages;
    let of_task: Vec<_> = listed
        .iter()
        .filter_map(|entry| entry.message.as_ref())
        .filter(|message| message.context_type == "document")
        .map(|message| (&message.message, &message.extra))
        .collect();
    let of_call: Vec<_> = details
        .message_list
        .iter()
        .filter(|message| message.error())
        .map(|message| (&message.message, &message.extra))
        .collect();
    assert_eq!(of_task, of_call);
}
