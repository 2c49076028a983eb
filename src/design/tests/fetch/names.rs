//! Where a name leads, and whether it may.

use super::super::super::Code;
use super::super::super::loader::Loader;
use super::super::super::support::{TestResult, invalid};
use super::super::*;
use super::fetching::{HOME, RACK, fetch, fetcher, load, location, options};
use super::http::{Answer, WebServer};

#[tokio::test]
async fn a_name_that_leads_where_it_must_not_is_refused() -> TestResult {
    let server = WebServer::start(|_| Answer::ok(RACK)).await;
    let port = server.address().port();
    let mut options = options(&server);
    let uri = format!("http://localhost:{port}/");
    load(&Loader::new(options.clone()), &uri).await?;
    options.references.web.loopback = false;
    let loader = Loader::new(options);
    let findings = invalid(load(&loader, &uri).await);
    assert_eq!(findings[0].code, Code::ReferenceEscapes);
    assert_eq!(
        findings[0].message,
        "the host of the reference leads to a loopback address"
    );
    assert_eq!(server.asked().len(), 1, "it was asked all the same");
    Ok(())
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_connected_to_where_it_led() -> TestResult {
    let server = WebServer::start(|asked| match asked.target.as_str() {
        "/" => Answer::redirect("/next"),
        _next => Answer::ok(RACK),
    })
    .await;
    let options = options(&server);
    let location = location(&options, server.address().port());
    // Whoever asked a second time would be sent to the metadata of a cloud.
    let fetcher = fetcher(&options, &[&[&HOME.to_string()], &["169.254.169.254"]]);
    let fetched = fetch(&fetcher, &location).await?;
    assert!(matches!(fetched, Fetched::Content(_)), "{fetched:?}");
    assert_eq!(server.asked().len(), 2);
    let Resolver::Script(left) = &fetcher.resolver else {
        panic!("it is a script")
    };
    assert_eq!(left.lock().expect("nobody panicked").len(), 1);
    Ok(())
}

#[tokio::test]
async fn one_forbidden_address_among_others_refuses_the_name() -> TestResult {
    let server = WebServer::start(|_| Answer::ok(RACK)).await;
    let options = options(&server);
    let location = location(&options, server.address().port());
    let home = HOME.to_string();
    for (answers, what) in [
        (
            vec![home.as_str(), "169.254.169.254"],
            "a link-local address",
        ),
        (
            vec![home.as_str(), "::ffff:127.0.0.1"],
            "a loopback address",
        ),
        (vec!["0.0.0.0"], "an unspecified address"),
        (vec!["ff02::1", home.as_str()], "a multicast address"),
        (vec!["fd00:ec2::254"], "the address of a metadata service"),
    ] {
        let findings = invalid(fetch(&fetcher(&options, &[&answers]), &location).await);
        let expected = format!("the host of the reference leads to {what}");
        assert_eq!(findings[0].message, expected);
    }
    let nothing = fetch(&fetcher(&options, &[&[]]), &location).await;
    assert!(
        matches!(nothing, Err(LoadError::Unavailable(_))),
        "{nothing:?}"
    );
    assert!(server.asked().is_empty());
    Ok(())
}
