//! Every bad request of the tables: refused whole, with the path of each field, and nothing left behind.

use std::collections::BTreeSet;

use drydock::proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::call::{Case, fields_of};
use crate::support::client::{Client, reason};
use crate::support::database::Database;
use crate::support::ledger::Ledger;
use crate::support::server::Launch;
use crate::support::site::{Machine, Site};
use crate::{creating, purging, reading};

on_both_databases!(every_bad_request_is_refused_whole_with_its_fields);

/// The tables may grow; they must not shrink below what was promised.
const AT_LEAST: usize = 100;

async fn every_bad_request_is_refused_whole_with_its_fields(database: Database) {
    let site = Site::of(&Machine::many(1));
    let server = Launch::on(&database)
        .designs_in(site.directory())
        .start()
        .await;
    let client = Client::of(server.address());
    let mut cases = creating::cases(&site.reference());
    cases.extend(reading::cases());
    cases.extend(purging::cases());
    assert!(cases.len() >= AT_LEAST, "only {} cases", cases.len());
    let names: BTreeSet<_> = cases.iter().map(|case| case.what).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");

    let mut wrong = Vec::new();
    for case in cases {
        let what = case.what;
        if let Err(problem) = check(&client, case).await {
            wrong.push(format!("{what}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(client.list().await, [], "something was stored");
    assert!(
        Ledger::read(&database.ledger()).0.is_empty(),
        "a driver was called"
    );
}

async fn check(client: &Client, case: Case) -> Result<(), String> {
    let Err(status) = case.call.send(client).await else {
        return Err("was accepted".to_owned());
    };
    if status.code() != Code::InvalidArgument {
        return Err(format!("{status:?}"));
    }
    if reason(&status) != "FIELD_INVALID" {
        return Err(format!("the reason is {}", reason(&status)));
    }
    let domain = status.get_details_error_info().map(|info| info.domain);
    if domain.as_deref() != Some("drydock.dev") {
        return Err(format!("the domain is {domain:?}"));
    }
    let fields = fields_of(&status);
    let sorted = |mut fields: Vec<String>| {
        fields.sort();
        fields
    };
    if sorted(fields.clone()) != sorted(case.fields.clone()) {
        return Err(format!("{fields:?} instead of {:?}", case.fields));
    }
    Ok(())
}

#[test]
fn every_method_has_a_bad_request() {
    let mut cases = creating::cases("file:///designs/site.yaml");
    cases.extend(reading::cases());
    cases.extend(purging::cases());
    let tested: BTreeSet<_> = cases.iter().map(|case| case.call.method()).collect();
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the descriptors");
    let ours = set
        .file
        .iter()
        .filter(|file| file.package() == "drydock.v1");
    let methods = ours
        .flat_map(|file| &file.service)
        .flat_map(|service| &service.method);
    let methods: BTreeSet<_> = methods.map(|method| method.name()).collect();
    assert_eq!(methods, tested);
}
