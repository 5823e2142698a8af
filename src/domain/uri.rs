//! Artifact URIs: `flyte://av0.1/<project>/<domain>/<name>[@<version>][?<key>=<value>&time_partition=<instant>]`.
//!
//! Every part is percent-encoded when written, so that each key makes the round trip. Read are also parts that are not
//! (a name or a version may then have slashes), and `av0.2`, whose first part is an organisation that Heirloom does not know.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Invalid;
use super::filter::{PartitionFilter, TimeFilter, ValueFilter, VersionKeyQuery};
use super::key::{ArtifactKey, LATEST};
use super::time::Timestamp;

/// What RFC 3986 calls unreserved stays as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How the URI of every artifact begins.
pub const ROOT: &str = "flyte://av0.1/";
const FORM: &str = "write flyte://av0.1/<project>/<domain>/<name>[@<version>][?<key>=<value>]";

/// A part of a URI, percent-encoded.
pub fn encode(part: &str) -> impl fmt::Display {
    utf8_percent_encode(part, RESERVED)
}

/// The URI of an artifact.
pub fn of_artifact(key: &ArtifactKey) -> String {
    format!(
        "{ROOT}{}/{}/{}",
        encode(&key.project),
        encode(&key.domain),
        encode(&key.name)
    )
}

/// The URI of a version.
pub fn of_version(key: &ArtifactKey, version: &str) -> String {
    format!("{}@{}", of_artifact(key), encode(version))
}

/// Reads a URI as the query that it stands for.
///
/// ```
/// use heirloom::domain::uri;
/// let query = uri::parse("flyte://av0.1/p/d/a%2Fb@f3a9/n0/0/o0?region=EU").unwrap();
/// assert_eq!(query.artifact.name, "a/b");
/// assert_eq!(query.version.as_deref(), Some("f3a9/n0/0/o0"));
/// ```
pub fn parse(uri: &str) -> Result<VersionKeyQuery, Invalid> {
    let rest = uri
        .strip_prefix("flyte://")
        .ok_or_else(|| invalid("has another scheme than flyte"))?;
    let (path, query) = rest
        .split_once('?')
        .map_or((rest, None), |(path, query)| (path, Some(query)));
    let (path, version) = path
        .split_once('@')
        .map_or((path, None), |(path, version)| (path, Some(version)));
    let (generation, path) = path.split_once('/').ok_or_else(|| invalid("is cut short"))?;
    let path = match generation {
        "av0.1" => path,
        "av0.2" => path.split_once('/').ok_or_else(|| invalid("is cut short"))?.1,
        _ => return Err(invalid("is of another generation than av0.1 and av0.2")),
    };
    let mut parts = path.splitn(3, '/');
    let mut part = || {
        parts
            .next()
            .filter(|p| !p.is_empty())
            .ok_or_else(|| invalid("is cut short"))
            .and_then(decode)
    };
    let artifact = ArtifactKey {
        project: part()?,
        domain: part()?,
        name: part()?,
    };
    artifact.validate().map_err(|e| e.within("uri"))?;
    let version = version.map(decode).transpose()?.filter(|v| v != LATEST);
    Ok(VersionKeyQuery {
        artifact,
        version,
        alias: None,
        partition: query.map(partition).transpose()?.flatten(),
    })
}

fn partition(query: &str) -> Result<Option<PartitionFilter>, Invalid> {
    let mut filter = PartitionFilter::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| invalid("has a partition without a value"))?;
        let (key, value) = (decode(key)?, decode(value)?);
        if key != "time_partition" {
            filter.values.push(ValueFilter {
                key,
                eq: Some(value),
                ..ValueFilter::default()
            });
        } else if filter.time.is_some() {
            return Err(invalid("has two time partitions"));
        } else {
            let at = Timestamp::parse(&value).map_err(|e| Invalid::new("uri", e))?;
            filter.time = Some(TimeFilter {
                at: Some(at),
                ..TimeFilter::default()
            });
        }
    }
    Ok((filter != PartitionFilter::default()).then_some(filter))
}

fn decode(part: &str) -> Result<String, Invalid> {
    let decoded = percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| invalid("is not UTF-8 behind its percent signs"))?;
    Ok(decoded.into_owned())
}

fn invalid(what: &str) -> Invalid {
    Invalid::new("uri", format!("The URI {what}: {FORM}."))
}

#[cfg(test)]
mod tests {
    use super::{of_version, parse};
    use crate::domain::key::ArtifactKey;

    #[test]
    fn both_generations_and_partitions() {
        let query = parse("flyte://av0.2/org/p/d/x?region=EU&time_partition=2026-11-22T00:00:00+01:00").unwrap();
        assert_eq!(
            (query.artifact.project.as_str(), query.artifact.name.as_str()),
            ("p", "x")
        );
        let partition = query.partition.unwrap();
        assert_eq!(partition.values[0].eq.as_deref(), Some("EU"));
        assert_eq!(partition.time.unwrap().at.unwrap().to_string(), "2026-11-21T23:00:00Z");
        assert_eq!(parse("flyte://av0.1/p/d/x@latest").unwrap().version, None);
    }

    #[test]
    fn what_is_none() {
        for wrong in [
            "",
            "x",
            "http://av0.1/p/d/n",
            "flyte://av0.3/p/d/n",
            "flyte://av0.1/p/d",
            "flyte://av0.1/p/d/",
            "flyte://av0.1/p//n",
            "flyte://av0.1/p/d/n?region",
            "flyte://av0.1/p/d/%ff",
        ] {
            assert!(parse(wrong).is_err(), "{wrong} was taken");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_key_makes_the_round_trip(project in "[^\\p{Cc}\\s]{1,20}", name in "[^\\p{Cc}\\s]{1,40}", version in "[^\\p{Cc}\\s]{1,40}") {
            let key = ArtifactKey { project, domain: "a b".into(), name };
            let query = parse(&of_version(&key, &version)).unwrap();
            proptest::prop_assert_eq!(query.artifact, key);
            proptest::prop_assert_eq!(query.version, (version != "latest").then_some(version));
        }
    }
}
