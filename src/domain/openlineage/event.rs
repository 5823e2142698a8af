//! One event, read and checked.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::DOMAIN;
use super::facet::{Facet, Facets};
use super::meaning::UNVERSIONED;
use super::part::{Members, Part};
use super::story::FACETS_OF_PARTITIONS;
use super::subset::{Budget, Named, PartitionValues, partitions};
use crate::domain::Invalid;
use crate::domain::json;
use crate::domain::key::{ArtifactKey, Digest, ExecutionKey, check_text, check_version};
use crate::domain::time::Timestamp;

/// As how many bytes of text a dataset counts that is read or written, beside its own.
const MENTION_BYTES: usize = 100;
/// As how many a partition does: its names and values come in many forms.
const PARTITION_BYTES: usize = 200;
/// How many times as much memory as its text an event takes: the text, each facet as a text of its own, and what they mean, with the names
/// and lists around them. Rather too much than too little. The facets of a partition are only written once.
pub const FORMS: usize = 8;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A run of a job.
    Run,
    /// A job, apart from any run.
    Job,
    /// A dataset, apart from any job.
    Dataset,
}

/// What happened to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// It began.
    Start,
    /// It goes on.
    Running,
    /// It ended well.
    Complete,
    /// It was ended.
    Abort,
    /// It ended with an error.
    Fail,
    /// Something is said about it, apart from where it stands.
    Other,
}

/// A dataset's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dataset {
    /// Its namespace, such as `s3://lake`.
    pub namespace: String,
    /// Its name in there, such as `raw/orders`.
    pub name: String,
}

/// A run's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// The namespace of its job.
    pub namespace: String,
    /// Its id.
    pub run_id: String,
}

/// A dataset that an event names, with what it says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mention {
    /// Which.
    pub dataset: Dataset,
    /// What holds of the dataset.
    pub facets: Facets,
    /// What holds of this reading or writing of it.
    pub own: Facets,
    /// What its subset facet comes to, if it has one.
    pub subset: Option<Named>,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is about.
    pub kind: EventKind,
    /// What happened.
    pub event_type: Option<EventType>,
    /// When.
    pub event_time: Timestamp,
    /// The namespace and name of its job, or of its dataset.
    pub subject: Dataset,
    /// Its run.
    pub run_id: Option<String>,
    /// What holds of the run.
    pub run: Facets,
    /// What holds of the job.
    pub job: Facets,
    /// What was read.
    pub inputs: Vec<Mention>,
    /// What was written.
    pub outputs: Vec<Mention>,
    /// The dataset that a [`EventKind::Dataset`] is about, with its facets.
    pub dataset: Option<Mention>,
    /// Its JSON on one line, otherwise as it was sent.
    pub body: String,
    /// Of its JSON, whatever the order of members and the spelling of texts and numbers.
    pub digest: Digest,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Run, Self::Job, Self::Dataset];

    /// As stored and as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "RUN",
            Self::Job => "JOB",
            Self::Dataset => "DATASET",
        }
    }

    /// As read back.
    pub fn from_stored(text: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .unwrap_or(Self::Run)
    }
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Running,
        Self::Complete,
        Self::Abort,
        Self::Fail,
        Self::Other,
    ];

    /// As in events, as stored and as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Abort => "ABORT",
            Self::Fail => "FAIL",
            Self::Other => "OTHER",
        }
    }

    /// As read back; none where there is none.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl Dataset {
    /// The dataset that an artifact is of: what has this key.
    pub fn of(key: &ArtifactKey) -> Self {
        Self {
            namespace: key.project.clone(),
            name: key.name.clone(),
        }
    }

    /// The key of the artifact that it is.
    pub fn key(&self) -> ArtifactKey {
        ArtifactKey {
            project: self.namespace.clone(),
            domain: DOMAIN.to_owned(),
            name: self.name.clone(),
        }
    }
}

