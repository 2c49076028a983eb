//! A repository that packages cannot be fetched from.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::region::RepositoryType;

pub(super) const RULE: Rule = Rule {
    code: "repository_url",
    severity: Severity::Error,
    summary: "a repository that packages cannot be fetched from",
    explanation: "The `url` of a repository starts with `http://`, `https://`, `ftp://` or \
        `file:///` and names a host or path; an apt repository may be a `ppa:`, too. Every node \
        fetches packages from it when it is deployed, and fails with any other.",
    needed_by: need::DEPLOYMENT,
    examples: &[Example {
        failing: "schema: drydock/Region/v1
metadata: {name: site}
data:
  repositories:
    main:
      repo_type: apt
      url: packages.example.com/ubuntu
",
        passing: "schema: drydock/Region/v1
metadata: {name: site}
data:
  repositories:
    main:
      repo_type: apt
      url: https://packages.example.com/ubuntu
",
        message: "site.yaml:7:12: Region/site: data.repositories.main.url: the value is no URL of \
            a scheme that packages are fetched by",
    }],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for region in &site.regions {
        let repositories = region.spec.repositories.iter();
        for (name, repository) in repositories.flat_map(|all| &all.repositories) {
            let Some(url) = &repository.url else {
                continue;
            };
            let ppa = repository.repo_type == Some(RepositoryType::Apt) && url.starts_with("ppa:");
            if !ppa && !is_url(url) {
                let path = Path::of("repositories").field(name).field("url");
                let message = "the value is no URL of a scheme that packages are fetched by";
                report.document(region.id, path, message);
            }
        }
    }
}

fn is_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let whole = !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" | "ftp" => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            whole && !host.is_empty() && !host.starts_with(':') && !host.starts_with('.')
        }
        "file" => whole && rest.starts_with('/'),
        _unknown => false,
    }
}
