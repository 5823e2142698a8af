//! The configuration: one struct, every field with its unit, loaded in layers.
//!
//! Later layers win: the defaults below, then the TOML file, then the environment, then flags. A key that nobody knows
//! is refused in every layer, so that a typing error cannot pass for a setting. `docs/config.toml` is this struct
//! written out.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

/// The prefix of every environment variable that is read: `HEIRLOOM_SERVER_LISTEN` sets `server.listen`.
pub const ENVIRONMENT_PREFIX: &str = "HEIRLOOM_";

/// The environment variable that names the TOML file, for want of `--config`.
pub const FILE_VARIABLE: &str = "HEIRLOOM_CONFIG";

/// A Kubernetes service of our name puts these into every container of its namespace; they are no settings of ours.
const FOREIGN_PREFIXES: [&str; 2] = ["HEIRLOOM_SERVICE_", "HEIRLOOM_PORT"];

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How the server listens and answers.
    pub server: Server,
    /// Where the records are kept.
    pub database: Database,
    /// What one request may ask for.
    pub limits: Limits,
    /// What is logged.
    pub telemetry: Telemetry,
}

/// How the server listens and answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address and port to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How long one request may take, in milliseconds, from the end of its head to its answer; then it is refused with
    /// DEADLINE_EXCEEDED.
    pub request_timeout_ms: u64,
    /// How long the head of a request may take, in milliseconds, from its first byte to its last, on a new connection from its
    /// opening; then the connection is closed.
    pub head_timeout_ms: u64,
    /// How long a connection may wait for its next request, and a client may take nothing of an answer that is ready for it, in
    /// milliseconds; then it is closed.
    pub idle_timeout_ms: u64,
    /// How long running requests may take to end after the server was asked to stop, in milliseconds; at least the
    /// request timeout.
    pub shutdown_grace_ms: u64,
    /// The origins whose pages may call the API from a browser, such as `https://lineage.example.org`; `*` means every
    /// origin, none means same origin only.
    pub cors_allowed_origins: Vec<String>,
    /// The largest request body, in bytes, after decompression.
    pub body_limit_bytes: usize,
    /// Bytes that the bodies of all requests under way may have together; one more is answered UNAVAILABLE.
    pub body_room_bytes: usize,
    /// The smallest answer that is compressed, in bytes, for a client that accepts gzip.
    pub compression_minimum_bytes: u64,
    /// How many parsed documents are kept.
    pub document_cache_entries: usize,
    /// How many bytes of source text the parsed documents may have together; the parsed form takes about twenty times
    /// as much.
    pub document_cache_bytes: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            request_timeout_ms: 30_000,
            head_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
            shutdown_grace_ms: 35_000,
            cors_allowed_origins: Vec::new(),
            body_limit_bytes: 32 * 1024 * 1024,
            body_room_bytes: 256 * 1024 * 1024,
            compression_minimum_bytes: 1024,
            document_cache_entries: 1000,
            document_cache_bytes: 1024 * 1024,
        }
    }
}

/// Where the records are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE` for the embedded database, which is created when it is not there, or
    /// `postgres://user:password@host/database`.
    pub url: String,
    /// The most connections that this process holds.
    pub max_connections: u32,
    /// How long a request waits for a free connection, in milliseconds; then it is refused with UNAVAILABLE.
    pub acquire_timeout_ms: u64,
    /// How long one SQL statement may run, in milliseconds; 0 means without end.
    pub statement_timeout_ms: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "sqlite:heirloom.sqlite".to_owned(),
            max_connections: 10,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 30_000,
        }
    }
}