impl Mention {
    /// How much it is apart from its text, in bytes of that; with the facets of its partitions where they become versions.
    fn size(&self, is_written: bool) -> usize {
        let Some(Named::Partitions(named)) = &self.subset else {
            return MENTION_BYTES;
        };
        let facets = self
            .facets
            .iter()
            .chain(&self.own)
            .filter(|(name, _)| *name != "subset");
        let facets: usize = facets.map(|(_, facet)| facet.as_str().len()).sum();
        let facets = named.len().saturating_mul(facets);
        let are_kept = is_written && facets <= FACETS_OF_PARTITIONS;
        MENTION_BYTES + named.len() * PARTITION_BYTES + if are_kept { facets / FORMS } else { 0 }
    }

    /// The version that it names. What can be no version (nothing, `latest`) names none, nor does the name of what has no version.
    pub fn version(&self) -> Option<String> {
        let facet = self.standing("version")?.value();
        let version = facet.get("datasetVersion")?.as_str()?;
        let is_one = check_version(version).is_ok() && version != UNVERSIONED;
        is_one.then(|| version.to_owned())
    }

    /// Whether its subset names a partition.
    pub fn names(&self, partition: &PartitionValues) -> bool {
        matches!(&self.subset, Some(Named::Partitions(named)) if named.contains(partition))
    }

    /// A facet of the dataset, unless it says that there is none any more.
    fn standing(&self, name: &str) -> Option<&Facet> {
        self.facets.get(name).filter(|facet| !facet.is_deleted())
    }

    /// Looks into the subset facet.
    fn find_subset(&mut self, budget: &mut Budget) {
        let named = |facet: &Facet| match facet.is_deleted() {
            true => Named::Deleted,
            false => partitions(&facet.value(), budget),
        };
        self.subset = self.own.get("subset").map(named);
    }

    /// Other names of the dataset, each with its kind; those that can be none of ours, or are its own, are left out.
    pub fn symlinks(&self) -> Vec<(Dataset, Option<String>)> {
        let facet = self.standing("symlinks").map(Facet::value);
        let listed = facet.as_ref().and_then(|facet| facet.get("identifiers"));
        let listed = listed.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |item: &Value, member: &str| item.get(member).and_then(Value::as_str).map(str::to_owned);
        let named = listed.iter().filter_map(|item| {
            let (namespace, name) = (text(item, "namespace")?, text(item, "name")?);
            Some((Dataset { namespace, name }, text(item, "type")))
        });
        named
            .filter(|(other, _)| *other != self.dataset && other.key().validate().is_ok())
            .collect()
    }
}

impl RunKey {
    /// The key of the execution that it is.
    pub fn key(&self) -> ExecutionKey {
        ExecutionKey {
            project: self.namespace.clone(),
            domain: DOMAIN.to_owned(),
            name: self.run_id.clone(),
        }
    }
}

/// An event is its content, however it is spelled; only of numbers that lose digits when they are read, the spelling counts. It
/// is found beside those of the same time.
fn identity(text: &str, content: &str, time: Timestamp) -> Digest {
    let digest = match json::inexact_numbers(text).join(" ") {
        numbers if numbers.is_empty() => Digest::of(b"event", &[content]),
        numbers => Digest::of(b"event", &[content, &numbers]),
    };
    digest.near(&time.0.to_be_bytes())
}

/// Written as it was sent.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = RawValue::from_string(self.body.clone()).map_err(serde::ser::Error::custom)?;
        body.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(body.get()).map_err(serde::de::Error::custom)
    }
}

impl Event {
    /// How much it is, in bytes of text: its own, and some for each dataset and partition that it names, since a few lines of conditions
    /// can name thousands.
    pub fn size(&self) -> usize {
        let read = self.inputs.iter().map(|mention| mention.size(false));
        let written = self.outputs.iter().map(|mention| mention.size(true));
        self.body.len() + read.chain(written).sum::<usize>()
    }

