//! What black-box tests share: the real server on a fresh database, clients, sites, and the checkers of
//! what was seen and done.

#[macro_use]
pub(crate) mod database;
pub(crate) mod postgres;

#[expect(
    dead_code,
    reason = "shared with the tests of the loader, which use all of it"
)]
pub(crate) mod http;
pub(crate) mod site;

pub(crate) mod server;

pub(crate) mod proxy;

pub(crate) mod client;
pub(crate) mod stream;

pub(crate) mod checker;

pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod work;

pub(crate) mod scale;
