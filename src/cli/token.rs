//! Tokens: how documents and command lines spell the enums of the contract.

use crate::domain::Action;
use crate::proto::v1::{
    FilterType, ResultStatus, RetryScope, TaskAction, TaskStatus, TransitionCause,
};

/// An enum of the contract whose values have tokens.
pub(super) trait Token: TryFrom<i32> + Copy {
    /// What the names of its values begin with.
    const PREFIX: &'static str;

    fn name(self) -> &'static str;

    fn from_name(name: &str) -> Option<Self>;
}

macro_rules! token {
    ($enum:ty, $prefix:literal) => {
        impl Token for $enum {
            const PREFIX: &'static str = $prefix;

            fn name(self) -> &'static str {
                self.as_str_name()
            }

            fn from_name(name: &str) -> Option<Self> {
                Self::from_str_name(name)
            }
        }
    };
}

token!(TaskAction, "TASK_ACTION_");
token!(TaskStatus, "TASK_STATUS_");
token!(ResultStatus, "RESULT_STATUS_");
token!(FilterType, "FILTER_TYPE_");
token!(RetryScope, "RETRY_SCOPE_");
token!(TransitionCause, "TRANSITION_CAUSE_");

/// The token of a number on the wire. One that this client is too old to know is shown as it is.
pub(super) fn of<T: Token>(number: i32) -> String {
    match T::try_from(number) {
        Ok(value) => value
            .name()
            .trim_start_matches(T::PREFIX)
            .to_ascii_lowercase(),
        Err(_) => number.to_string(),
    }
}

/// The value of a token; also with dashes, as command lines like them.
pub(super) fn parse<T: Token>(token: &str) -> Option<T> {
    let name = token.replace('-', "_");
    // Upper case is a constant's name, not a token.
    if token == "unspecified" || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    T::from_name(&format!("{}{}", T::PREFIX, name.to_ascii_uppercase()))
}

/// As [`parse`], for a flag.
pub(super) fn argument<T: Token>(token: &str) -> Result<T, String> {
    parse(token).ok_or_else(|| {
        let tokens: Vec<String> = (1..)
            .map_while(|number| T::try_from(number).ok().map(|_| of::<T>(number)))
            .collect();
        format!("one of {}", tokens.join(", "))
    })
}

/// The action of a token, the plural spellings of the original included.
pub(super) fn action(token: &str) -> Result<Action, String> {
    Action::parse(token).ok_or_else(|| {
        let tokens = Action::ALL.map(Action::token);
        format!("one of {}", tokens.join(", "))
    })
}

/// An action as the wire has it.
pub(super) fn wire_action(action: Action) -> TaskAction {
    match action {
        Action::ValidateDesign => TaskAction::ValidateDesign,
        Action::VerifySite => TaskAction::VerifySite,
        Action::PrepareSite => TaskAction::PrepareSite,
        Action::VerifyNode => TaskAction::VerifyNode,
        Action::PrepareNode => TaskAction::PrepareNode,
        Action::DeployNode => TaskAction::DeployNode,
        Action::DestroyNode => TaskAction::DestroyNode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_lower_case_without_the_prefix() {
        assert_eq!(
            of::<TaskAction>(TaskAction::VerifyNode.into()),
            "verify_node"
        );
        assert_eq!(of::<ResultStatus>(3), "partial_success");
        assert_eq!(of::<TaskStatus>(99), "99");
        assert_eq!(parse::<FilterType>("union"), Some(FilterType::Union));
        assert_eq!(parse::<RetryScope>("all-nodes"), Some(RetryScope::AllNodes));
        assert_eq!(parse::<FilterType>("UNION"), None);
        assert_eq!(parse::<FilterType>("unspecified"), None);
        assert_eq!(
            argument::<FilterType>("or"),
            Err("one of intersection, union".to_owned())
        );
    }

    #[test]
    fn every_action_is_spelled_alike_everywhere() {
        for action in Action::ALL {
            assert_eq!(of::<TaskAction>(wire_action(action).into()), action.token());
        }
    }
}
