//! Findings for people: with the line they are about, as compilers show it.

use std::collections::HashMap;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level as Title, Origin, Renderer, Snippet};

use super::excerpt::excerpt;
use super::report::{Found, Level, Report};

/// All findings, each with its line where its file is at hand.
pub(super) fn text(report: &Report, sources: &HashMap<String, String>, colours: bool) -> String {
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for found in &report.found {
        let source = found.file.as_ref().and_then(|file| sources.get(file));
        // Writing to a string does not fail.
        writeln!(text, "{}\n", one(found, source, &renderer)).ok();
    }
    text
}

fn one(found: &Found, source: Option<&String>, renderer: &Renderer) -> String {
    let level = match found.severity {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
    };
    let title = level.primary_title(&found.message).id(&found.code);
    let excerpt = source
        .zip(found.line)
        .and_then(|(source, line)| excerpt(source, line, found.column));
    let mut group = match (&found.file, &excerpt) {
        (Some(file), Some(excerpt)) => title.element(
            Snippet::source(&excerpt.text)
                .path(file)
                .line_start(found.line.map_or(1, |line| line as usize))
                .annotation(AnnotationKind::Primary.span(excerpt.span.clone())),
        ),
        (Some(file), None) => {
            let mut origin = Origin::path(file);
            if let Some(line) = found.line {
                origin = origin.line(line as usize);
            }
            title.element(origin)
        }
        (None, _) => Group::with_title(title),
    };
    if let Some(subject) = found.subject() {
        group = group.element(Title::NOTE.message(subject));
    }
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        Found {
            severity: Level::Error,
            code: "missing_profile".to_owned(),
            message: "no HostProfile is named `x`".to_owned(),
            document: Some("BaremetalNode/n1".to_owned()),
            file: Some("site.yaml".to_owned()),
            line: Some(2),
            column: Some(17),
            field: Some("data.host_profile".to_owned()),
        }
    }

    #[test]
    fn a_finding_points_at_its_line() {
        let sources = HashMap::from([(
            "site.yaml".to_owned(),
            "data:\n  host_profile: x  # none\n".to_owned(),
        )]);
        let report = Report {
            found: vec![found()],
            errors: 1,
            warnings: 0,
        };
        assert_eq!(
            text(&report, &sources, false),
            "error[missing_profile]: no HostProfile is named `x`
 --> site.yaml:2:17
  |
2 |   host_profile: x  # none
  |                 ^
  |
  = note: BaremetalNode/n1: data.host_profile

"
        );
    }

    #[test]
    fn a_finding_of_an_unseen_file_names_its_place() {
        let plain = one(&found(), None, &Renderer::plain());
        assert!(plain.contains("site.yaml:2"), "{plain}");
        let nowhere = Found {
            file: None,
            line: None,
            column: None,
            ..found()
        };
        let plain = one(&nowhere, None, &Renderer::plain());
        assert!(
            plain.starts_with("error[missing_profile]: no Host"),
            "{plain}"
        );
    }
}