    /// Reads an event from its JSON.
    ///
    /// # Errors
    /// When it is no JSON, or no event of one of the three kinds; the argument is the path of the member that is wrong.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Draft::parse(text).map(Draft::finish)
    }
}

/// An event that has been read, but for the partitions that it names: of these a short text can name thousands. So it takes
/// several times the memory of its text, and no more.
#[derive(Debug)]
pub struct Draft(Event);

impl Draft {
    /// Reads an event from its JSON.
    ///
    /// # Errors
    /// Those of [`Event::parse`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = &*json::without_lone_surrogates(text);
        if json::nesting(text) > json::GIVEN_NESTING_MAXIMUM {
            let limit = json::GIVEN_NESTING_MAXIMUM;
            let message = format!("The event is nested deeper than {limit} levels.");
            return Err(Invalid::new("", message));
        }
        let not_json = |error: serde_json::Error| {
            let error = error.to_string();
            if error.starts_with("number out of range") {
                let message = format!(
                    "The event has a number beyond what 64 bits can hold, about 1.8e308 ({error}): send it as a text."
                );
                return Invalid::new("", message);
            }
            Invalid::new("", format!("The event is no JSON: {error}."))
        };
        let mut event: Part<'_> = json::read_nested(text).map_err(not_json)?;
        let mut content = Vec::with_capacity(text.len());
        event.write(&mut content).map_err(not_json)?;
        let content = String::from_utf8(content).unwrap_or_default();
        Event::read(text, &event, &content).map(Self)
    }

    /// The event, with the partitions that it names.
    pub fn finish(self) -> Event {
        let Self(mut event) = self;
        let mut budget = Budget::default();
        for mention in event.inputs.iter_mut().chain(&mut event.outputs) {
            mention.find_subset(&mut budget);
        }
        event
    }
}

impl Event {
    /// Reads an event from its parts, which have been written down as `content`; all but its subsets.
    fn read(text: &str, event: &Part<'_>, content: &str) -> Result<Self, Invalid> {
        let Part::Object(event) = event else {
            let message = "The event is no JSON object: send one event, as the OpenLineage specification has it.";
            return Err(Invalid::new("", message));
        };
        let kind = kind(event)?;
        let event_time = time(event)?;
        let event_type = event_type(event)?;
        for member in ["producer", "schemaURL"] {
            string(event, member)?.ok_or_else(|| missing(member))?;
        }
        let mut run_id = None;
        let mut run = Facets::new();
        if let (EventKind::Run, Some(object)) = (kind, object(event, "run")?) {
            let id = string(object, "runId").map_err(of("run"))?;
            run_id = Some(id.ok_or_else(|| missing("run.runId"))?);
            run = facets(object, "facets", content).map_err(of("run"))?;
        }
        let mut job = Facets::new();
        let mut dataset = None;
        let subject = if kind == EventKind::Dataset {
            let object = object(event, "dataset")?.ok_or_else(|| missing("dataset"))?;
            let mention = mention(object, "facets", content).map_err(of("dataset"))?;
            let subject = mention.dataset.clone();
            dataset = Some(Mention {
                own: Facets::new(),
                ..mention
            });
            subject
        } else {
            let object = object(event, "job")?.ok_or_else(|| missing("job"))?;
            job = facets(object, "facets", content).map_err(of("job"))?;
            name(object).map_err(of("job"))?
        };
        let event = Self {
            kind,
            event_type: event_type.filter(|_| kind == EventKind::Run),
            event_time,
            subject,
            run_id,
            run,
            job,
            inputs: mentions(event, "inputs", "inputFacets", content)?,
            outputs: mentions(event, "outputs", "outputFacets", content)?,
            dataset,
            body: json::on_one_line(text),
            digest: identity(text, content, event_time),
        };
        event.validate()?;
        Ok(event)
    }

