//! OpenLineage events, as JSON. Defaults for all, names for what a test is about.

use serde_json::{Map, Value, json};

/// The namespace of jobs and datasets of the tests.
pub const NAMESPACE: &str = "s3://lake";

/// A member of JSON that may not be there yet.
fn put(value: &mut Value, path: &[&str], new: Value) {
    let place = path.iter().fold(value, |place, member| {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        &mut place[*member]
    });
    *place = new;
}

/// An event, to be continued.
#[derive(Clone, Debug)]
pub struct EventInput(Value);

/// An event about a run.
pub fn run(id: &str) -> EventInput {
    let mut event = job(&format!("job of {id}"));
    put(&mut event.0, &["run", "runId"], id.into());
    event
}

/// An event about a job as such.
pub fn job(name: &str) -> EventInput {
    EventInput(json!({
        "eventTime": "2026-11-24T00:00:00Z", "producer": "https://example.com/producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "job": {"namespace": NAMESPACE, "name": name}, "inputs": [], "outputs": [],
    }))
}

/// An event about a dataset.
pub fn about(dataset: DatasetInput) -> EventInput {
    let mut event = job("");
    let members = event.0.as_object_mut().unwrap();
    for member in ["job", "inputs", "outputs"] {
        members.remove(member);
    }
    members.insert("dataset".to_owned(), dataset.0);
    event
}

impl EventInput {
    /// What happened, and when: a time of the day of the tests, such as `10:05`.
    #[must_use]
    pub fn on(self, event_type: &str, time: &str) -> Self {
        self.at(time).with(&["eventType"], event_type)
    }

    /// When it happened.
    #[must_use]
    pub fn at(self, time: &str) -> Self {
        self.with(&["eventTime"], format!("2026-11-24T{time}:00Z"))
    }

    /// Sets any member.
    #[must_use]
    pub fn with(mut self, path: &[&str], value: impl Into<Value>) -> Self {
        put(&mut self.0, path, value.into());
        self
    }

    /// A facet of the run or of the job.
    #[must_use]
    pub fn facet(self, of: &str, name: &str, facet: Value) -> Self {
        self.with(&[of, "facets", name], facet)
    }

    /// One dataset more that it reads.
    #[must_use]
    pub fn reads(self, dataset: impl Into<DatasetInput>) -> Self {
        self.push("inputs", dataset.into())
    }

    /// One dataset more that it writes.
    #[must_use]
    pub fn writes(self, dataset: impl Into<DatasetInput>) -> Self {
        self.push("outputs", dataset.into())
    }

    fn push(mut self, list: &str, dataset: DatasetInput) -> Self {
        self.0[list].as_array_mut().unwrap().push(dataset.0);
        self
    }

    /// As it is sent.
    pub fn json(&self) -> Value {
        self.0.clone()
    }
}

/// A dataset in an event.
#[derive(Clone, Debug)]
pub struct DatasetInput(Value);

impl From<&str> for DatasetInput {
    fn from(name: &str) -> Self {
        dataset(name)
    }
}

/// A dataset of the tests' namespace.
pub fn dataset(name: &str) -> DatasetInput {
    DatasetInput(json!({"namespace": NAMESPACE, "name": name}))
}

impl DatasetInput {
    /// Its version.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        self.facet("version", json!({"datasetVersion": version}))
    }

    /// A facet of the dataset.
    #[must_use]
    pub fn facet(mut self, name: &str, facet: Value) -> Self {
        put(&mut self.0, &["facets", name], facet);
        self
    }

    /// A schema with one field.
    #[must_use]
    pub fn schema(self, field: &str) -> Self {
        self.facet("schema", json!({"fields": [{"name": field}]}))
    }

    /// Another name of it.
    #[must_use]
    pub fn symlink(self, name: &str) -> Self {
        self.facet(
            "symlinks",
            json!({"identifiers": [{"namespace": NAMESPACE, "name": name, "type": "TABLE"}]}),
        )
    }

    /// A facet of this reading (`inputFacets`) or writing (`outputFacets`).
    #[must_use]
    pub fn own(mut self, of: &str, name: &str, facet: Value) -> Self {
        put(&mut self.0, &[of, name], facet);
        self
    }

    /// The partitions that are read (`inputFacets`) or written (`outputFacets`), each a list of keys and values.
    #[must_use]
    pub fn partitions(self, of: &str, partitions: &[&[(&str, &str)]]) -> Self {
        let dimensions = |values: &&[(&str, &str)]| {
            let values: Map<String, Value> = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
            json!({"dimensions": values})
        };
        let partitions: Vec<Value> = partitions.iter().map(dimensions).collect();
        let member = if of == "inputFacets" {
            "inputCondition"
        } else {
            "outputCondition"
        };
        self.own(
            of,
            "subset",
            json!({member: {"type": "partition", "partitions": partitions}}),
        )
    }
}
