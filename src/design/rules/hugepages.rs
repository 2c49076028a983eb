//! Kernel parameters that reserve large pages.

use super::{Example, Report, Rule, SiteView, need};
use crate::design::finding::Severity;
use crate::design::path::Path;
use crate::domain::site::host::KernelParameter;

const SIZE: &str = "hugepagesz";
const COUNT: &str = "hugepages";

pub(super) const RULE: Rule = Rule {
    code: "hugepages",
    severity: Severity::Error,
    summary: "large pages of no size or number",
    explanation: "`hugepages` says how many pages are reserved and `hugepagesz` of which size, as \
        in `1G` or `2M`: a kernel that is told one of them reserves something else, or nothing.",
    needed_by: need::DEPLOYMENT,
    examples: &[
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  platform:
    kernel_params: {hugepages: 10}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  platform:
    kernel_params: {hugepages: 10, hugepagesz: 1G}
",
            message: "site.yaml:5:32: BaremetalNode/a: data.platform.kernel_params.hugepages: \
                `hugepages` without `hugepagesz`",
        },
        Example {
            failing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  platform:
    kernel_params: {hugepages: 10, hugepagesz: 1Q}
",
            passing: "\
schema: drydock/BaremetalNode/v1
metadata: {name: a}
data:
  platform:
    kernel_params: {hugepages: 10, hugepagesz: 2M}
",
            message: "site.yaml:5:48: BaremetalNode/a: data.platform.kernel_params.hugepagesz: \
                `1Q` is no size of a page, for example `2M` or `1G`",
        },
    ],
    check,
};

fn check(site: &SiteView<'_>, report: &mut Report<'_>) {
    for node in &site.nodes {
        let parameters = &node.spec.platform.kernel_params;
        let path = |field: &str| Path::of("platform").field("kernel_params").field(field);
        for (one, other) in [(COUNT, SIZE), (SIZE, COUNT)] {
            if parameters.contains_key(one) && !parameters.contains_key(other) {
                report.node(node, path(one), format!("`{one}` without `{other}`"));
            }
        }
        if let Some(KernelParameter::Text(size)) = parameters.get(SIZE)
            && !is_page_size(size)
        {
            let message = format!("`{size}` is no size of a page, for example `2M` or `1G`");
            report.node(node, path(SIZE), message);
        }
        if let Some(KernelParameter::Text(count)) = parameters.get(COUNT)
            && count.parse::<u64>().is_err()
        {
            let message = format!("`{count}` is no number of pages");
            report.node(node, path(COUNT), message);
        }
    }
}

/// As the kernel reads it: a number with a unit of powers of 1024.
fn is_page_size(text: &str) -> bool {
    let number = text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']);
    number.is_some_and(|number| number.parse::<u64>().is_ok_and(|number| number > 0))
}
