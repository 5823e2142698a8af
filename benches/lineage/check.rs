//! Whether the service and the floor answered the same.

use serde_json::Value;

use super::floor::{Answer, What};

/// Stops where the service's answer has other nodes, edges or counts than the floor's.
pub fn same(name: &str, what: What, service: &[u8], floor: &Answer) {
    let (service, floor) = (lineage(name, service), lineage(name, floor.json.as_bytes()));
    match what {
        What::Rows => {
            same_list(name, "nodes", &service, &floor);
            same_list(name, "edges", &service, &floor);
        }
        What::Edges => same_list(name, "edges", &service, &floor),
        What::Counts => {
            for field in ["nodeCount", "counts"] {
                assert_eq!(service[field], floor[field], "{name}: {field}");
            }
        }
    }
}

/// The value of the field `lineage`.
pub fn lineage(name: &str, answer: &[u8]) -> Value {
    let mut answer: Value = serde_json::from_slice(answer).unwrap();
    assert!(answer["errors"].is_null(), "{name}: {}", answer["errors"]);
    answer["data"]["lineage"].take()
}

fn same_list(name: &str, field: &str, service: &Value, floor: &Value) {
    let sorted = |answer: &Value| {
        let mut items: Vec<String> = answer[field].as_array().unwrap().iter().map(Value::to_string).collect();
        items.sort_unstable();
        items
    };
    let (service, floor) = (sorted(service), sorted(floor));
    let counts = (service.len(), floor.len());
    let other = service.iter().zip(&floor).find(|(ours, theirs)| ours != theirs);
    assert!(other.is_none(), "{name}: {field}, {counts:?}: {other:?}");
    assert_eq!(counts.0, counts.1, "{name}: {field}");
}