    /// Whether every name can be one of ours.
    fn validate(&self) -> Result<(), Invalid> {
        if let Some(run) = self.run_key() {
            run.key().validate().map_err(|e| as_in_event(e, "job", "run.runId"))?;
        }
        if self.kind != EventKind::Dataset {
            let job = self.subject.key();
            job.validate().map_err(|e| as_in_event(e, "job", "job.name"))?;
        }
        let lists = [("inputs", &self.inputs), ("outputs", &self.outputs)];
        let listed = lists.into_iter().flat_map(|(list, mentions)| {
            let numbered = mentions.iter().enumerate();
            numbered.map(move |(index, mention)| (format!("{list}.{index}"), mention))
        });
        let alone = self.dataset.iter().map(|mention| ("dataset".to_owned(), mention));
        for (place, mention) in listed.chain(alone) {
            let named = mention.dataset.key().validate();
            named.map_err(|e| as_in_event(e, &place, &format!("{place}.name")))?;
        }
        Ok(())
    }

    /// The run that it is about.
    pub fn run_key(&self) -> Option<RunKey> {
        let run_id = self.run_id.clone()?;
        Some(RunKey {
            namespace: self.subject.namespace.clone(),
            run_id,
        })
    }

    /// The key of the execution that it is about: its run, or its job as such.
    pub fn execution_key(&self) -> Option<ExecutionKey> {
        match self.kind {
            EventKind::Run => self.run_key().map(|run| run.key()),
            EventKind::Job => {
                let ArtifactKey { project, domain, name } = self.subject.key();
                Some(ExecutionKey { project, domain, name })
            }
            EventKind::Dataset => None,
        }
    }

    /// Every dataset that it names.
    pub fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.inputs.iter().chain(&self.outputs).chain(&self.dataset)
    }
}

/// The argument of a complaint about a key, as the event calls it.
fn as_in_event(invalid: Invalid, namespace_of: &str, name: &str) -> Invalid {
    let argument = match invalid.argument.as_str() {
        "project" => format!("{namespace_of}.namespace"),
        _ => name.to_owned(),
    };
    let what = invalid.message.split_once(' ').map_or("", |(_, what)| what);
    Invalid::new(argument.clone(), format!("{argument} {what}"))
}

/// Puts a complaint about a member where it stands, in its path and at the beginning of its sentence.
fn of(place: &'static str) -> impl Fn(Invalid) -> Invalid {
    move |invalid| complete(invalid, place)
}

fn missing(member: &str) -> Invalid {
    Invalid::new(
        member,
        format!("{member} is missing: the OpenLineage specification requires it."),
    )
}

fn wrong(member: &str, wanted: &str) -> Invalid {
    Invalid::new(member, format!("{member} is not {wanted}."))
}

fn kind(event: &Members<'_>) -> Result<EventKind, Invalid> {
    let has = |member: &str| event.get(member).is_some();
    match (has("run"), has("job"), has("dataset")) {
        (true, true, false) => Ok(EventKind::Run),
        (false, true, false) => Ok(EventKind::Job),
        (false, false, true) => Ok(EventKind::Dataset),
        (true, false, _) => Err(missing("job")),
        (false, false, false) => Err(Invalid::new(
            "",
            "The event has neither run and job, nor job, nor dataset: it is no RunEvent, JobEvent or DatasetEvent.",
        )),
        (_, true, true) => Err(Invalid::new(
            "dataset",
            "The event has both a job and a dataset: it is either about a job or about a dataset.",
        )),
    }
}

fn time(event: &Members<'_>) -> Result<Timestamp, Invalid> {
    let text = string(event, "eventTime")?.ok_or_else(|| missing("eventTime"))?;
    Timestamp::parse(&text).map_err(|message| Invalid::new("eventTime", format!("eventTime: {message}")))
}

