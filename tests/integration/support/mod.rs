//! What the tests share: a fresh database of each kind, the real router over it, and records to put into it.

pub mod app;
pub mod client;
pub mod db;
pub mod fixtures;
pub mod log;
pub mod openlineage;
pub mod process;

pub use app::TestApp;
pub use client::Reply;
pub use db::TestDb;
pub use fixtures::{artifact, declaration, execution, version};

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
