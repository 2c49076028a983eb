//! Enums of the contract and of the domain, both ways.
//!
//! What comes in is none where a request may not say it. Both sides are matched in full, so that a value
//! that is added on either breaks the build here.

use crate::domain::node_filter::FilterType;
use crate::domain::{Action, Cause, ResultStatus, TaskStatus};
use crate::proto::v1;
use crate::store::View;
use crate::tasks::{RetryScope, WatchStart};

/// Declares the two directions between an enum of the contract and one of the domain.
macro_rules! both_ways {
    ($read:ident, $write:ident: $proto:ident, $domain:ident { $($variant:ident),+ $(,)? }) => {
        #[doc = concat!("The [`", stringify!($domain), "`] of a request.")]
        pub(super) fn $read(value: v1::$proto) -> Option<$domain> {
            match value {
                v1::$proto::Unspecified => None,
                $(v1::$proto::$variant => Some($domain::$variant),)+
            }
        }

        #[doc = concat!("A [`", stringify!($domain), "`] as the contract has it.")]
        pub(super) fn $write(value: $domain) -> v1::$proto {
            match value {
                $($domain::$variant => v1::$proto::$variant,)+
            }
        }
    };
}

both_ways!(action, to_action: TaskAction, Action {
    ValidateDesign,
    VerifySite,
    PrepareSite,
    VerifyNode,
    PrepareNode,
    DeployNode,
    DestroyNode,
});

both_ways!(task_status, to_task_status: TaskStatus, TaskStatus {
    Requested,
    Queued,
    Running,
    Terminating,
    Complete,
    Terminated,
});

both_ways!(result_status, to_result_status: ResultStatus, ResultStatus {
    Incomplete,
    Success,
    PartialSuccess,
    Failure,
});

both_ways!(filter_type, to_filter_type: FilterType, FilterType {
    Intersection,
    Union,
});

/// The nodes a request wants to try again.
pub(super) fn retry_scope(value: v1::RetryScope) -> Option<RetryScope> {
    match value {
        v1::RetryScope::Unspecified => None,
        v1::RetryScope::FailedNodes => Some(RetryScope::FailedNodes),
        v1::RetryScope::UnfinishedNodes => Some(RetryScope::UnfinishedNodes),
        v1::RetryScope::AllNodes => Some(RetryScope::AllNodes),
    }
}

/// The view a request asks for.
pub(super) fn view(value: v1::TaskView) -> Option<View> {
    match value {
        v1::TaskView::Unspecified => None,
        v1::TaskView::Basic => Some(View::Basic),
        v1::TaskView::Full => Some(View::Full),
    }
}

/// Where a request wants its stream to begin.
pub(super) fn watch_start(value: v1::WatchStart) -> Option<WatchStart> {
    match value {
        v1::WatchStart::Unspecified => None,
        v1::WatchStart::Snapshot => Some(WatchStart::Snapshot),
        v1::WatchStart::Now => Some(WatchStart::Now),
    }
}

/// A cause as the contract has it.
pub(super) fn to_cause(value: Cause) -> v1::TransitionCause {
    match value {
        Cause::Client => v1::TransitionCause::Client,
        Cause::Scheduler => v1::TransitionCause::Scheduler,
        Cause::Executor => v1::TransitionCause::Executor,
        Cause::Timeout => v1::TransitionCause::Timeout,
        Cause::LeaseExpired => v1::TransitionCause::LeaseExpired,
        Cause::Parent => v1::TransitionCause::Parent,
        Cause::Admin => v1::TransitionCause::Admin,
    }
}
