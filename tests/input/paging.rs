//! Page tokens: pages make up the list, and a token continues its own list alone.

use drydock::proto::v1::{
    ListTaskMessagesRequest, ListTasksRequest, ResolveNodeFilterRequest, TaskAction, TaskFilter,
};
use tonic::{Code, Status};

use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::support::stream::Follower;

on_both_databases!(
    pages_make_up_the_list,
    a_page_token_of_another_list_is_refused,
);

/// A change to a request, and what it changes.
type Change<'a> = (&'a str, &'a dyn Fn(&mut ListTasksRequest));

fn is_page_token_invalid(status: &Status) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(reason(status), "PAGE_TOKEN_INVALID");
}

async fn pages_make_up_the_list(database: Database) {
    let site = Site::of(&Machine::many(9));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    Follower::of(&client, &task.task_id).finish(None).await;
    let all: Vec<_> = client
        .list()
        .await
        .into_iter()
        .map(|task| task.task_id)
        .collect();
    assert_eq!(all.len(), 19);
    for order_by in ["created", "created desc"] {
        let mut request = ListTasksRequest {
            page_size: 4,
            order_by: order_by.to_owned(),
            ..ListTasksRequest::default()
        };
        let mut paged = Vec::new();
        loop {
            let answer = client.tasks.clone().list_tasks(request.clone()).await;
            let page = answer.expect("a page").into_inner();
            assert!(page.tasks.len() <= 4);
            paged.extend(page.tasks.into_iter().map(|task| task.task_id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        if order_by != "created" {
            paged.reverse();
        }
        assert_eq!(paged, all, "{order_by}");
    }

    let mut request = ResolveNodeFilterRequest {
        design_ref: site.reference(),
        page_size: 2,
        ..ResolveNodeFilterRequest::default()
    };
    let mut names = Vec::new();
    loop {
        let answer = client
            .designs
            .clone()
            .resolve_node_filter(request.clone())
            .await;
        let page = answer.expect("a page").into_inner();
        assert_eq!(page.total, Some(9));
        names.extend(page.nodes.into_iter().map(|node| node.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names.len(), 9);
    assert!(names.is_sorted());
}

async fn a_page_token_of_another_list_is_refused(database: Database) {
    let site = Site::of(&Machine::many(3));
    let other = site.add("other", &Machine::many(3));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let task = client
        .create(TaskAction::VerifyNode, &site.reference())
        .await;
    Follower::of(&client, &task.task_id).finish(None).await;
    let list = |request: ListTasksRequest| {
        let mut tasks = client.tasks.clone();
        async move {
            tasks
                .list_tasks(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    let first = ListTasksRequest {
        page_size: 1,
        ..ListTasksRequest::default()
    };
    let page_token = list(first.clone()).await.expect("a page").next_page_token;
    let next = ListTasksRequest {
        page_token: page_token.clone(),
        ..first
    };
    list(next.clone()).await.expect("the next page");
    let larger = ListTasksRequest {
        page_size: 2,
        ..next.clone()
    };
    list(larger).await.expect("a next page of another size");

    let others: [Change<'_>; 6] = [
        ("another order", &|r| r.order_by = "created".to_owned()),
        ("another filter", &|r| {
            r.filter = Some(TaskFilter {
                roots_only: true,
                ..TaskFilter::default()
            });
        }),
        ("another view", &|r| r.view = 2),
        ("no token", &|r| r.page_token = "token".to_owned()),
        ("a token with something after it", &|r| {
            r.page_token.push('A')
        }),
        ("a large token", &|r| r.page_token = "A".repeat(100_000)),
    ];
    for (what, change) in others {
        let mut request = next.clone();
        change(&mut request);
        is_page_token_invalid(&list(request).await.expect_err(what));
    }

    let messages = ListTaskMessagesRequest {
        task_id: task.task_id.clone(),
        page_token: page_token.clone(),
        ..ListTaskMessagesRequest::default()
    };
    let answer = client.tasks.clone().list_task_messages(messages).await;
    is_page_token_invalid(&answer.expect_err("a token of tasks for messages"));

    let resolve = |design_ref: String, page_token: String| {
        let mut designs = client.designs.clone();
        let request = ResolveNodeFilterRequest {
            design_ref,
            page_size: 1,
            page_token,
            ..ResolveNodeFilterRequest::default()
        };
        async move { designs.resolve_node_filter(request).await }
    };
    let page = resolve(site.reference(), String::new())
        .await
        .expect("a page")
        .into_inner();
    let answer = resolve(other, page.next_page_token).await;
    is_page_token_invalid(&answer.expect_err("a token of another design"));
    let answer = resolve(site.reference(), page_token).await;
    is_page_token_invalid(&answer.expect_err("a token of tasks for nodes"));
}
