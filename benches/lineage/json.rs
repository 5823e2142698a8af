//! The answer, written by hand: what the service answers, byte for byte, but for the order of nodes and edges.

use std::fmt::Write as _;

use entity::{ArtifactId, ExecutionId, NO_TIME, VersionId};
use heirloom::domain::time::Timestamp;
use heirloom::graphql::node_id::NodeId;
use rustc_hash::FxHashMap;

use super::floor::{Artifact, Edge, Execution, Version};

pub struct Json(String);

impl Json {
    pub fn begin() -> Self {
        Self(r#"{"data":{"lineage":{"#.to_owned())
    }

    pub fn end(mut self) -> String {
        if self.0.ends_with(',') {
            self.0.pop();
        }
        self.0.push_str("}}}");
        self.0
    }

    /// Every node with its row.
    pub fn nodes(&mut self, (artifacts, versions): &(Vec<Artifact>, Vec<Version>), executions: &[Execution]) {
        let artifacts: FxHashMap<i64, String> = artifacts.iter().map(|it| (it.id, artifact(it))).collect();
        let out = &mut self.0;
        out.push_str(r#""nodes":["#);
        for it in versions {
            out.push_str(r#"{"node":{"id":"#);
            id(out, NodeId::Version(VersionId(it.id)));
            out.push_str(r#","version":"#);
            text(out, &it.version);
            out.push_str(r#","createdAt":"#);
            instant(out, it.created_at);
            out.push_str(r#","artifact":"#);
            out.push_str(&artifacts[&it.artifact]);
            out.push_str(r#","partition":"#);
            partition(out, it);
            out.push_str("}},");
        }
        for it in executions {
            out.push_str(r#"{"node":{"id":"#);
            id(out, NodeId::Execution(ExecutionId(it.id)));
            out.push_str(r#","name":"#);
            text(out, &it.name);
            out.push_str(r#","state":"#);
            text(out, &it.state);
            out.push_str(r#","startedAt":"#);
            instant(out, it.started_at);
            out.push_str(r#","endedAt":"#);
            instant(out, it.ended_at.unwrap_or(NO_TIME));
            out.push_str("}},");
        }
        close_list(out);
    }

    /// Every edge.
    pub fn edges(&mut self, edges: &[Edge]) {
        let out = &mut self.0;
        out.push_str(r#""edges":["#);
        for edge in edges {
            let version = NodeId::Version(VersionId(edge.version));
            let execution = NodeId::Execution(ExecutionId(edge.execution));
            let (source, target, role) = if edge.is_output {
                (execution, version, "OUTPUT")
            } else {
                (version, execution, "INPUT")
            };
            out.push_str(r#"{"source":"#);
            id(out, source);
            out.push_str(r#","target":"#);
            id(out, target);
            out.push_str(r#","role":""#);
            out.push_str(role);
            out.push_str(r#"","name":"#);
            text(out, &edge.name);
            out.push_str("},");
        }
        close_list(out);
    }

    /// How many nodes there are at each distance: versions at even ones, executions at odd ones.
    pub fn counts(&mut self, by_distance: &[usize]) {
        let (out, sum) = (&mut self.0, by_distance.iter().sum::<usize>());
        write!(out, r#""nodeCount":{sum},"counts":["#).unwrap();
        for (distance, count) in by_distance.iter().enumerate().filter(|(_, count)| **count > 0) {
            let kind = ["Version", "Execution"][distance % 2];
            write!(out, r#"{{"distance":{distance},"kind":"{kind}","count":{count}}},"#).unwrap();
        }
        close_list(out);
    }
}

/// The id of a version.
pub fn version_id(number: i64) -> String {
    NodeId::Version(VersionId(number)).to_string()
}

/// The id of an artifact.
pub fn artifact_id(number: i64) -> String {
    NodeId::Artifact(ArtifactId(number)).to_string()
}

fn close_list(out: &mut String) {
    if out.ends_with(',') {
        out.pop();
    }
    out.push_str("],");
}

fn artifact(it: &Artifact) -> String {
    let mut out = r#"{"project":"#.to_owned();
    text(&mut out, &it.project);
    out.push_str(r#","domain":"#);
    text(&mut out, &it.domain);
    out.push_str(r#","name":"#);
    text(&mut out, &it.name);
    out.push('}');
    out
}

/// The values are stored as a JSON object of texts, so each text is taken over as it is written.
fn partition(out: &mut String, it: &Version) {
    let Some(values) = &it.values else {
        out.push_str("null");
        return;
    };
    out.push_str(r#"{"values":["#);
    let mut rest = values.as_str();
    while let Some((key, after)) = next_text(rest) {
        let Some((value, after)) = next_text(after) else {
            break;
        };
        for part in [r#"{"key":"#, key, r#","value":"#, value, "},"] {
            out.push_str(part);
        }
        rest = after;
    }
    close_list(out);
    if it.window_start == NO_TIME {
        out.push_str(r#""timePartition":null}"#);
    } else {
        out.push_str(r#""timePartition":{"start":"#);
        instant(out, it.window_start);
        out.push_str("}}");
    }
}

/// The next text with its quotation marks, and what comes after it.
fn next_text(json: &str) -> Option<(&str, &str)> {
    let begin = json.find('"')?;
    let mut is_escaped = false;
    let end = json[begin + 1..].bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some(json[begin..].split_at(end + 2))
}

fn id(out: &mut String, id: NodeId) {
    write!(out, "\"{id}\"").unwrap();
}

fn text(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).unwrap());
    }
}

/// RFC 3339, or null for no time.
fn instant(out: &mut String, micros: i64) {
    if micros == NO_TIME {
        out.push_str("null");
        return;
    }
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    if fraction != 0 {
        write!(out, "\"{}\"", Timestamp(micros)).unwrap();
        return;
    }
    // Days to a date, as Howard Hinnant does it: years begin in March, and 400 of them are an era.
    let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    let year = year + 400 * era;
    out.push('"');
    for (number, end) in [
        (year / 100, ""),
        (year % 100, "-"),
        (month, "-"),
        (day, "T"),
        (second / 3_600, ":"),
        (second / 60 % 60, ":"),
        (second % 60, "Z\""),
    ] {
        for digit in [number / 10, number % 10] {
            out.push(char::from(b'0' + digit as u8));
        }
        out.push_str(end);
    }
}
