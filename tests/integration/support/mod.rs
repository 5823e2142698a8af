//! What the tests share: a fresh database of each kind, the real router over it, and records to put into it.

pub mod app;
pub mod client;
pub mod db;
pub mod fixtures;
pub mod log;
pub mod openlineage;
pub mod process;

use proptest::{
    prelude::ProptestConfig,
    test_runner::{TestRng, TestRunner},
};

pub use app::TestApp;
pub use client::Reply;
pub use db::TestDb;
pub use fixtures::{artifact, declaration, execution, version};

/// A runner of random cases: the same in every run of the tests, so that a change that passes here passes everywhere; others in each run
/// where `RANDOM_CASES` is set, to look for what the same ones never show.
pub fn runner(config: ProptestConfig) -> TestRunner {
    if std::env::var_os("RANDOM_CASES").is_some() {
        return TestRunner::new(config);
    }
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    TestRunner::new_with_rng(config, rng)
}

/// Runs each body on a fresh SQLite database, as `name::sqlite`, and on a fresh PostgreSQL database, as
/// `name::postgres`.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($db:ident: TestDb) $body:block)+) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn body($db: TestDb) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::support::TestDb::sqlite().await.lend(body).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::support::TestDb::postgres().await.lend(body).await;
            }
        }
    )+};
}
