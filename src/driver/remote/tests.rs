//! What the driver makes of plug-ins, decent ones and others.
#![expect(clippy::disallowed_types, reason = "plug-ins answer with statuses")]

use std::time::Duration;

use tonic::Status;

use super::options::{Address, Place};
use super::testing::{
    Act, NAME, PASSWORD, Plugin, begun, call, described, driver_at, end, failure, message, success,
};
use super::wire::v1;
use super::wire::v1::execute_response::Update;
use super::wire::v1::inspect_response::State;
use crate::domain::{Policy, StepKind};
use crate::driver::{Driver, DriverError, ErrorKind, Mark, Progress};
use crate::secret::SecretReference;

const DEPLOY: StepKind = StepKind::DeployNode;

fn text(answer: Result<Progress, DriverError>) -> String {
    match answer {
        Ok(Progress::Running { message, .. }) => message.unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

fn done(answer: Result<Progress, DriverError>) -> String {
    match answer {
        Ok(Progress::Done(report)) => report.message.unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

fn running() -> State {
    State::Running(v1::Running::default())
}

fn interrupted() -> State {
    State::Interrupted(v1::Interrupted {
        message: "at part 3".to_owned(),
    })
}

#[tokio::test]
async fn a_step_is_begun_followed_and_ends() {
    let plugin = Plugin::playing([
        vec![begun(), message("copying"), Act::Hang],
        vec![message("checking"), Act::Hang],
        vec![end(success("installed"))],
    ])
    .await;
    let driver = plugin.driver();
    let call = call(DEPLOY, Policy::Guarded, 1);
    assert_eq!(text(driver.start(&call).await), "copying");
    assert_eq!(text(driver.poll(&call).await), "checking");
    assert_eq!(done(driver.poll(&call).await), "installed");
    assert!(driver.interruptible(DEPLOY));
    assert_eq!(
        plugin.calls(),
        ["describe", "begin 1", "follow 2", "follow 1"]
    );
    let play = plugin.play();
    let request = &play.requests[0];
    let attempt = request.attempt.as_ref().unwrap();
    assert_eq!(attempt.task_id, call.task_id.to_string());
    assert_eq!((attempt.epoch, attempt.node_name()), (1, "n1"));
    let stop_within = request.stop_within.unwrap();
    assert_eq!((stop_within.seconds, stop_within.nanos), (2, 0));
}

#[tokio::test]
async fn a_successor_inspects_with_its_epoch_before_anything_else() {
    let plugin = Plugin::playing([vec![end(success(""))]]).await;
    let converge = call(StepKind::SetNodeBoot, Policy::Converge, 2);
    done(plugin.driver().start(&converge).await);
    assert_eq!(plugin.calls(), ["describe", "inspect in 2", "begin 1"]);

    let plugin = Plugin::playing([vec![end(success("adopted"))]]).await;
    let plugin = plugin.will_say([(running(), 7)]);
    let driver = plugin.driver();
    let guarded = call(DEPLOY, Policy::Guarded, 3);
    assert_eq!(driver.find(&guarded).await, Ok(Mark::Present));
    assert_eq!(done(driver.poll(&guarded).await), "adopted");
    assert_eq!(plugin.calls(), ["describe", "inspect in 3", "follow 7"]);

    // A step that is polled or cancelled without its mark being looked for.
    let plugin = Plugin::playing([vec![end(success(""))]]).await;
    let plugin = plugin.will_say([(running(), 1)]);
    let driver = plugin.driver();
    done(driver.poll(&call(DEPLOY, Policy::Once, 2)).await);
    driver.cancel(&call(DEPLOY, Policy::Once, 2)).await.unwrap();
    let calls = [
        "describe",
        "inspect in 2",
        "follow 1",
        "inspect in 2",
        "cancel",
    ];
    assert_eq!(plugin.calls(), calls);
}

#[tokio::test]
async fn what_became_of_a_guarded_step_is_certain_or_an_error() {
    let unknown = State::Unknown(v1::Unknown {
        message: "the tool is away".to_owned(),
    });
    let fenced = State::Fenced(v1::Fenced { epoch: 9 });
    let ended = State::Ended(success("it was"));
    let states = [
        State::NotBegun(v1::NotBegun {}),
        interrupted(),
        ended,
        unknown,
        fenced,
    ];
    let plugin = Plugin::playing([]).await;
    let plugin = plugin.will_say(states.map(|state| (state, 0)));
    let driver = plugin.driver();
    let mut found = Vec::new();
    for _ in 0..5 {
        let call = call(DEPLOY, Policy::Guarded, 2);
        found.push(
            driver
                .find(&call)
                .await
                .map_err(|error| (error.transient, error.message)),
        );
    }
    let fenced = "plug-in maas has seen epoch 9 of this task and refuses 2";
    let unknown = "plug-in maas cannot tell what became of it: the tool is away";
    assert_eq!(
        found,
        [
            Ok(Mark::Absent),
            Ok(Mark::Absent),
            Ok(Mark::Present),
            Err((true, unknown.to_owned())),
            Err((false, fenced.to_owned())),
        ]
    );
}

#[tokio::test]
async fn work_that_stopped_is_gone_on_with_only_where_that_is_safe() {
    let stopped = || {
        [
            vec![begun(), Act::Fail(Status::unavailable("restarted"))],
            vec![],
        ]
    };
    // By its policy: the calls after the stop, and the kind of the error if it is one.
    for (policy, next, kind) in [
        (Policy::Converge, Some("begin 1"), None),
        (Policy::Guarded, Some("begin 1"), None),
        (Policy::Once, None, Some(ErrorKind::Failed)),
    ] {
        let plugin = Plugin::playing(stopped()).await;
        let plugin = plugin.will_say([(interrupted(), 0)]);
        plugin
            .play()
            .executes
            .push_back(vec![end(success("at last"))]);
        let driver = plugin.driver_with(|options| {
            options
                .once
                .extend((policy == Policy::Once).then_some(DEPLOY));
        });
        let call = call(DEPLOY, policy, 1);
        let broke = driver.start(&call).await.unwrap_err();
        assert!(broke.transient && !broke.not_sent, "{broke}");
        match kind {
            None => {
                text(driver.poll(&call).await);
                assert_eq!(done(driver.poll(&call).await), "at last");
            }
            Some(kind) => {
                let error = driver.poll(&call).await.unwrap_err();
                assert_eq!((error.kind, error.transient), (kind, false));
                assert!(
                    error.message.ends_with("in plug-in maas: at part 3"),
                    "{error}"
                );
            }
        }
        let calls = plugin.calls();
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        let begun = ["describe", "begin 1", "follow 1", "inspect in 1"];
        assert_eq!(calls, begun.into_iter().chain(next).collect::<Vec<&str>>());
    }
    // Nobody goes on with what was to stop, and what is not known is not begun by a poll.
    for (state, policy, kind) in [
        (interrupted(), Policy::Guarded, ErrorKind::Cancelled),
        (
            State::NotBegun(v1::NotBegun {}),
            Policy::Converge,
            ErrorKind::NotStarted,
        ),
    ] {
        let plugin = Plugin::playing([vec![begun(), message("x")], vec![]]).await;
        let plugin = plugin.will_say([(state, 0)]);
        let driver = plugin.driver();
        let call = call(DEPLOY, policy, 1);
        text(driver.start(&call).await);
        driver.cancel(&call).await.unwrap();
        let error = driver.poll(&call).await.unwrap_err();
        assert_eq!((error.kind, error.transient), (kind, false));
    }
    let plugin = Plugin::playing([vec![begun(), message("x")], vec![]]).await;
    let driver = plugin.driver();
    let call = call(DEPLOY, Policy::Guarded, 1);
    text(driver.start(&call).await);
    let error = driver.poll(&call).await.unwrap_err();
    assert_eq!(
        (error.kind, error.transient),
        (ErrorKind::NotStarted, false)
    );
}

#[tokio::test]
async fn a_step_that_can_be_repeated_is_begun_anew_a_few_times() {
    let failing = || vec![begun(), end(failure(true, "the BMC is restarting"))];
    let mut plays = vec![vec![begun(), message("x")]];
    plays.extend((0..10).map(|_| failing()));
    let plugin = Plugin::playing(plays).await;
    let driver = plugin.driver();
    let observe = call(StepKind::InterrogateOob, Policy::Observe, 1);
    text(driver.start(&observe).await);
    let mut failures = 0;
    loop {
        let error = driver.poll(&observe).await.unwrap_err();
        failures += 1;
        assert_eq!(error.message, "the BMC is restarting");
        if !error.transient {
            break;
        }
    }
    assert_eq!(failures, 4);

    // Not one that has a mark: that it failed is how it ended.
    let plugin = Plugin::playing([vec![begun(), message("x")], failing()]).await;
    let driver = plugin.driver();
    let guarded = call(DEPLOY, Policy::Guarded, 1);
    text(driver.start(&guarded).await);
    assert!(!driver.poll(&guarded).await.unwrap_err().transient);
}

#[tokio::test]
async fn a_plug_in_is_held_to_what_is_relied_on_before_anything_begins() {
    let plugin = Plugin::playing([]).await;
    plugin.play().described = Some(described(Policy::Once));
    let deploy = call(DEPLOY, Policy::Guarded, 1);
    let error = plugin.driver().start(&deploy).await.unwrap_err();
    assert!(
        error.not_sent && error.message.contains("promises `once`"),
        "{error}"
    );
    let driver = plugin.driver_with(|options| options.once.extend([DEPLOY]));
    assert_eq!(driver.policy(&deploy), Policy::Once);
    plugin.play().executes.push_back(vec![end(success("once"))]);
    assert_eq!(done(driver.start(&deploy).await), "once");

    plugin.play().described = Some(v1::DescribeResponse {
        protocol_version: 1,
        ..v1::DescribeResponse::default()
    });
    let driver = plugin.driver();
    let error = driver.start(&deploy).await.unwrap_err();
    assert_eq!(
        error.message,
        "plug-in maas does not do deploy_node; it does nothing"
    );
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert_eq!(
        plugin
            .calls()
            .iter()
            .filter(|call| call.starts_with("begin"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_plug_in_that_is_not_there_has_begun_nothing() {
    let nowhere = Address::Loopback(Place {
        host: "127.0.0.1".to_owned(),
        port: 1,
    });
    let driver = driver_at(nowhere, |options| {
        options.call_timeout = Duration::from_millis(400)
    });
    let call = call(DEPLOY, Policy::Guarded, 1);
    let error = driver.start(&call).await.unwrap_err();
    assert!(error.not_sent && error.transient, "{error:?}");
    let begins = "no connection to plug-in maas at 127.0.0.1:1: ";
    assert!(error.message.starts_with(begins), "{error}");
    let error = driver.poll(&call).await.unwrap_err();
    assert_eq!(
        (error.kind, error.transient),
        (ErrorKind::NotStarted, false)
    );
    assert!(!driver.interruptible(DEPLOY));
    let error = driver.find(&call).await.unwrap_err();
    assert!(error.transient, "{error:?}");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_said_so() {
    let plugin = Plugin::playing([]).await;
    plugin.play().refused = Some(Status::unauthenticated("who is to-be-shown"));
    let token: SecretReference = "secret://token".parse().unwrap();
    let driver = plugin.driver_with(|options| options.token = Some(token));
    let call = call(DEPLOY, Policy::Guarded, 1);
    let error = driver.start(&call).await.unwrap_err();
    assert_eq!(
        error.message,
        "plug-in maas does not accept us: who is [redacted]"
    );
    assert_eq!(
        (error.kind, error.transient),
        (ErrorKind::Unauthorised, false)
    );
    assert_eq!(plugin.calls(), ["describe Bearer to-be-shown"]);
}

#[tokio::test]
async fn a_plug_in_that_says_nothing_is_not_waited_for_to_begin() {
    let plugin =
        Plugin::playing([vec![Act::Hang], vec![begun(), Act::Hang], vec![Act::Hang]]).await;
    let driver = plugin.driver_with(|options| options.call_timeout = Duration::from_millis(400));
    let call = call(DEPLOY, Policy::Guarded, 1);
    let error = driver.start(&call).await.unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::Timeout, true));
    // What has begun is followed in silence.
    text(driver.start(&call).await);
    text(driver.poll(&call).await);
}

#[tokio::test]
async fn what_a_plug_in_tells_is_bounded() {
    let long = "a".repeat(2 * 1024 * 1024);
    let plugin = Plugin::playing([vec![begun(), message(&long)], vec![begun(), Act::Flood]]).await;
    let driver = plugin.driver();
    let call = call(StepKind::InterrogateOob, Policy::Observe, 1);
    let error = driver.start(&call).await.unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::Protocol, false));
    assert!(error.message.len() < 1024, "{error}");

    let mut told = usize::from(!text(driver.start(&call).await).is_empty());
    plugin
        .play()
        .executes
        .extend((0..101).map(|_| vec![Act::Flood]));
    for _ in 0..100 {
        told += usize::from(!text(driver.poll(&call).await).is_empty());
    }
    assert_eq!(told, 100, "and the end of the call is not missed");

    let plugin = Plugin::playing([
        vec![message("\u{1b}[31mred\u{202e}\r\nline")],
        vec![end(v1::Outcome::default())],
    ])
    .await;
    let driver = plugin.driver();
    assert_eq!(text(driver.start(&call).await), "[31mred line");
    let error = driver.poll(&call).await.unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::Protocol, false));
}

#[tokio::test]
async fn a_plug_in_gets_no_more_than_it_was_configured_to() {
    let plays = || [vec![message(&format!("I was told {PASSWORD}")), Act::Hang]];
    let interrogate = call(StepKind::InterrogateOob, Policy::Observe, 1);
    let plugin = Plugin::playing(plays()).await;
    text(plugin.driver().start(&interrogate).await);
    assert!(!format!("{:?}", plugin.play().requests).contains(PASSWORD));

    let plugin = Plugin::playing(plays()).await;
    let driver = plugin.driver_with(|options| options.send_credentials = true);
    assert_eq!(
        text(driver.start(&interrogate).await),
        "I was told [redacted]"
    );
    let play = plugin.play();
    let Some(v1::execute_request::Intent::Begin(begin)) = &play.requests[0].intent else {
        panic!("{:?}", play.requests);
    };
    let oob = begin.nodes[0].oob.as_ref().unwrap();
    assert_eq!(oob.credential(), PASSWORD);
    assert_eq!(
        (oob.r#type.as_str(), oob.parameters["chassis"].as_str()),
        (NAME, "7")
    );
    assert_eq!(begin.nodes[0].design, None);
}

#[tokio::test]
async fn the_step_of_a_site_is_done_until_all_drivers_are_done() {
    let plugin = Plugin::playing([vec![message("asking")], vec![end(success("all well"))]]).await;
    let driver = plugin.driver();
    let call = call(StepKind::ValidateOobServices, Policy::Observe, 1);
    text(driver.start(&call).await);
    for _ in 0..3 {
        assert_eq!(done(driver.start(&call).await), "all well");
    }
    assert_eq!(plugin.calls(), ["describe", "begin 1", "follow 1"]);
    let play = plugin.play();
    let Some(v1::execute_request::Intent::Begin(begin)) = &play.requests[0].intent else {
        panic!("{:?}", play.requests);
    };
    assert_eq!(begin.nodes.len(), 1, "a sample of the nodes");
}

#[tokio::test]
async fn a_lower_epoch_ends_the_step_here() {
    let fenced = Act::Tell(Update::Fenced(v1::Fenced { epoch: 4 }));
    let plugin = Plugin::playing([vec![begun(), message("x")], vec![fenced]]).await;
    let driver = plugin.driver();
    let call = call(DEPLOY, Policy::Guarded, 1);
    text(driver.start(&call).await);
    let error = driver.poll(&call).await.unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::Refused, false));
}
