//! Records, as JSON: the same that `ingest` takes, and `heirloom import` a line of. Defaults for all, names for what a
//! test is about.

use serde_json::{Map, Value, json};

/// The key of an artifact `name` in the project and domain of the tests.
pub fn artifact(name: &str) -> Value {
    json!({"project": "shop", "domain": "production", "name": name})
}

/// A declaration.
pub fn declaration(name: &str, keys: &[&str], granularity: Option<&str>) -> Value {
    json!({"key": artifact(name), "partitionKeys": keys, "timePartitionGranularity": granularity})
}

/// A version, to be continued.
pub fn version(artifact_name: &str, version: &str) -> VersionInput {
    let mut input = Map::new();
    input.insert("artifact".into(), artifact(artifact_name));
    input.insert("version".into(), version.into());
    VersionInput(input)
}

/// The input of `createVersion`.
#[derive(Clone, Debug)]
pub struct VersionInput(Map<String, Value>);

impl VersionInput {
    /// Sets any field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.into(), value.into());
        self
    }

    /// Leaves a field out.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.0.remove(field);
        self
    }

    /// Its partition values.
    #[must_use]
    pub fn at(self, values: &[(&str, &str)]) -> Self {
        let values: Vec<Value> = values
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        self.with("partition", values)
    }

    /// The instant of its time partition.
    #[must_use]
    pub fn time(self, instant: &str) -> Self {
        self.with("timePartition", instant)
    }

    /// When it was produced.
    #[must_use]
    pub fn created_at(self, instant: &str) -> Self {
        self.with("createdAt", instant)
    }

    /// As the input of the mutation.
    pub fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// As a record of its own.
    pub fn record(&self) -> Value {
        json!({"version": self.json()})
    }
}

/// An execution, to be continued.
pub fn execution(name: &str) -> ExecutionInput {
    let mut input = Map::new();
    input.insert("key".into(), artifact(name));
    ExecutionInput(input)
}

/// The input of `recordExecution`.
#[derive(Clone, Debug)]
pub struct ExecutionInput(Map<String, Value>);

impl ExecutionInput {
    /// Sets any field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.into(), value.into());
        self
    }

    /// Its state.
    #[must_use]
    pub fn state(self, state: &str) -> Self {
        self.with("state", state)
    }

    /// One more input, by a query.
    #[must_use]
    pub fn takes(self, name: &str, query: Value) -> Self {
        self.add("inputs", json!({"name": name, "version": query}))
    }

    /// One more input, by exact version.
    #[must_use]
    pub fn consumes(self, name: &str, artifact_name: &str, version: &str) -> Self {
        self.takes(name, exact(artifact_name, version))
    }

    /// One more output.
    #[must_use]
    pub fn produces(self, name: &str, version: &VersionInput) -> Self {
        self.add("outputs", json!({"name": name, "version": version.json()}))
    }

    fn add(mut self, field: &str, item: Value) -> Self {
        let list = self.0.entry(field).or_insert_with(|| json!([]));
        list.as_array_mut().unwrap().push(item);
        self
    }

    /// As the input of the mutation.
    pub fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// As a record of its own.
    pub fn record(&self) -> Value {
        json!({"execution": self.json()})
    }
}

/// The query for an exact version.
pub fn exact(artifact_name: &str, version: &str) -> Value {
    json!({"key": {"artifact": artifact(artifact_name), "version": version}})
}

/// The query for the version at an alias.
pub fn at_alias(artifact_name: &str, alias: &str) -> Value {
    json!({"key": {"artifact": artifact(artifact_name), "alias": alias}})
}

/// The query for the most recent version.
pub fn latest(artifact_name: &str) -> Value {
    json!({"key": {"artifact": artifact(artifact_name)}})
}

/// The query for the most recent version of the partitions that pass a filter.
pub fn latest_in(artifact_name: &str, partition: Value) -> Value {
    json!({"key": {"artifact": artifact(artifact_name), "partition": partition}})
}

/// A filter on partitions that names values.
pub fn values(pairs: &[(&str, &str)]) -> Value {
    let values: Vec<Value> = pairs
        .iter()
        .map(|(key, value)| json!({"key": key, "eq": value}))
        .collect();
    json!({"values": values})
}
