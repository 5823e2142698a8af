//! A fresh database for each test.

use std::{path::PathBuf, sync::Arc, time::Duration};

use heirloom::store::{Options, Store};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The key of the advisory lock under which the template database is made.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A database with Heirloom's tables in it, of one test alone. Cheap to clone.
#[derive(Clone)]
pub struct TestDb {
    /// How to reach it.
    pub url: String,
    /// The directory of an SQLite file, which goes with the last one that knows it.
    directory: Option<Arc<TempDir>>,
}

impl TestDb {
    /// A file in a directory of its own.
    pub async fn sqlite() -> Self {
        let db = Self::sqlite_empty();
        let store = db.store().await;
        store.migrate().await.unwrap();
        store.close().await.unwrap();
        db
    }

    /// A file in a directory of its own that is not made yet.
    pub fn sqlite_empty() -> Self {
        let directory = tempfile::Builder::new().prefix("heirloom-test-").tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("heirloom.sqlite").display()),
            directory: Some(Arc::new(directory)),
        }
    }

    /// A copy of the template, which the first test of a run makes.
    pub async fn postgres() -> Self {
        let admin = admin().await;
        let template = template(&admin).await;
        Self::created(&admin, &format!("TEMPLATE {template}")).await
    }

    /// A database without tables.
    pub async fn postgres_empty() -> Self {
        Self::created(&admin().await, "").await
    }

    /// A fresh one of either kind.
    pub async fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Sqlite => Self::sqlite().await,
            _ => Self::postgres().await,
        }
    }

    /// A backup: what is in it now, in a database of its own. Nobody else may be connected.
    pub async fn copy(&self) -> Self {
        if let Some(name) = self.postgres_name() {
            return Self::created(&admin().await, &format!("TEMPLATE {name}")).await;
        }
        let copy = Self::sqlite_empty();
        let file = copy.file();
        let connection = self.connection().await;
        run(&connection, &format!("VACUUM INTO '{file}'")).await;
        connection.close().await.unwrap();
        copy
    }

    async fn created(admin: &DatabaseConnection, how: &str) -> Self {
        let name = format!("heirloom_test_{}", uuid::Uuid::new_v4().simple());
        run(admin, &format!("CREATE DATABASE {name} {how}")).await;
        Self {
            url: url_of(&name),
            directory: None,
        }
    }

    /// Hands the database to a test, and throws it away when the test has passed; one that has failed may be looked at.
    pub async fn lend<F: Future<Output = ()>>(self, test: impl FnOnce(Self) -> F) {
        test(self.clone()).await;
        if let Some(name) = self.postgres_name() {
            run(&admin().await, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }

    /// Which of the two it is.
    pub fn backend(&self) -> DbBackend {
        if self.directory.is_some() {
            DbBackend::Sqlite
        } else {
            DbBackend::Postgres
        }
    }

    /// The file of SQLite.
    pub fn file(&self) -> &str {
        self.url.trim_start_matches("sqlite:")
    }

    /// The name of a PostgreSQL database on its server.
    pub fn postgres_name(&self) -> Option<String> {
        let name = || self.url.split('?').next()?.rsplit('/').next().map(str::to_owned);
        if self.directory.is_some() { None } else { name() }
    }

    /// A store over it.
    pub async fn store(&self) -> Store {
        self.store_patient_for(Duration::from_secs(20)).await
    }

    /// A store that waits so long for a connection, a lock or an answer.
    pub async fn store_patient_for(&self, timeout: Duration) -> Store {
        let options = Options {
            url: self.url.clone(),
            max_connections: 5,
            timeout,
        };
        Store::connect(&options).await.unwrap()
    }

    /// A connection to look behind the store.
    pub async fn connection(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    /// A connection to a file that need not be there.
    pub async fn connection_to_new_file(&self) -> DatabaseConnection {
        connect(&format!("{}?mode=rwc", self.url)).await
    }

    /// The same database, reached another way.
    pub fn at(&self, url: String) -> Self {
        Self { url, ..self.clone() }
    }

    /// The first column of the first row, a number.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = self.connection().await;
        let row = connection
            .query_one_raw(Statement::from_string(connection.get_database_backend(), sql))
            .await
            .unwrap();
        let number = row.unwrap_or_else(|| panic!("no row: {sql}")).try_get_by_index(0);
        connection.close().await.unwrap();
        number.unwrap()
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
}

/// Runs a statement that is not prepared.
pub async fn run(connection: &DatabaseConnection, sql: &str) {
    let ran = connection.execute_unprepared(sql).await;
    ran.unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// The server's URL; without one these tests fail, since a suite that passes must have seen both databases.
fn server_url() -> String {
    std::env::var("TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "TEST_POSTGRES_URL is not set: run the tests with `make test`, or with `scripts/postgres cargo nextest run`"
        )
    })
}

/// A connection to the server, not to a database of a test.
pub async fn admin() -> DatabaseConnection {
    connect(&server_url()).await
}

/// The server's URL with another database.
fn url_of(database: &str) -> String {
    let url = server_url();
    let (place, parameters) = url.split_once('?').map_or((url.as_str(), None), |(p, q)| (p, Some(q)));
    let authority_at = place.find("://").map_or(0, |at| at + 3);
    let server = match place[authority_at..].find('/') {
        Some(slash) => &place[..authority_at + slash],
        None => place,
    };
    match parameters {
        Some(parameters) => format!("{server}/{database}?{parameters}"),
        None => format!("{server}/{database}"),
    }
}

/// The migrated database that others are copied from: copying takes a tenth of a second, migrating five. Its name changes
/// with the migrations, so that one left by an earlier run is right or not there.
async fn template(admin: &DatabaseConnection) -> String {
    let name = format!("heirloom_template_{}", digest_of_migrations());
    run(admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let finished = format!("SELECT 1 FROM pg_database WHERE datname = '{name}' AND datistemplate");
    let found = admin
        .query_one_raw(Statement::from_string(DbBackend::Postgres, finished))
        .await
        .unwrap();
    if found.is_none() {
        run(admin, &format!("DROP DATABASE IF EXISTS {name}")).await;
        run(admin, &format!("CREATE DATABASE {name}")).await;
        let fresh = TestDb {
            url: url_of(&name),
            directory: None,
        };
        let store = fresh.store().await;
        store.migrate().await.unwrap();
        store.close().await.unwrap();
        run(admin, &format!("ALTER DATABASE {name} WITH IS_TEMPLATE true")).await;
    }
    run(admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    name
}

fn digest_of_migrations() -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/migration/src");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(file).unwrap());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize()[..8])
}

/// How many steps of the schema there are from one on.
pub fn steps_from(name: &str) -> u32 {
    let steps = Migrator::migrations();
    let first = steps.iter().position(|step| step.name() == name).unwrap();
    u32::try_from(steps.len() - first).unwrap()
}
