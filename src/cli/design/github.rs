//! Findings as workflow commands of GitHub Actions, which shows them beside the lines they are about.

use super::report::{Found, Report};

/// One command a finding.
pub(super) fn lines(report: &Report) -> impl Iterator<Item = String> {
    report.found.iter().map(line)
}

fn line(found: &Found) -> String {
    let mut properties = Vec::new();
    let places = [
        ("file", found.file.clone()),
        ("line", found.line.map(|line| line.to_string())),
        ("col", found.column.map(|column| column.to_string())),
        ("title", Some(found.code.clone())),
    ];
    for (name, value) in places {
        if let Some(value) = value {
            properties.push(format!("{name}={}", property(&value)));
        }
    }
    let message = match found.subject() {
        Some(subject) => format!("{subject}: {}", found.message),
        None => found.message.clone(),
    };
    format!(
        "::{} {}::{}",
        found.severity.word(),
        properties.join(","),
        data(&message)
    )
}

/// A message: a percent sign and line breaks are escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property, which ends at a comma or colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_command() {
        let found = Found {
            code: "syntax".to_owned(),
            message: "100 %\nwrong".to_owned(),
            document: Some("Rack/r1".to_owned()),
            file: Some("a,b:c.yaml".to_owned()),
            line: Some(3),
            ..Found::default()
        };
        assert_eq!(
            line(&found),
            "::error file=a%2Cb%3Ac.yaml,line=3,title=syntax::Rack/r1: 100 %25%0Awrong"
        );
    }
}
