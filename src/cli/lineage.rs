//! `heirloom lineage`: what a node was made from, or what was made from it, as a picture or a table.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use heirloom::config::Config;
use heirloom::domain::filter::VersionQuery;
use heirloom::domain::key::ExecutionKey;
use heirloom::domain::time::Timestamp;
use heirloom::graphql::node_id::NodeId;
use heirloom::lineage::draw::{Format, draw};
use heirloom::lineage::node::Node;
use heirloom::lineage::question::{Direction, Level, Question};
use heirloom::lineage::walk::Stop;
use heirloom::lineage::{Lineage, NoEdges};
use heirloom::store::artifact::artifact_find_by_keys;
use heirloom::store::execution::execution_find_by_keys;
use heirloom::store::resolve::{SelectError, version_select};
use heirloom::store::scope::revision_at;
use heirloom::store::{Scope, Session, Store};

use super::database;
use super::output::Output;

/// From where to walk, how far, and what to draw.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to begin: an id such as `version_bq`; the URI of an artifact, with @version or ?key=value for one version of it; or
    /// `execution:PROJECT/DOMAIN/NAME`.
    #[arg(required = true, value_name = "ROOT")]
    roots: Vec<String>,
    /// How to draw it.
    #[arg(long, short, value_enum, default_value_t = FormatName::Mermaid)]
    format: FormatName,
    /// Which way to walk.
    #[arg(long, short, value_enum, default_value_t = DirectionName::Upstream)]
    direction: DirectionName,
    /// Which nodes to show; the hops over others become dashed edges.
    #[arg(long, short, value_enum, default_value_t = LevelName::Full)]
    level: LevelName,
    /// The most hops between shown nodes.
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,
    /// The most nodes; the nearest are shown.
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// The most neighbours of one node that are followed.
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u32).range(1..))]
    fan_out: Option<u32>,
    /// The state of the store: a revision, or an instant such as 2026-11-22T18:00:00Z.
    #[arg(long, value_name = "REVISION|TIME")]
    as_of: Option<String>,
    /// The file to write, compressed when its name ends with `.gz`; else standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// A flowchart of Mermaid.
    Mermaid,
    /// A digraph of Graphviz.
    Dot,
    /// One JSON object.
    Json,
    /// A table of the edges.
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DirectionName {
    /// To what it was made from.
    Upstream,
    /// To what was made from it.
    Downstream,
    /// Both.
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelName {
    /// Versions and executions.
    Full,
    /// Versions.
    Version,
    /// Executions.
    Execution,
    /// Partitions.
    Partition,
    /// Artifacts.
    Artifact,
}

/// How long to walk: nobody waits for the answer but the one who asked, and Ctrl-C ends it.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// Draws.
pub async fn run(config: &Config, arguments: Arguments) -> Result<ExitCode> {
    let store = database::open_existing(config).await?;
    database::closing(&store, answer(&store, config, &arguments)).await
}

async fn answer(store: &Store, config: &Config, arguments: &Arguments) -> Result<ExitCode> {
    let db = store.session();
    let lineage = Lineage::new(store.clone());
    let newest = lineage.follow_newest().await?;
    let revision = match &arguments.as_of {
        Some(text) => as_of(&db, text, newest).await?,
        None => newest,
    };
    let mut roots = Vec::with_capacity(arguments.roots.len());
    for text in &arguments.roots {
        let root = find(&db, Scope::at(revision), text).await?;
        let there = root.filter(|root| lineage.graph().at(revision).has(*root));
        let root = there.with_context(|| format!("there is no {text} as of revision {revision}"))?;
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let question = Arc::new(question(arguments, roots, revision));
    let deadline = Instant::now() + DEADLINE;
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    let walked = lineage.walk(question, 0, limit, DEADLINE).await;
    let edges = lineage.edges(&walked, usize::MAX, deadline).await;
    let edges = edges.map_err(|_: NoEdges| anyhow!("the walk took too long"))?;
    let id = |node| NodeId::from(node).to_string();
    let text = draw(
        arguments.format.into(),
        lineage.graph().at(revision),
        &walked,
        &edges,
        id,
    );
    let mut output = Output::open(arguments.output.as_deref(), &config.database.url)?;
    output.writer().write_all(text.as_bytes())?;
    output.finish()?;
    if !walked.stops().is_empty() {
        let stops: Vec<&str> = walked.stops().iter().copied().map(Stop::as_str).collect();
        eprintln!("not complete: {}", stops.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn question(arguments: &Arguments, roots: Vec<Node>, revision: i64) -> Question {
    Question {
        roots,
        direction: arguments.direction.into(),
        level: arguments.level.into(),
        depth: arguments.depth,
        fan_out: arguments.fan_out,
        filter: None,
        revision,
    }
}

async fn as_of(db: &Session, text: &str, newest: i64) -> Result<i64> {
    if let Ok(revision) = text.parse() {
        if !(0..=newest).contains(&revision) {
            bail!("there is no revision {revision}: the newest is {newest}");
        }
        return Ok(revision);
    }
    let instant = Timestamp::parse(text).map_err(|error| anyhow!("--as-of is no revision, and {error}"))?;
    Ok(revision_at(db, instant).await?.revision)
}

/// The node that a text names; none when there is none.
async fn find(db: &Session, scope: Scope, text: &str) -> Result<Option<Node>> {
    if let Ok(id) = text.parse::<NodeId>() {
        return Ok(id.node());
    }
    if let Some(key) = text.strip_prefix("execution:") {
        let mut parts = key.splitn(3, '/').map(str::to_owned);
        let (Some(project), Some(domain), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("{text} is no execution: write execution:PROJECT/DOMAIN/NAME");
        };
        let found = execution_find_by_keys(db, &scope, &[ExecutionKey { project, domain, name }]).await?;
        return Ok(found
            .into_iter()
            .flatten()
            .next()
            .and_then(|row| NodeId::Execution(row.id).node()));
    }
    if !text.starts_with("flyte://") {
        bail!(
            "{text} is no node: write an id such as version_bq, a URI such as flyte://av0.1/…, or execution:PROJECT/DOMAIN/NAME"
        );
    }
    let names_version = text.contains(['@', '?']);
    let query = VersionQuery::Uri(text.to_owned())
        .normalize()
        .map_err(|error| anyhow!("{error}"))?;
    if names_version {
        let selected = version_select(db, &scope, &query).await.map_err(|error| match error {
            SelectError::UnknownKey(unknown) => anyhow!("{unknown}"),
            SelectError::Store(error) => error.into(),
        })?;
        return Ok(selected.version.and_then(|row| NodeId::Version(row.id).node()));
    }
    let found = artifact_find_by_keys(db, &scope, &[query.artifact]).await?;
    Ok(found
        .into_iter()
        .flatten()
        .next()
        .and_then(|row| NodeId::Artifact(row.id).node()))
}

macro_rules! names {
    ($from:ident => $to:ident { $($name:ident),* }) => {
        impl From<$from> for $to {
            fn from(name: $from) -> Self {
                match name {
                    $($from::$name => Self::$name,)*
                }
            }
        }
    };
}

names!(FormatName => Format { Mermaid, Dot, Json, Csv });
names!(DirectionName => Direction { Upstream, Downstream, Both });
names!(LevelName => Level { Full, Version, Execution, Partition, Artifact });
