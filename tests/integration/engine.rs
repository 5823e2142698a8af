//! What we rely on the GraphQL library for, and what we do in its place: so that another version of it cannot change
//! the API.

use serde_json::{Value, json};

use crate::toy::Toy;

/// The text of the answer's data, in which the order of keys can be seen.
async fn data(query: &str) -> String {
    let reply = Toy::new().query(query).await;
    let from = reply.text().find("\"data\":").expect("there must be data") + "\"data\":".len();
    reply.text()[from..reply.text().len() - 1].to_owned()
}

#[tokio::test]
async fn keys_are_answered_in_the_order_of_the_selection() {
    assert_eq!(
        data("{thing{slow fast} b:nullable a:nullable}").await,
        r#"{"thing":{"slow":1,"fast":2},"b":-1,"a":-1}"#
    );
}

#[tokio::test]
async fn a_failed_non_null_field_takes_its_parents_along() {
    assert_eq!(data("{thing{fast required}}").await, "null");
    assert_eq!(
        data("{nullable maybe{fast required}}").await,
        r#"{"nullable":-1,"maybe":null}"#
    );
}

#[tokio::test]
async fn a_failed_nullable_field_is_null_in_its_place() {
    assert_eq!(
        data("{maybe{fast optional}}").await,
        r#"{"maybe":{"fast":2,"optional":null}}"#
    );
    assert_eq!(data("{maybe{items}}").await, r#"{"maybe":{"items":[1,null]}}"#);
}

#[tokio::test]
async fn an_error_says_where_and_what() {
    let reply = Toy::new().query("{maybe{items}}").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json["errors"],
        json!([{
            "message": "It is not there: name one that is.",
            "locations": [{"line": 1, "column": 8}],
            "path": ["maybe", "items", 1],
            "extensions": {"code": "NOT_FOUND"}
        }])
    );
}

#[tokio::test]
async fn a_request_error_has_no_data() {
    let toy = Toy::new();
    toy.query("{nope}").await.refused(400, "GRAPHQL_VALIDATION_FAILED");
    toy.query("{thing}").await.refused(400, "GRAPHQL_VALIDATION_FAILED");
    let reply = toy.query("{thing{").await;
    reply.refused(400, "GRAPHQL_PARSE_FAILED");
    assert!(reply.json["errors"][0]["locations"][0]["line"] == 1);
    toy.query("subscription{x}")
        .await
        .refused(400, "GRAPHQL_VALIDATION_FAILED");
    toy.query("{...F} fragment F on Query {...F}")
        .await
        .refused(400, "GRAPHQL_VALIDATION_FAILED");
    toy.query("{...F}").await.refused(400, "GRAPHQL_VALIDATION_FAILED");
    toy.query("query($x:[Nope!]=[1]){nullable}")
        .await
        .refused(400, "GRAPHQL_VALIDATION_FAILED");
    toy.query("").await.refused(400, "GRAPHQL_PARSE_FAILED");
}

#[tokio::test]
async fn a_parse_error_does_not_send_the_document_back() {
    let reply = Toy::new().query(&format!("{{thing {} ", "x ".repeat(5_000))).await;
    reply.refused(400, "GRAPHQL_PARSE_FAILED");
    assert!(reply.text().len() < 500, "{}", reply.text());
}