/// What one request may ask for. Whatever exceeds a limit is refused with LIMIT_EXCEEDED, which names the limit and the
/// number asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Levels of fields in an operation, fragments counted where they are spread.
    pub depth: usize,
    /// The estimated cost of an operation, in fields: a page counts its size times the cost of one of its nodes.
    pub complexity: usize,
    /// Aliases in a document.
    pub aliases: usize,
    /// Directives in a document.
    pub directives: usize,
    /// Fields at the top of an operation.
    pub root_fields: usize,
    /// Fields in an operation, fragments counted where they are spread.
    pub fields: usize,
    /// Lexical tokens in a document: names, numbers, strings and punctuation.
    pub tokens: usize,
    /// Bytes in one answer of GraphQL, before it is compressed; and bytes of the long texts that are read for it.
    pub answer_bytes: usize,
    /// The size of a page when a query does not say `first` or `last`.
    pub page_default: usize,
    /// The largest `first` or `last`.
    pub page_maximum: usize,
    /// Ids in one `nodes(ids:)`.
    pub node_ids_maximum: usize,
    /// Records in one `ingest`.
    pub ingest_records_maximum: usize,
    /// Roots of one `lineage`.
    pub lineage_roots_maximum: usize,
    /// The largest `limit` of a `lineage`: nodes on one page.
    pub lineage_nodes_maximum: usize,
    /// Edges on one page of a `lineage`; between many nodes there may be as many as their number squared.
    pub lineage_edges_maximum: usize,
    /// Nodes and edges of a page that `export` draws.
    pub lineage_export_maximum: usize,
    /// The largest `first` of `lineagePaths`.
    pub lineage_paths_maximum: usize,
    /// How long one walk may take, in milliseconds; then the answer says DEADLINE in `stoppedBy`, and can be resumed.
    pub lineage_deadline_ms: usize,
    /// The largest body of events, in bytes, after decompression.
    pub event_body_bytes: usize,
    /// The largest event, in bytes.
    pub event_bytes: usize,
    /// Events in one batch.
    pub event_batch_maximum: usize,
    /// Submissions that wait to be written or are being written; one more is answered UNAVAILABLE at once.
    pub write_queue_submissions: usize,
    /// Bytes that the records of those submissions hold in memory; one more submission is answered UNAVAILABLE at once, but
    /// one that is larger than this is taken when no other is there.
    pub write_queue_bytes: usize,
    /// How long the answer to a request with an `Idempotency-Key` is kept, in hours.
    pub idempotency_hours: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 25,
            complexity: 500_000,
            aliases: 200,
            directives: 200,
            root_fields: 50,
            fields: 5_000,
            tokens: 20_000,
            answer_bytes: 64 * 1024 * 1024,
            page_default: 50,
            page_maximum: 1_000,
            node_ids_maximum: 1_000,
            ingest_records_maximum: 10_000,
            lineage_roots_maximum: 1_000,
            lineage_nodes_maximum: 1_000_000,
            lineage_edges_maximum: 2_000_000,
            lineage_export_maximum: 10_000,
            lineage_paths_maximum: 100,
            lineage_deadline_ms: 10_000,
            event_body_bytes: 64 * 1024 * 1024,
            event_bytes: 16 * 1024 * 1024,
            event_batch_maximum: 10_000,
            write_queue_submissions: 10_000,
            write_queue_bytes: 256 * 1024 * 1024,
            idempotency_hours: 24,
        }
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Which messages are logged: `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,sqlx=debug`.
    pub filter: String,
    /// How a message is written.
    pub format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How a log message is written, one a line, to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// For a collector of logs.
    Json,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration file {} is no valid TOML: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// One or many settings are wrong; each is a sentence.
    #[error("the configuration is invalid:\n  - {}", problems.join("\n  - "))]
    Invalid {
        /// All of them, so that nobody has to find them one by one.
        problems: Vec<String>,
    },
}

impl Config {
    /// Loads the configuration from the layers.
    ///
    /// `flags` are dotted keys with the text given, such as `("server.listen", "0.0.0.0:80")`; lists are separated by
    /// commas.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a value is wrong; [`ConfigError::Invalid`] names all that
    /// are.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let environment: HashMap<String, String> = environment.into_iter().collect();
        let named = file
            .map(Path::to_path_buf)
            .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
        let from_file = named.as_deref().map(read_table).transpose()?;

        let mut layers = Layers::over(defaults());
        layers.merge_file(from_file.unwrap_or_default(), named.as_deref());
        layers.merge_environment(environment);
        layers.merge_flags(flags);
        layers.into_config()
    }

    /// Everything that is wrong with the values, each as a sentence; nothing when they are fine.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.server.validate(&mut problems);
        self.database.validate(&mut problems);
        self.limits.validate(&mut problems);
        let largest = self.server.body_limit_bytes.max(self.limits.event_body_bytes);
        if self.server.body_room_bytes < largest {
            problems.push(format!(
                "server.body_room_bytes is {}, but must be at least {largest}, which the largest body may have",
                self.server.body_room_bytes
            ));
        }
        if self.telemetry.filter.trim().is_empty() {
            problems.push("telemetry.filter is empty: name a level such as \"info\"".to_owned());
        }
        problems
    }
}

