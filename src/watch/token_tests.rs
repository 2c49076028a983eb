//! Tokens round trip, and nothing else is taken for one.

use std::sync::Arc;

use proptest::prelude::*;

use super::scope::Scope;
use super::token::{ResumeToken, TOKEN_CHARS, TokenError, TokenMint};
use crate::domain::{TaskFilter, TaskId, TaskStatus};
use crate::store::Clock;

const CLOCK: Clock = Clock {
    ts: chrono::DateTime::UNIX_EPOCH,
    last: 1000,
    floor: 10,
    epoch: 77,
};

fn task(task_id: TaskId, max_depth: Option<u32>) -> Scope {
    Scope::Task { task_id, max_depth }
}

fn fleet(filter: TaskFilter) -> Scope {
    Scope::Fleet(Arc::new(filter))
}

fn decode(text: &str, scope: &Scope) -> Result<i64, TokenError> {
    ResumeToken::decode(text, scope, &CLOCK).map(|token| token.sequence)
}

#[test]
fn a_token_is_bound_to_its_task_and_not_to_options() {
    let id = TaskId::new_root();
    let token = TokenMint::new(&task(id, None), CLOCK.epoch).token(500);
    assert_eq!(token.len(), TOKEN_CHARS);
    assert_eq!(decode(&token, &task(id, None)), Ok(500));
    assert_eq!(decode(&token, &task(id, Some(0))), Ok(500));
    for other in [
        task(TaskId::new_root(), None),
        fleet(TaskFilter::default()),
        fleet(TaskFilter {
            root_task_id: Some(id),
            ..TaskFilter::default()
        }),
    ] {
        assert_eq!(decode(&token, &other), Err(TokenError::ScopeMismatch));
    }
}

#[test]
fn a_token_is_bound_to_what_its_filter_means() {
    let filter = TaskFilter {
        status: vec![TaskStatus::Running, TaskStatus::Queued],
        ..TaskFilter::default()
    };
    let token = TokenMint::new(&fleet(filter.clone()), CLOCK.epoch).token(500);
    let reordered = TaskFilter {
        status: vec![TaskStatus::Queued, TaskStatus::Running, TaskStatus::Queued],
        ..TaskFilter::default()
    };
    assert_eq!(decode(&token, &fleet(reordered)), Ok(500));

    let id = TaskId::new_root();
    let text = || Some("a".to_owned());
    let time = chrono::DateTime::from_timestamp_micros(1);
    let none = TaskFilter::default;
    let different = [
        none(),
        TaskFilter {
            status: vec![TaskStatus::Running],
            ..none()
        },
        TaskFilter {
            action: vec![crate::domain::Action::VerifySite],
            ..none()
        },
        TaskFilter {
            result_status: vec![crate::domain::ResultStatus::Success],
            ..none()
        },
        TaskFilter {
            created_by: text(),
            ..none()
        },
        TaskFilter {
            created_after: time,
            ..none()
        },
        TaskFilter {
            created_before: time,
            ..none()
        },
        TaskFilter {
            parent_task_id: Some(id),
            ..none()
        },
        TaskFilter {
            root_task_id: Some(id),
            ..none()
        },
        TaskFilter {
            roots_only: true,
            ..none()
        },
        TaskFilter {
            node_name: text(),
            ..none()
        },
        TaskFilter {
            design_ref: text(),
            ..none()
        },
        TaskFilter {
            labels: [("a".to_owned(), String::new())].into(),
            ..none()
        },
        TaskFilter {
            labels: [(String::new(), "a".to_owned())].into(),
            ..none()
        },
        filter,
    ];
    for (index, filter) in different.iter().enumerate() {
        let token = TokenMint::new(&fleet(filter.clone()), CLOCK.epoch).token(500);
        for (other, candidate) in different.iter().enumerate() {
            let expected = if index == other {
                Ok(500)
            } else {
                Err(TokenError::ScopeMismatch)
            };
            assert_eq!(decode(&token, &fleet(candidate.clone())), expected);
        }
    }
}

#[test]
fn positions_are_held_against_the_clock() {
    let scope = task(TaskId::new_root(), None);
    let mint = TokenMint::new(&scope, CLOCK.epoch);
    assert_eq!(decode(&mint.token(10), &scope), Ok(10));
    assert_eq!(decode(&mint.token(1000), &scope), Ok(1000));
    assert_eq!(decode(&mint.token(1001), &scope), Err(TokenError::Future));
    // What the floor passed was of other trees, or the task is gone with it.
    assert_eq!(decode(&mint.token(9), &scope), Ok(9));
    let all = fleet(TaskFilter::default());
    let mint_of_all = TokenMint::new(&all, CLOCK.epoch);
    assert_eq!(decode(&mint_of_all.token(10), &all), Ok(10));
    assert_eq!(
        decode(&mint_of_all.token(9), &all),
        Err(TokenError::Expired {
            oldest: 10,
            current: 1000
        })
    );
    assert_eq!(
        decode(&mint.token(-1), &scope),
        Err(TokenError::Undecodable)
    );
    let elsewhere = TokenMint::new(&scope, CLOCK.epoch + 1).token(500);
    assert_eq!(decode(&elsewhere, &scope), Err(TokenError::StaleEpoch));
}

proptest! {
    #[test]
    fn tokens_round_trip(sequence in 10i64..=1000) {
        let scope = task(TaskId::new_root(), None);
        let token = TokenMint::new(&scope, CLOCK.epoch).token(sequence);
        prop_assert_eq!(decode(&token, &scope), Ok(sequence));
    }

    #[test]
    fn other_text_is_refused(text in ".{0,80}|[A-Za-z0-9_-]{35}") {
        let decoded = decode(&text, &task(TaskId::new_root(), None));
        prop_assert!(matches!(
            decoded,
            Err(TokenError::Undecodable | TokenError::ScopeMismatch)
        ));
    }

    #[test]
    fn a_changed_character_is_refused_or_another_position(
        sequence in 10i64..=1000, at in 0..TOKEN_CHARS, with in "[A-Za-z0-9_=+/ -]",
    ) {
        let scope = task(TaskId::new_root(), None);
        let mint = TokenMint::new(&scope, CLOCK.epoch);
        let mut token = mint.token(sequence);
        token.replace_range(at..=at, &with);
        if let Ok(decoded) = decode(&token, &scope) {
            // There is one way to write a position.
            prop_assert_eq!(mint.token(decoded), token);
        }
    }
}
