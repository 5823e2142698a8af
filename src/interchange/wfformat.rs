//! [WfFormat](https://github.com/wfcommons/WfFormat) 1.5, in which WfCommons publishes runs of scientific workflows: a file becomes
//! an artifact with one version, a task an execution that takes files in and gives files out, the run its parent.
//!
//! 1.6 only adds to it. 1.4 has tasks with their files where 1.5 has a specification and an execution; it is read as WfCommons
//! converts it, except that what an instance does not say stays unsaid.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::BufRead;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::domain::filter::{VersionKeyQuery, VersionQuery};
use crate::domain::key::{ArtifactKey, ExecutionKey};
use crate::domain::record::{
    CreateVersion, ExecutionInput, ExecutionKind, ExecutionOutput, ExecutionState, Record, RecordExecution,
};
use crate::domain::time::Timestamp;

/// The versions of the schema that are read.
const VERSIONS: [&str; 3] = ["1.4", "1.5", "1.6"];
/// The domain where an instance does not say what ran it.
const DOMAIN: &str = "workflow";

/// One run of a workflow.
#[derive(Debug)]
pub struct Instance {
    name: String,
    /// The name of what ran it.
    system: Option<String>,
    started_at: Option<Timestamp>,
    /// Each once, in the order in which they were first named.
    files: Vec<File>,
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct File {
    id: String,
    size: Value,
    at: At,
}

#[derive(Debug)]
struct Task {
    id: String,
    name: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    facts: Map<String, Value>,
    at: At,
}

/// Where in an instance something stands; displayed as a JSON path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The instance as a whole.
    Whole,
    /// A file of the specification.
    File(usize),
    /// A task of the specification.
    Task(usize),
    /// A task, in 1.4.
    OldTask(usize),
    /// A file of a task, in 1.4.
    OldFile(usize, usize),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("$"),
            Self::File(n) => write!(f, "$.workflow.specification.files[{n}]"),
            Self::Task(n) => write!(f, "$.workflow.specification.tasks[{n}]"),
            Self::OldTask(n) => write!(f, "$.workflow.tasks[{n}]"),
            Self::OldFile(task, n) => write!(f, "$.workflow.tasks[{task}].files[{n}]"),
        }
    }
}

/// Why a document is no instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoInstance {
    /// The JSON path of what is wrong.
    pub path: String,
    /// The sentence.
    pub message: String,
}

impl Instance {
    /// Reads an instance. A source that is something else is not read further than to where that shows, however long it is.
    pub fn read(source: impl BufRead) -> Result<Self, NoInstance> {
        let mut json = serde_json::Deserializer::from_reader(source);
        let written: Written = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            refusal(&path, &error.into_inner())
        })?;
        json.end().map_err(|error| refusal(".", &error))?;
        written.instance()
    }

    /// What the workflow is called, if anything.
    pub fn name(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The records that tell it as the run of a name, and where each stands.
    pub fn records<'a>(&'a self, run: &'a str) -> impl Iterator<Item = (At, Record)> + 'a {
        let telling = Rc::new(Telling {
            project: self.name().unwrap_or(run),
            domain: self.system.as_deref().filter(|name| !name.is_empty()).unwrap_or(DOMAIN),
            run,
            started_at: self.started_at,
            sizes: self.files.iter().map(|file| (file.id.as_str(), &file.size)).collect(),
        });
        let produced: HashSet<&str> = self
            .tasks
            .iter()
            .flat_map(|task| &task.outputs)
            .map(String::as_str)
            .collect();
        let whole = telling.run(self);
        let files = self
            .files
            .iter()
            .filter(move |file| !produced.contains(file.id.as_str()));
        let versions = Rc::clone(&telling);
        let files = files.map(move |file| (file.at, Record::Version(versions.version(&file.id))));
        let tasks = self.tasks.iter().map(move |task| (task.at, telling.task(task)));
        std::iter::once((At::Whole, whole)).chain(files).chain(tasks)
    }
}

/// What all records of an instance have in common.
struct Telling<'a> {
    project: &'a str,
    domain: &'a str,
    run: &'a str,
    started_at: Option<Timestamp>,
    sizes: HashMap<&'a str, &'a Value>,
}

