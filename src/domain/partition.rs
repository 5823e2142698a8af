//! What a partition is: values of keys, and perhaps a window of time. Its digest is how both sides of the store find it.

use std::collections::BTreeMap;

use super::key::{ArtifactKey, Digest};
use super::time::Window;

/// One distinct combination of partition values of an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PartitionKey {
    /// The value of each key; keys ascending.
    pub values: BTreeMap<String, String>,
    /// Its window of time, when it has one.
    pub window: Option<Window>,
}

impl PartitionKey {
    /// Whether it says nothing: an unpartitioned version's.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.window.is_none()
    }

    /// What this partition of an artifact is found by: beside those of the same time. The window comes first and always, so that no value
    /// can pass for one.
    pub fn digest(&self, artifact: &ArtifactKey) -> Digest {
        let window = self
            .window
            .map(|w| format!("{} {}", w.granularity.as_str(), w.start.0))
            .unwrap_or_default();
        let mut parts = vec![artifact.project.as_str(), &artifact.domain, &artifact.name, &window];
        for (key, value) in &self.values {
            parts.extend([key.as_str(), value.as_str()]);
        }
        let digest = Digest::of(b"partition", &parts);
        let start = self.window.map(|window| window.start.0.to_be_bytes());
        start.map_or(digest, |start| digest.near(&start))
    }

    /// The values as a JSON object, keys ascending: as stored.
    pub fn values_json(&self) -> String {
        let members = self.values.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
        serde_json::Value::Object(members.collect()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::PartitionKey;
    use crate::domain::key::ArtifactKey;
    use crate::domain::time::{Granularity, Timestamp, Window};

    fn artifact(name: &str) -> ArtifactKey {
        ArtifactKey {
            project: "shop".into(),
            domain: "production".into(),
            name: name.into(),
        }
    }

    fn key(values: &[(&str, &str)], granularity: Option<Granularity>) -> PartitionKey {
        let instant = Timestamp::parse("2026-11-01T00:00:00Z").unwrap();
        PartitionKey {
            values: values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            window: granularity.map(|g| Window::containing(instant, g)),
        }
    }

    #[test]
    fn every_part_counts() {
        let all = [
            key(&[], None).digest(&artifact("a")),
            key(&[], None).digest(&artifact("b")),
            key(&[("k", "v")], None).digest(&artifact("a")),
            key(&[("v", "k")], None).digest(&artifact("a")),
            key(&[("k", "v"), ("l", "w")], None).digest(&artifact("a")),
            key(&[("k", "v")], Some(Granularity::Day)).digest(&artifact("a")),
            key(&[("k", "v")], Some(Granularity::Month)).digest(&artifact("a")),
            key(&[], Some(Granularity::Month)).digest(&artifact("a")),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn the_order_in_which_values_were_given_does_not_count() {
        let one = key(&[("a", "1"), ("b", "2")], None);
        assert_eq!(
            one.digest(&artifact("x")),
            key(&[("b", "2"), ("a", "1")], None).digest(&artifact("x"))
        );
        assert_eq!(one.values_json(), r#"{"a":"1","b":"2"}"#);
    }

    #[test]
    fn values_are_escaped() {
        assert_eq!(key(&[("a\"", "\\é")], None).values_json(), r#"{"a\"":"\\é"}"#);
    }
}