impl Server {
    fn validate(&self, problems: &mut Vec<String>) {
        at_least_one(problems, "server.request_timeout_ms", self.request_timeout_ms);
        at_least_one(problems, "server.head_timeout_ms", self.head_timeout_ms);
        at_least_one(problems, "server.idle_timeout_ms", self.idle_timeout_ms);
        at_least_one(problems, "server.body_limit_bytes", self.body_limit_bytes as u64);
        if self.shutdown_grace_ms < self.request_timeout_ms {
            problems.push(format!(
                "server.shutdown_grace_ms is {}, but must be at least server.request_timeout_ms, which is {}",
                self.shutdown_grace_ms, self.request_timeout_ms
            ));
        }
        for origin in &self.cors_allowed_origins {
            if origin != "*" && !is_origin(origin) {
                problems.push(format!(
                    "server.cors_allowed_origins names {origin:?}: name one such as \"https://example.org\", or \"*\""
                ));
            }
        }
    }
}

impl Database {
    fn validate(&self, problems: &mut Vec<String>) {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if !known.iter().any(|scheme| self.url.starts_with(scheme)) {
            // The text may hold a password, so it is not repeated here.
            problems.push("database.url must begin with \"sqlite:\" or \"postgres://\"".to_owned());
        }
        at_least_one(problems, "database.max_connections", self.max_connections.into());
        at_least_one(problems, "database.acquire_timeout_ms", self.acquire_timeout_ms);
    }
}

impl Limits {
    fn validate(&self, problems: &mut Vec<String>) {
        for (name, value) in [
            ("depth", self.depth),
            ("complexity", self.complexity),
            ("root_fields", self.root_fields),
            ("fields", self.fields),
            ("tokens", self.tokens),
            ("answer_bytes", self.answer_bytes),
            ("page_default", self.page_default),
            ("page_maximum", self.page_maximum),
            ("node_ids_maximum", self.node_ids_maximum),
            ("ingest_records_maximum", self.ingest_records_maximum),
            ("lineage_roots_maximum", self.lineage_roots_maximum),
            ("lineage_nodes_maximum", self.lineage_nodes_maximum),
            ("lineage_edges_maximum", self.lineage_edges_maximum),
            ("lineage_export_maximum", self.lineage_export_maximum),
            ("lineage_paths_maximum", self.lineage_paths_maximum),
            ("lineage_deadline_ms", self.lineage_deadline_ms),
            ("event_body_bytes", self.event_body_bytes),
            ("event_bytes", self.event_bytes),
            ("event_batch_maximum", self.event_batch_maximum),
            ("write_queue_submissions", self.write_queue_submissions),
            ("write_queue_bytes", self.write_queue_bytes),
            ("idempotency_hours", self.idempotency_hours),
        ] {
            at_least_one(problems, &format!("limits.{name}"), value as u64);
        }
        if self.page_default > self.page_maximum {
            problems.push(format!(
                "limits.page_default is {}, but must not exceed limits.page_maximum, {}",
                self.page_default, self.page_maximum
            ));
        }
        if self.depth > DEPTH_CEILING {
            problems.push(format!(
                "limits.depth is {}, but must not exceed {DEPTH_CEILING}: the parser reads no deeper",
                self.depth
            ));
        }
    }
}

/// The parser of documents refuses to read deeper than 64 selection sets.
const DEPTH_CEILING: usize = 60;

fn at_least_one(problems: &mut Vec<String>, key: &str, value: u64) {
    if value == 0 {
        problems.push(format!("{key} is 0, but must be at least 1"));
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '@' | ',');
    !scheme.is_empty() && scheme.chars().all(plain) && !host.is_empty() && host.chars().all(plain)
}

fn read_table(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    text.parse::<Table>().map_err(|error| ConfigError::Malformed {
        path: path.to_path_buf(),
        message: error.to_string().trim_end().to_owned(),
    })
}

fn defaults() -> Table {
    // Every default has a value that TOML can write; the test of docs/config.toml would show otherwise.
    Table::try_from(Config::default()).unwrap_or_default()
}

/// The layers so far, laid over the defaults, and what was wrong with them.
struct Layers {
    table: Table,
    problems: Vec<String>,
}

impl Layers {
    fn over(table: Table) -> Self {
        Self {
            table,
            problems: Vec::new(),
        }
    }

    fn merge_file(&mut self, file: Table, path: Option<&Path>) {
        let origin = path.map_or_else(String::new, |path| path.display().to_string());
        for (section, value) in file {
            let Value::Table(keys) = value else {
                self.problems
                    .push(format!("{origin}: {section} is no section of the configuration"));
                continue;
            };
            for (key, value) in keys {
                self.set(&format!("{origin}: {section}.{key}"), &section, &key, value);
            }
        }
    }

