//! Pages of a journal whose commits are larger than a watcher may keep.

use std::sync::Arc;

use super::model::{By, Happening, Model};
use super::replay::{Replay, ReplayPage, SMALL_BYTES};
use super::source::Source;
use crate::domain::TaskId;
use crate::store::JournalScope;

async fn read(replay: &Arc<Replay>, root: TaskId, after: i64) -> ReplayPage {
    let turn = replay.turn().await;
    let read = Arc::clone(replay).read(turn, JournalScope::Tree(root), after);
    read.await.unwrap()
}

#[tokio::test]
async fn pages_follow_each_other_and_stay_small_when_the_room_for_large_ones_is_taken() {
    let model = Model::new();
    let root = model.create_tree(200, By::Us);
    for _ in 0..20 {
        model.say(root, By::Us);
    }
    model.commit(root, &[(root, Happening::Said); 900], By::Us);
    let replay = Arc::new(Replay::new(Arc::clone(&model) as Arc<dyn Source>));

    for crowded in [false, true] {
        let mut others = Vec::new();
        while crowded
            && others
                .last()
                .is_none_or(|page: &ReplayPage| page.room.is_some())
        {
            others.push(read(&replay, root, 0).await);
        }
        let mut position = 0;
        let mut pages = 0;
        while position < model.last() {
            let page = read(&replay, root, position).await;
            let mut weight = 0;
            for published in &page.commits {
                assert!(published.commit.first_sequence <= position + 1);
                position = published.commit.last_sequence();
                weight += published.weight();
            }
            assert_eq!(position, page.scanned);
            if crowded {
                assert!(page.room.is_none());
                assert!(weight <= SMALL_BYTES + 1024, "{weight}");
            }
            pages += 1;
        }
        assert_eq!(position, model.last());
        assert!(if crowded { pages > 10 } else { pages < 10 }, "{pages}");
    }
}
