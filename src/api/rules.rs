//! What each method takes of its caller. A method that is not here is denied to everybody.
//!
//! The role is the least that the method takes at all. What is asked for may take more: creating and
//! repeating a task takes the role of its action, which the use case knows
//! ([`Role::to_run`](crate::domain::Role::to_run)).

use crate::domain::Role;

/// What a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Not even a name: load balancers and service managers have none.
    Nothing,
    /// A caller with at least this role.
    Role(Role),
}

/// What is known of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Its path on the wire.
    path: &'static str,
    /// What it takes.
    pub(super) needs: Needs,
    /// Whether it answers with a stream, which may outlive what its caller was granted.
    pub(super) streams: bool,
}

/// What the method at `path` takes.
pub(super) fn rule(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.path == path)
}

const RULES: &[Rule] = &[
    unary("/drydock.v1.TaskService/CreateTask", OPERATE),
    unary("/drydock.v1.TaskService/GetTask", READ),
    unary("/drydock.v1.TaskService/GetTaskTree", READ),
    unary("/drydock.v1.TaskService/ListTasks", READ),
    unary("/drydock.v1.TaskService/ListTaskMessages", READ),
    stream("/drydock.v1.TaskService/WatchTask", READ),
    stream("/drydock.v1.TaskService/WatchTasks", READ),
    unary("/drydock.v1.TaskService/WaitTask", READ),
    // Of a task that wipes too: stopping it destroys nothing more.
    unary("/drydock.v1.TaskService/TerminateTask", OPERATE),
    unary("/drydock.v1.TaskService/RetryTask", OPERATE),
    // Its dry run too: it tells whether the real one will be allowed.
    unary("/drydock.v1.TaskService/PurgeTasks", DESTROY),
    unary("/drydock.v1.BuildDataService/ListBuildData", READ),
    unary("/drydock.v1.DesignService/ResolveNodeFilter", READ),
    unary("/drydock.v1.DesignService/ValidateDesign", READ),
    unary("/drydock.v1.DesignService/GetNode", READ),
    unary("/grpc.health.v1.Health/Check", Needs::Nothing),
    stream("/grpc.health.v1.Health/Watch", Needs::Nothing),
    stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        READ,
    ),
    stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        READ,
    ),
];

const READ: Needs = Needs::Role(Role::Read);
const OPERATE: Needs = Needs::Role(Role::Operate);
const DESTROY: Needs = Needs::Role(Role::Destroy);

const fn unary(path: &'static str, needs: Needs) -> Rule {
    Rule {
        path,
        needs,
        streams: false,
    }
}

const fn stream(path: &'static str, needs: Needs) -> Rule {
    Rule {
        path,
        needs,
        streams: true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::proto::FILE_DESCRIPTOR_SET;

    /// Every method of the services that are on the port, and whether it answers with a stream.
    fn methods() -> BTreeMap<String, bool> {
        let sets = [
            FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut methods = BTreeMap::new();
        for set in sets {
            let set = FileDescriptorSet::decode(set).expect("descriptors");
            for file in set.file {
                // What plug-ins serve is not served here.
                if file.package().starts_with("drydock.driver.") {
                    continue;
                }
                for service in &file.service {
                    for method in &service.method {
                        let path =
                            format!("/{}.{}/{}", file.package(), service.name(), method.name());
                        methods.insert(path, method.server_streaming());
                    }
                }
            }
        }
        methods
    }

    #[test]
    fn every_method_has_a_rule_and_every_rule_a_method() {
        let methods = methods();
        assert!(methods.len() > 10, "{methods:?}");
        let rules: BTreeMap<String, bool> = RULES
            .iter()
            .map(|rule| (rule.path.to_owned(), rule.streams))
            .collect();
        assert_eq!(rules.len(), RULES.len(), "no method has two rules");
        assert_eq!(rules, methods);
    }

    #[test]
    fn only_health_is_asked_for_without_a_name() {
        for rule in RULES {
            let is_open = rule.needs == Needs::Nothing;
            assert_eq!(
                is_open,
                rule.path.starts_with("/grpc.health.v1."),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn what_is_not_known_has_no_rule() {
        for path in [
            "",
            "/",
            "/drydock.v1.TaskService/createtask",
            "/drydock.v1.TaskService/CreateTask/",
            "//drydock.v1.TaskService/GetTask",
        ] {
            assert_eq!(rule(path), None, "{path}");
        }
    }
}