    fn merge_environment(&mut self, environment: HashMap<String, String>) {
        let mut ours: Vec<_> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX) && name != FILE_VARIABLE)
            .filter(|(name, _)| !FOREIGN_PREFIXES.iter().any(|foreign| name.starts_with(foreign)))
            .collect();
        ours.sort_unstable();
        for (name, text) in ours {
            let dotted = name[ENVIRONMENT_PREFIX.len()..].to_lowercase().replacen('_', ".", 1);
            self.merge_text(&name, &dotted, &text);
        }
    }

    fn merge_flags(&mut self, flags: &[(&str, String)]) {
        for (dotted, text) in flags {
            self.merge_text(dotted, dotted, text);
        }
    }

    /// Reads `text` as the type that the setting has by default.
    fn merge_text(&mut self, origin: &str, dotted: &str, text: &str) {
        let (section, key) = dotted.split_once('.').unwrap_or((dotted, ""));
        let Some(slot) = self.slot(section, key) else {
            return self.unknown(origin);
        };
        // What is no number is left as it is, and refused as such.
        let value = typed(slot, text).unwrap_or_else(|| text.into());
        self.set(origin, section, key, value);
    }

    /// Takes a value over, unless it is wrong by itself: then where it comes from is part of the complaint.
    fn set(&mut self, origin: &str, section: &str, key: &str, value: Value) {
        let Some(slot) = self.slot(section, key) else {
            return self.unknown(origin);
        };
        if !slot.same_type(&value) {
            let wanted = kind(slot);
            self.problems.push(format!("{origin} is {value}, but must be {wanted}"));
        } else if let Some(reason) = wrong(section, key, &value) {
            self.problems.push(format!("{origin} is {value}: {reason}"));
        } else {
            *slot = value;
        }
    }

    fn slot(&mut self, section: &str, key: &str) -> Option<&mut Value> {
        self.table.get_mut(section)?.get_mut(key)
    }

    fn unknown(&mut self, origin: &str) {
        self.problems
            .push(format!("{origin} is no known setting; docs/config.toml lists them all"));
    }

    fn into_config(mut self) -> Result<Config, ConfigError> {
        match self.table.try_into::<Config>() {
            Ok(config) => {
                self.problems.extend(config.validate());
                if self.problems.is_empty() {
                    return Ok(config);
                }
            }
            Err(error) => self.problems.push(error.to_string().trim_end().replace('\n', " ")),
        }
        Err(ConfigError::Invalid {
            problems: self.problems,
        })
    }
}

fn typed(like: &Value, text: &str) -> Option<Value> {
    Some(match like {
        Value::Integer(_) => Value::Integer(text.trim().replace('_', "").parse().ok()?),
        Value::Boolean(_) => Value::Boolean(text.trim().parse().ok()?),
        Value::Array(_) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        ),
        _ => Value::String(text.to_owned()),
    })
}

/// What kind of value a setting has.
fn kind(like: &Value) -> &'static str {
    match like {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        _ => "a text",
    }
}