#[tokio::test]
async fn a_required_variable_must_be_given() {
    let toy = Toy::new();
    for query in ["query($n:Int!){nullable(n:$n)}", "query($n:Int!){required(n:$n)}"] {
        for variables in [json!({}), json!({"n": null}), json!({"m": 1})] {
            toy.run(query, variables)
                .await
                .refused(400, "GRAPHQL_VALIDATION_FAILED");
        }
        assert_eq!(toy.run(query, json!({"n": 3})).await.status, 200);
    }
    let optional = toy.run("query($n:Int){nullable(n:$n)}", json!({})).await;
    assert_eq!(optional.json, json!({"data": {"nullable": -1}}));
    let default = toy.run("query($n:Int!=7){required(n:$n)}", json!({})).await;
    assert_eq!(default.json, json!({"data": {"required": 7}}));
    toy.run("query($n:Int!=7){required(n:$n)}", json!({"n": null}))
        .await
        .refused(400, "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn a_variable_must_fit_its_type_before_anything_runs() {
    let toy = Toy::new();
    let filtered = "query($f:Filter!,$unused:Int){filtered(filter:$f) nullable(n:$unused)}";
    let parts = "query($name:String,$tags:[String!]){filtered(filter:{name:$name,tags:$tags})}";
    for (query, variables, argument) in [
        ("query($n:Int){nullable(n:$n)}", json!({"n": "1"}), "$n"),
        ("query($n:Int){nullable(n:$n)}", json!({"n": 1.5}), "$n"),
        ("query($n:Int){nullable(n:$n)}", json!({"n": 2_147_483_648_i64}), "$n"),
        ("query($n:Int){nullable(n:$n)}", json!({"n": {}}), "$n"),
        (filtered, json!({"f": 1}), "$f"),
        (filtered, json!({"f": {"nope": 1}}), "$f"),
        (filtered, json!({"f": {"tags": ["a", null]}}), "$f.tags[1]"),
        (parts, json!({"tags": [1]}), "$tags[0]"),
        (parts, json!({"name": 5}), "$name"),
        ("query($a:AsOf!){at(asOf:$a)}", json!({"a": {}}), "$a"),
        (
            "query($a:AsOf!){at(asOf:$a)}",
            json!({"a": {"revision": 1, "time": null}}),
            "$a",
        ),
        ("query($a:AsOf!){at(asOf:$a)}", json!({"a": {"revision": null}}), "$a"),
    ] {
        let reply = toy.run(query, variables.clone()).await;
        reply.refused(400, "GRAPHQL_VALIDATION_FAILED");
        assert_eq!(
            reply.json["errors"][0]["extensions"]["argument"], argument,
            "{query} {variables}"
        );
    }
    let one_for_a_list = toy.run(parts, json!({"tags": "a", "name": "x"})).await;
    assert_eq!(one_for_a_list.json, json!({"data": {"filtered": "x"}}));
}

#[tokio::test]
async fn a_scalar_that_cannot_be_read_is_refused_before_anything_runs() {
    let toy = Toy::new();
    for time in [
        "tomorrow",
        "2026-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "",
    ] {
        let reply = toy
            .run("mutation($t:DateTime){a:write b:write(at:$t)}", json!({"t": time}))
            .await;
        reply.refused(400, "BAD_USER_INPUT");
        assert!(reply.message().contains("RFC 3339"), "{}", reply.message());
        let reply = toy.query(&format!("mutation{{a:write b:write(at:\"{time}\")}}")).await;
        reply.refused(400, "BAD_USER_INPUT");
        assert!(reply.message().contains("RFC 3339"), "{}", reply.message());
    }
    assert_eq!(toy.writes(), 0);
    for number in ["1152921504606846976", "9007199254740992", "1.5", "\"1\""] {
        toy.query(&format!("{{long(number:{number})}}"))
            .await
            .refused(400, "BAD_USER_INPUT");
        let variables = serde_json::from_str::<Value>(&format!("{{\"n\":{number}}}")).unwrap();
        toy.run("query($n:Long!){long(number:$n)}", variables)
            .await
            .refused(400, "BAD_USER_INPUT");
    }
    toy.query("{json(value:{a:RED})}").await.refused(400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn scalars_make_the_round_trip() {
    let toy = Toy::new();
    let reply = toy
        .query(r#"{time(time:"2026-11-23T09:00:00.5+01:00") long(number:9007199254740991)}"#)
        .await;
    assert_eq!(
        reply.json,
        json!({"data": {"time": "2026-11-23T08:00:00.5Z", "long": 9_007_199_254_740_991_i64}})
    );
    let value = json!({"b": [1, null, {"a": "é"}], "a": 1.5});
    let reply = toy.run("query($v:JSON!){json(value:$v)}", json!({"v": value})).await;
    assert_eq!(reply.json, json!({"data": {"json": value}}));
    let reply = toy.query("{json(value:{a:[1,true,null],b:\"x\"})}").await;
    assert_eq!(reply.json, json!({"data": {"json": {"a": [1, true, null], "b": "x"}}}));
    let reply = toy
        .run("query($a:AsOf!){at(asOf:$a)}", json!({"a": {"time": "2026-11-23"}}))
        .await;
    assert_eq!(reply.json, json!({"data": {"at": "2026-11-23T00:00:00Z"}}));
}

#[tokio::test]
async fn which_operation_runs_must_be_clear() {
    let toy = Toy::new();
    let ask = async |query: &str, name: Value| {
        toy.post(json!({"query": query, "operationName": name}).to_string())
            .await
    };
    let two = "query A {nullable} query B {required(n:2)}";
    assert_eq!(ask(two, json!("B")).await.json, json!({"data": {"required": 2}}));
    assert_eq!(ask("query A {nullable}", Value::Null).await.status, 200);
    ask(two, Value::Null).await.refused(400, "BAD_USER_INPUT");
    ask(two, json!("C")).await.refused(400, "BAD_USER_INPUT");
    ask("{nullable}", json!("A")).await.refused(400, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_document_that_comes_again_is_judged_by_its_variables_again() {
    let toy = Toy::new();
    let query = "query($n:Int!){rows(first:$n){id}}";
    for _ in 0..3 {
        assert_eq!(toy.run(query, json!({"n": 2})).await.json["data"]["rows"][1]["id"], 1);
        toy.run(query, json!({"n": 2_000_000}))
            .await
            .refused(400, "LIMIT_EXCEEDED");
        toy.run(query, json!({"n": "2"}))
            .await
            .refused(400, "GRAPHQL_VALIDATION_FAILED");
        toy.query("{nope}").await.refused(400, "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn a_fault_of_ours_hides_its_cause() {
    let toy = Toy::new();
    for query in ["{internal}", "{careless}"] {
        let reply = toy.query(query).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (200, "INTERNAL"));
        assert!(!reply.text().contains("hunter2"), "{}", reply.text());
        let id = reply.json["errors"][0]["extensions"]["requestId"].as_str().unwrap();
        assert_eq!(id, reply.header("x-request-id"));
    }
}