fn event_type(event: &Members<'_>) -> Result<Option<EventType>, Invalid> {
    let Some(text) = string(event, "eventType")? else {
        return Ok(None);
    };
    let found = EventType::from_stored(&text).ok_or_else(|| {
        let known = EventType::ALL.map(EventType::as_str).join(", ");
        let start: String = text.chars().take(40).collect();
        Invalid::new("eventType", format!("eventType {start:?} is none of {known}."))
    });
    found.map(Some)
}

/// A member that is a text; one that is null is not there.
fn string(object: &Members<'_>, member: &str) -> Result<Option<String>, Invalid> {
    match object.get(member) {
        None => Ok(None),
        Some(Part::Text(text)) => {
            check_text(member, Some(text))?;
            Ok(Some(text.clone().into_owned()))
        }
        Some(_) => Err(wrong(member, "a text")),
    }
}

fn object<'e, 'a>(object: &'e Members<'a>, member: &str) -> Result<Option<&'e Members<'a>>, Invalid> {
    match object.get(member) {
        None => Ok(None),
        Some(Part::Object(found)) => Ok(Some(found)),
        Some(_) => Err(wrong(member, "an object")),
    }
}

/// Facets; one that is null is not there.
fn facets(of: &Members<'_>, member: &str, content: &str) -> Result<Facets, Invalid> {
    let Some(found) = object(of, member)? else {
        return Ok(Facets::new());
    };
    let standing = found.iter().filter(|facet| !matches!(facet.value, Part::Null));
    standing
        .map(|facet| {
            let text = content.get(facet.written.clone()).unwrap_or_default();
            let read = Facet::written(text).map_err(|error| Invalid::new(member, error.to_string()))?;
            Ok((facet.name.clone().into_owned(), read))
        })
        .collect()
}

fn name(object: &Members<'_>) -> Result<Dataset, Invalid> {
    Ok(Dataset {
        namespace: string(object, "namespace")?.ok_or_else(|| missing("namespace"))?,
        name: string(object, "name")?.ok_or_else(|| missing("name"))?,
    })
}

fn mention(given: &Members<'_>, own: &str, content: &str) -> Result<Mention, Invalid> {
    Ok(Mention {
        dataset: name(given)?,
        facets: facets(given, "facets", content)?,
        own: facets(given, own, content)?,
        subset: None,
    })
}

fn mentions(event: &Members<'_>, member: &str, own: &str, content: &str) -> Result<Vec<Mention>, Invalid> {
    let items = match event.get(member) {
        None => return Ok(Vec::new()),
        Some(Part::List(items)) => items,
        Some(_) => return Err(wrong(member, "a list")),
    };
    let numbered = items.iter().enumerate();
    numbered
        .map(|(index, item)| {
            let place = format!("{member}.{index}");
            let Part::Object(item) = item else {
                return Err(wrong(&place, "an object"));
            };
            mention(item, own, content).map_err(|e| complete(e, &place))
        })
        .collect()
}