/// Why a setting cannot have a value, whatever the others have.
fn wrong(section: &str, key: &str, value: &Value) -> Option<String> {
    let mut alone = defaults();
    *alone.get_mut(section)?.get_mut(key)? = value.clone();
    let read = alone.try_into::<Config>();
    read.err().map(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn problems(result: Result<Config, ConfigError>) -> String {
        result.expect_err("the configuration must be refused").to_string()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        let config = Config::load(None, [], &[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.validate(), Vec::<String>::new());
    }

    #[test]
    fn the_documented_example_is_the_defaults_with_every_key() {
        let text = include_str!("../docs/config.toml");
        assert_eq!(text.parse::<Table>().unwrap(), defaults());
    }

    #[test]
    fn later_layers_win() {
        let file = file("[server]\nlisten = \"127.0.0.1:1\"\nrequest_timeout_ms = 1\n[limits]\ndepth = 7\n");
        let environment = environment(&[
            ("HEIRLOOM_SERVER_LISTEN", "127.0.0.1:2"),
            ("HEIRLOOM_SERVER_REQUEST_TIMEOUT_MS", "2_000"),
            (
                "HEIRLOOM_SERVER_CORS_ALLOWED_ORIGINS",
                "https://a.example, https://b.example",
            ),
            ("PATH", "/bin"),
        ]);
        let flags = [("server.listen", "127.0.0.1:3".to_owned())];
        let config = Config::load(Some(file.path()), environment, &flags).unwrap();
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.server.request_timeout_ms, 2_000);
        assert_eq!(config.limits.depth, 7);
        assert_eq!(
            config.server.cors_allowed_origins,
            ["https://a.example", "https://b.example"]
        );
    }

    #[test]
    fn the_environment_can_name_the_file() {
        let file = file("[limits]\naliases = 3\n");
        let path = file.path().to_str().unwrap().to_owned();
        let config = Config::load(None, [(FILE_VARIABLE.to_owned(), path)], &[]).unwrap();
        assert_eq!(config.limits.aliases, 3);
    }

    #[test]
    fn unknown_keys_are_refused_in_every_layer() {
        let file = file("[server]\nlissten = \"x\"\n[cache]\nsize = 1\n");
        let environment = environment(&[("HEIRLOOM_SERVR_LISTEN", "x"), ("HEIRLOOM_LIMITS_DEPHT", "3")]);
        let text = problems(Config::load(
            Some(file.path()),
            environment,
            &[("limits.x", "1".to_owned())],
        ));
        for expected in [
            "server.lissten",
            "cache.size",
            "HEIRLOOM_SERVR_LISTEN",
            "HEIRLOOM_LIMITS_DEPHT",
            "limits.x",
        ] {
            assert!(text.contains(expected), "{expected} is missing in {text}");
        }
    }

    #[test]
    fn what_kubernetes_adds_is_no_setting() {
        let environment = environment(&[
            ("HEIRLOOM_SERVICE_HOST", "10.0.0.1"),
            ("HEIRLOOM_PORT_8080_TCP", "tcp://x"),
        ]);
        assert!(Config::load(None, environment, &[]).is_ok());
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let environment = environment(&[
            ("HEIRLOOM_DATABASE_URL", "mysql://secret@host"),
            ("HEIRLOOM_LIMITS_PAGE_DEFAULT", "2000"),
            ("HEIRLOOM_SERVER_REQUEST_TIMEOUT_MS", "0"),
            ("HEIRLOOM_SERVER_BODY_LIMIT_BYTES", "many"),
            ("HEIRLOOM_SERVER_CORS_ALLOWED_ORIGINS", "example.org"),
        ]);
        let text = problems(Config::load(None, environment, &[]));
        for expected in [
            "database.url",
            "limits.page_default",
            "server.request_timeout_ms",
            "HEIRLOOM_SERVER_BODY_LIMIT_BYTES",
            "example.org",
        ] {
            assert!(text.contains(expected), "{expected} is missing in {text}");
        }
        assert!(!text.contains("secret"));
    }

    #[test]
    fn a_value_that_is_wrong_says_where_it_comes_from() {
        let values = "[limits]\ndepth = \"deep\"\naliases = -1\n[server]\nlisten = \"here\"\ncors_allowed_origins = [1]\n[telemetry]\nformat = true\n";
        let file = file(values);
        let environment = environment(&[("HEIRLOOM_TELEMETRY_FORMAT", "xml")]);
        let text = problems(Config::load(Some(file.path()), environment, &[]));
        let name = file.path().display();
        for expected in [
            format!("{name}: limits.depth is \"deep\", but must be a whole number"),
            format!("{name}: limits.aliases is -1: "),
            format!("{name}: server.listen is \"here\": "),
            format!("{name}: server.cors_allowed_origins is [1]: "),
            format!("{name}: telemetry.format is true, but must be a text"),
            "HEIRLOOM_TELEMETRY_FORMAT is \"xml\": unknown variant `xml`, expected `text` or `json`".to_owned(),
        ] {
            assert!(text.contains(&expected), "{expected} is missing in {text}");
        }
        assert_eq!(text.lines().count(), 7, "{text}");
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let file = file("[limits]\ndepth = \"deep\"\n");
        assert!(problems(Config::load(Some(file.path()), [], &[])).contains("depth"));
        let file = self::file("limits = 3\n");
        assert!(problems(Config::load(Some(file.path()), [], &[])).contains("limits"));
        let file = self::file("[limits\n");
        assert!(problems(Config::load(Some(file.path()), [], &[])).contains("TOML"));
        assert!(problems(Config::load(Some(Path::new("/nowhere/x.toml")), [], &[])).contains("/nowhere/x.toml"));
    }
}