impl Telling<'_> {
    fn artifact(&self, file: &str) -> ArtifactKey {
        ArtifactKey {
            project: self.project.to_owned(),
            domain: self.domain.to_owned(),
            name: file.to_owned(),
        }
    }

    fn execution(&self, name: String, kind: ExecutionKind, entity: &str) -> RecordExecution {
        RecordExecution {
            key: ExecutionKey {
                project: self.project.to_owned(),
                domain: self.domain.to_owned(),
                name,
            },
            kind: Some(kind),
            state: Some(ExecutionState::Succeeded),
            entity: Some(entity.to_owned()),
            entity_version: None,
            node_id: None,
            attempt: None,
            principal: None,
            parent: None,
            started_at: self.started_at,
            ended_at: None,
            error: None,
            metadata: None,
            inputs: None,
            outputs: None,
        }
    }

    fn run(&self, instance: &Instance) -> Record {
        Record::Execution(self.execution(self.run.to_owned(), ExecutionKind::Workflow, &instance.name))
    }

    fn version(&self, file: &str) -> CreateVersion {
        let size = self.sizes.get(file).map_or(Value::Null, |size| (*size).clone());
        let mut version = CreateVersion::named(self.artifact(file), self.run.to_owned());
        version.location = Some(file.to_owned());
        version.data_type = Some("file".to_owned());
        version.metadata = Some(Map::from_iter([("sizeInBytes".to_owned(), size)]));
        version.created_at = self.started_at;
        version
    }

    fn task(&self, task: &Task) -> Record {
        let mut told = self.execution(format!("{}/{}", self.run, task.id), ExecutionKind::Task, &task.name);
        told.parent = Some(ExecutionKey {
            name: self.run.to_owned(),
            ..told.key.clone()
        });
        told.metadata = Some(task.facts.clone());
        let inputs = task.inputs.iter().enumerate().map(|(n, file)| ExecutionInput {
            name: format!("in{n}"),
            version: VersionQuery::Key(VersionKeyQuery {
                artifact: self.artifact(file),
                version: Some(self.run.to_owned()),
                alias: None,
                partition: None,
            }),
        });
        told.inputs = Some(inputs.collect());
        let outputs = task.outputs.iter().enumerate().map(|(n, file)| ExecutionOutput {
            name: format!("out{n}"),
            version: self.version(file),
            announced: false,
        });
        told.outputs = Some(outputs.collect());
        Record::Execution(told)
    }
}

/// Why a document cannot be read.
fn refusal(path: &str, error: &serde_json::Error) -> NoInstance {
    match error.classify() {
        Category::Data => no_instance(path, &format!("This is no instance of WfFormat: {error}.")),
        Category::Io => no_instance(".", &format!("The file cannot be read further: {error}.")),
        Category::Syntax | Category::Eof => no_instance(".", &format!("The file is no JSON document: {error}.")),
    }
}

fn no_instance(path: &str, message: &str) -> NoInstance {
    let path = if path == "." || path.is_empty() {
        "$".to_owned()
    } else {
        format!("$.{path}")
    };
    NoInstance {
        path,
        message: message.to_owned(),
    }
}

/// An instance as it is written. What else stands in it is passed over: it is for others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    name: String,
    /// Where it is not given, the instance is read as what it looks like.
    schema_version: Option<String>,
    runtime_system: Option<WrittenSystem>,
    /// `runtimeSystem` in 1.4.
    wms: Option<WrittenSystem>,
    workflow: WrittenWorkflow,
}

