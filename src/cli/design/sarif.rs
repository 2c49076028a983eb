//! Findings in SARIF 2.1.0 (OASIS), which code scanners exchange.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::report::{Found, Report};
use super::rules;
use crate::design::catalogue;

/// What a path keeps as it is in a URI reference (RFC 3986, unreserved characters and the slash).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The log of one run.
pub(super) fn log(report: &Report) -> Value {
    let mut indexes = BTreeMap::new();
    for found in &report.found {
        indexes.entry(found.code.as_str()).or_insert(0);
    }
    for (index, place) in indexes.values_mut().enumerate() {
        *place = index;
    }
    let rules: Vec<Value> = indexes.keys().map(|code| rule(code)).collect();
    let results: Vec<Value> = report
        .found
        .iter()
        .map(|found| result(found, indexes.get(found.code.as_str()).copied()))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "drydock",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What a code scanner shows of a rule. A server may be newer than we are, and know others.
fn rule(code: &str) -> Value {
    let Some(known) = catalogue().find(|known| known.code == code) else {
        return json!({"id": code});
    };
    json!({
        "id": code,
        "shortDescription": {"text": known.summary},
        "fullDescription": {"text": known.explanation},
        "defaultConfiguration": {"level": rules::word(known.severity)},
        "help": {"text": known.explanation, "markdown": known.explanation},
    })
}

fn result(found: &Found, rule_index: Option<usize>) -> Value {
    let mut location = json!({});
    if let Some(file) = &found.file {
        location["physicalLocation"] = json!({
            "artifactLocation": {"uri": utf8_percent_encode(file, PATH).to_string()},
        });
        if let Some(line) = found.line {
            let mut region = json!({"startLine": line});
            if let Some(column) = found.column {
                region["startColumn"] = json!(column);
            }
            location["physicalLocation"]["region"] = region;
        }
    }
    if let Some(subject) = found.subject() {
        location["logicalLocations"] = json!([{"fullyQualifiedName": subject}]);
    }
    let mut result = json!({
        "ruleId": found.code,
        "level": found.severity.word(),
        "message": {"text": found.message},
        "locations": [location],
    });
    if let Some(index) = rule_index {
        result["ruleIndex"] = json!(index);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_result_of_its_rule() {
        let found = |code: &str, file: Option<&str>| Found {
            code: code.to_owned(),
            message: "wrong".to_owned(),
            file: file.map(str::to_owned),
            line: Some(3),
            column: Some(5),
            ..Found::default()
        };
        let report = Report {
            found: vec![
                found("syntax", Some("a b/ö.yaml")),
                found("name", None),
                found("syntax", None),
            ],
            errors: 3,
            warnings: 0,
        };
        let log = log(&report);
        let run = &log["runs"][0];
        let rules = &run["tool"]["driver"]["rules"];
        assert_eq!(rules[0]["id"], "name");
        assert_eq!(rules[1]["id"], "syntax");
        assert_eq!(rules[1]["defaultConfiguration"]["level"], "error");
        assert_eq!(rules[1]["shortDescription"]["text"], "not YAML");
        let first = &run["results"][0];
        assert_eq!(first["ruleIndex"], 1);
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%B6.yaml");
        assert_eq!(place["region"], json!({"startLine": 3, "startColumn": 5}));
        assert_eq!(run["results"][1]["ruleIndex"], 0);
    }
}