/// A complaint about something in a list, whose sentence begins with its whole path.
fn complete(invalid: Invalid, place: &str) -> Invalid {
    Invalid::new(
        format!("{place}.{}", invalid.argument),
        format!("{place}.{}", invalid.message),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Event, EventKind, EventType};

    fn event() -> Value {
        json!({
            "eventType": "START", "eventTime": "2026-11-24T10:00:00.123456789", "producer": "https://p", "schemaURL": "https://s",
            "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j", "facets": {"x": {"a": 1}, "y": null}},
            "inputs": [{"namespace": "s3://b", "name": "🦀 a/b"}], "outputs": null, "more": [1]
        })
    }

    fn complaint(change: impl FnOnce(&mut Value)) -> String {
        let mut event = event();
        change(&mut event);
        let invalid = Event::parse(&event.to_string()).unwrap_err();
        assert!(invalid.message.ends_with('.'), "{invalid:?}");
        format!("{}: {}", invalid.argument, invalid.message)
    }

    #[test]
    fn an_event_is_read() {
        let read = Event::parse(&format!("{:#}", event())).unwrap();
        assert_eq!((read.kind, read.event_type), (EventKind::Run, Some(EventType::Start)));
        assert_eq!(read.event_time.to_string(), "2026-11-24T10:00:00.123456Z");
        assert_eq!(read.run_key().unwrap().key().name, "r");
        assert_eq!(read.inputs[0].dataset.key().project, "s3://b");
        assert_eq!(read.job.len(), 1, "a facet that is null is not there");
        assert_eq!(read.body, event().to_string());
    }

    #[test]
    fn the_digest_is_of_the_meaning_not_of_the_spelling() {
        let one = Event::parse(&event().to_string()).unwrap();
        let text = event()
            .to_string()
            .replace("🦀", "\\ud83e\\udd80")
            .replace(",\"more\"", " ,\n \"more\" ");
        assert_eq!(Event::parse(&text).unwrap().digest, one.digest);
        let other = event().to_string().replace("[1]", "[2]");
        assert_ne!(Event::parse(&other).unwrap().digest, one.digest);
    }

    #[test]
    fn jobs_and_datasets_have_events_too() {
        let mut job = event();
        job.as_object_mut().unwrap().remove("run");
        let read = Event::parse(&job.to_string()).unwrap();
        assert_eq!((read.kind, read.event_type), (EventKind::Job, None));
        assert_eq!(read.execution_key().unwrap().name, "j");
        let dataset = json!({"eventTime": "2026-11-24", "producer": "p", "schemaURL": "s", "dataset": {"namespace": "n", "name": "d"}});
        let read = Event::parse(&dataset.to_string()).unwrap();
        assert_eq!((read.kind, read.subject.name.as_str()), (EventKind::Dataset, "d"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "no JSON"),
            ("[1]", "no JSON object"),
            ("{}", "neither run and job"),
            ("nul", "no JSON"),
        ] {
            let invalid = Event::parse(text).unwrap_err();
            assert!(invalid.message.contains(expected), "{text}: {invalid:?}");
        }
        for member in ["eventTime", "producer", "schemaURL", "job"] {
            let said = complaint(|event| drop(event.as_object_mut().unwrap().remove(member)));
            assert!(said.starts_with(&format!("{member}: {member} is missing")), "{said}");
        }
        let cases: [(&str, Value, &str); 11] = [
            (
                "/eventTime",
                json!("yesterday"),
                "eventTime: eventTime: \"yesterday\" is not a date",
            ),
            ("/eventTime", json!(1), "eventTime: eventTime is not a text"),
            (
                "/eventType",
                json!("DONE"),
                "eventType: eventType \"DONE\" is none of START",
            ),
            ("/run", json!("r"), "run: run is not an object"),
            ("/run/runId", json!(null), "run.runId: run.runId is missing"),
            (
                "/run/runId",
                json!(" "),
                "run.runId: run.runId begins or ends with white space",
            ),
            (
                "/job/namespace",
                json!("x".repeat(256)),
                "job.namespace: job.namespace has 256 characters",
            ),
            ("/inputs", json!({}), "inputs: inputs is not a list"),
            ("/inputs/0", json!("d"), "inputs.0: inputs.0 is not an object"),
            ("/inputs/0/name", json!(""), "inputs.0.name: inputs.0.name is empty"),
            (
                "/inputs/0/name",
                json!("a\nb"),
                "inputs.0.name: inputs.0.name has a control character",
            ),
        ];
        for (pointer, value, expected) in cases {
            let said = complaint(|event| *event.pointer_mut(pointer).unwrap() = value);
            assert!(said.starts_with(expected), "{said}");
        }
        let said = complaint(|event| drop(event["inputs"][0].as_object_mut().unwrap().remove("namespace")));
        assert!(
            said.starts_with("inputs.0.namespace: inputs.0.namespace is missing"),
            "{said}"
        );
    }
}