#[derive(Deserialize)]
struct WrittenSystem {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenWorkflow {
    specification: Option<WrittenSpecification>,
    execution: Option<WrittenExecution>,
    /// 1.4.
    tasks: Option<Vec<OldTask>>,
    /// 1.4.
    executed_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WrittenSpecification {
    #[serde(default)]
    files: Vec<WrittenFile>,
    tasks: Vec<WrittenTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFile {
    id: String,
    #[serde(default)]
    size_in_bytes: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenTask {
    id: String,
    name: String,
    #[serde(default)]
    input_files: Vec<String>,
    #[serde(default)]
    output_files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenExecution {
    executed_at: Option<Timestamp>,
    tasks: Vec<WrittenRun>,
}

#[derive(Deserialize)]
struct WrittenRun {
    id: String,
    #[serde(flatten)]
    facts: Facts,
}

/// What is kept of how a task ran.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    #[serde(default, deserialize_with = "given")]
    runtime_in_seconds: Option<Value>,
    #[serde(default, rename = "avgCPU", deserialize_with = "given")]
    avg_cpu: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    memory_in_bytes: Option<Value>,
}

#[derive(Deserialize)]
struct OldTask {
    name: String,
    id: Option<String>,
    #[serde(default)]
    files: Vec<OldFile>,
    #[serde(flatten)]
    facts: Facts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldFile {
    name: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    size_in_bytes: Value,
    #[serde(default)]
    link: String,
}

/// What is there, be it null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Facts {
    fn map(self) -> Map<String, Value> {
        let facts = [
            ("runtimeInSeconds", self.runtime_in_seconds),
            ("avgCPU", self.avg_cpu),
            ("memoryInBytes", self.memory_in_bytes),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        known.collect()
    }
}

impl Written {
    fn instance(self) -> Result<Instance, NoInstance> {
        if let Some(version) = self
            .schema_version
            .filter(|version| !VERSIONS.contains(&version.as_str()))
        {
            let sentence = format!(
                "The version {version:?} of WfFormat is not read: convert the instance to one of {}.",
                VERSIONS.join(", ")
            );
            return Err(no_instance("schemaVersion", &sentence));
        }
        let workflow = self.workflow;
        let mut instance = Instance {
            name: self.name,
            system: self.runtime_system.or(self.wms).and_then(|system| system.name),
            started_at: workflow.executed_at,
            files: Vec::new(),
            tasks: Vec::new(),
        };
        match (workflow.specification, workflow.execution, workflow.tasks) {
            (Some(specification), Some(execution), _) => instance.take(specification, execution),
            (None, _, Some(tasks)) => instance.take_old(tasks),
            (Some(_), None, _) => {
                let sentence = "The workflow has no execution: an instance that never ran has nothing to record.";
                return Err(no_instance("workflow", sentence));
            }
            (None, _, None) => {
                let sentence =
                    "This is no instance of WfFormat: the workflow has neither a specification nor, as 1.4 has, tasks.";
                return Err(no_instance("workflow", sentence));
            }
        }
        Ok(instance)
    }
}

impl Instance {
    fn take(&mut self, specification: WrittenSpecification, execution: WrittenExecution) {
        self.started_at = execution.executed_at;
        let mut places = HashMap::new();
        for (n, file) in specification.files.into_iter().enumerate() {
            self.file(&mut places, file.id, file.size_in_bytes, At::File(n), Again::Counts);
        }
        let ran = execution.tasks.into_iter().map(|run| (run.id, run.facts));
        let mut ran: HashMap<String, Facts> = ran.collect();
        for (n, task) in specification.tasks.into_iter().enumerate() {
            self.tasks.push(Task {
                facts: ran.remove(&task.id).map(Facts::map).unwrap_or_default(),
                id: task.id,
                name: task.name,
                inputs: task.input_files,
                outputs: task.output_files,
                at: At::Task(n),
            });
        }
    }

    fn take_old(&mut self, tasks: Vec<OldTask>) {
        let mut places = HashMap::new();
        for (n, task) in tasks.into_iter().enumerate() {
            let id = match task.id {
                None => format!("{}_{n}", task.name),
                Some(id) if task.name.contains(&id) => task.name.clone(),
                Some(id) => format!("{}_{id}", task.name),
            };
            let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
            for (m, file) in task.files.into_iter().enumerate() {
                let name = format!("{}{}", file.path, file.name);
                let side = if file.link.eq_ignore_ascii_case("input") {
                    &mut inputs
                } else {
                    &mut outputs
                };
                if !side.contains(&name) {
                    side.push(name.clone());
                }
                self.file(
                    &mut places,
                    name,
                    file.size_in_bytes,
                    At::OldFile(n, m),
                    Again::IsPassedOver,
                );
            }
            self.tasks.push(Task {
                id,
                name: task.name,
                inputs,
                outputs,
                facts: task.facts.map(),
                at: At::OldTask(n),
            });
        }
    }

    fn file(&mut self, places: &mut HashMap<String, usize>, id: String, size: Value, at: At, again: Again) {
        match places.get(&id) {
            Some(place) if again == Again::Counts => self.files[*place].size = size,
            Some(_) => {}
            None => {
                places.insert(id.clone(), self.files.len());
                self.files.push(File { id, size, at });
            }
        }
    }
}

/// What a file that is listed again says of its size: in 1.5 that is a mistake of which the last counts; in 1.4 each task lists
/// its files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Counts,
    IsPassedOver,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Instance;

    fn told(instance: &Value) -> Vec<(String, Value)> {
        let instance = Instance::read(instance.to_string().as_bytes()).unwrap();
        let records = instance.records("run");
        let records = records.map(|(at, record)| (at.to_string(), serde_json::to_value(record).unwrap()));
        records.collect()
    }

    fn current() -> Value {
        json!({
            "name": "W", "schemaVersion": "1.5", "runtimeSystem": { "name": "Pegasus", "version": "5" }, "author": { "name": "x" },
            "workflow": {
                "specification": {
                    "files": [{ "id": "raw", "sizeInBytes": 3 }, { "id": "fine", "sizeInBytes": 2 }],
                    "tasks": [
                        { "id": "t_1", "name": "t", "inputFiles": ["raw"], "outputFiles": ["fine"], "parents": [], "children": [] },
                        { "id": "idle", "name": "idle", "parents": [], "children": [] },
                    ],
                },
                "execution": {
                    "makespanInSeconds": 1, "executedAt": "20200402T001711+0000",
                    "tasks": [{ "id": "t_1", "runtimeInSeconds": 1.0, "avgCPU": null, "priority": 20 }],
                },
            },
        })
    }

    #[test]
    fn files_are_versions_and_tasks_executions() {
        let records = told(&current());
        let places: Vec<&str> = records.iter().map(|(at, _)| at.as_str()).collect();
        let of = |what: &str| format!("$.workflow.specification.{what}");
        assert_eq!(places, ["$", &of("files[0]"), &of("tasks[0]"), &of("tasks[1]")]);
        let key = |name: &str| json!({ "project": "W", "domain": "Pegasus", "name": name });
        let version = |name: &str, size: u8| {
            json!({ "artifact": key(name), "version": "run", "location": name, "type": "file", "metadata": { "sizeInBytes": size },
                    "createdAt": "2020-04-02T00:17:11Z" })
        };
        assert_eq!(records[1].1, json!({ "version": version("raw", 3) }));
        let task = json!({ "execution": {
            "key": key("run/t_1"), "kind": "TASK", "state": "SUCCEEDED", "entity": "t", "parent": key("run"), "startedAt": "2020-04-02T00:17:11Z",
            "metadata": { "runtimeInSeconds": 1.0, "avgCPU": null },
            "inputs": [{ "name": "in0", "version": { "key": { "artifact": key("raw"), "version": "run" } } }],
            "outputs": [{ "name": "out0", "version": version("fine", 2) }],
        } });
        assert_eq!(records[2].1, task);
        assert_eq!(records[3].1["execution"]["metadata"], json!({}));
    }

    #[test]
    fn what_1_4_says_elsewhere_is_the_same() {
        let file = |name: &str, size: u8, link: &str| json!({ "name": name, "sizeInBytes": size, "link": link });
        let old = json!({
            "name": "W", "schemaVersion": "1.4", "wms": { "name": "Pegasus", "version": "5" },
            "workflow": { "makespanInSeconds": 1, "executedAt": "20200402T001711+0000", "tasks": [
                { "name": "t", "id": "1", "type": "compute", "files": [file("raw", 3, "input"), file("fine", 2, "output")],
                  "runtimeInSeconds": 1.0, "avgCPU": null },
                { "name": "idle", "id": "idle", "type": "compute" },
            ] },
        });
        let (old, new) = (told(&old), told(&current()));
        assert_eq!(old[1].0, "$.workflow.tasks[0].files[0]");
        let records = |told: Vec<(String, Value)>| told.into_iter().map(|(_, record)| record).collect::<Vec<_>>();
        let mut expected = records(new);
        expected[2]["execution"]["entity"] = "t".into();
        assert_eq!(records(old), expected);
    }

    #[test]
    fn what_is_no_instance_says_where_and_why() {
        let with = |path: &str, value: Value| {
            let mut instance = current();
            *instance.pointer_mut(path).unwrap() = value;
            instance.to_string()
        };
        let task = "/workflow/specification/tasks/0";
        let cases = [
            ("{".to_owned(), "$", "no JSON document: EOF"),
            ("[]".to_owned(), "$", "invalid length 0"),
            (json!({ "eventType": "START" }).to_string(), "$", "missing field `name`"),
            (
                with("/schemaVersion", json!("1.3")),
                "$.schemaVersion",
                "\"1.3\" of WfFormat is not read",
            ),
            (with("/workflow", json!({})), "$.workflow", "neither a specification"),
            (with("/workflow/execution", json!(null)), "$.workflow", "never ran"),
            (
                with("/workflow/execution/executedAt", json!("soon")),
                "$.workflow.execution.executedAt",
                "\"soon\" is not a date",
            ),
            (
                with(task, json!({ "id": "x" })),
                "$.workflow.specification.tasks[0]",
                "missing field `name`",
            ),
            (
                with(&format!("{task}/inputFiles"), json!([1])),
                "$.workflow.specification.tasks[0].inputFiles[0]",
                "expected a string",
            ),
            (format!("{} {{}}", current()), "$", "trailing characters"),
        ];
        for (document, path, words) in cases {
            let refusal = Instance::read(document.as_bytes()).unwrap_err();
            assert_eq!(refusal.path, path, "{refusal:?}");
            assert!(
                refusal.message.contains(words) && refusal.message.ends_with('.'),
                "{refusal:?}"
            );
        }
    }
}
