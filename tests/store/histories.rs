//! Random histories on each database. The simulation's store has them, too.

use super::database::Database;
use super::history::histories;

#[test]
fn sqlite_does_what_the_model_says() {
    histories(async || Database::sqlite());
}

#[test]
fn postgres_does_what_the_model_says() {
    histories(Database::postgres);
}
