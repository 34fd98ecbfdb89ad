use super::*;

fn check(namespace: &str, name: &str, auth: &str) {
    let auth = Args::from_elements(auth.into()).unwrap();
    assert_eq!(split(&namespace.into()), (name.into(), auth), "{namespace}");
}

#[test]
fn sio4_queries_become_objects() {
    check("/chat", "/chat", "");
    check("/chat?", "/chat", "");
    check("/chat?token=x", "/chat", r#"{"token":"x"}"#);
    check("/?a=1&b=%22+%7d&a=2&c", "/", r#"{"a":"2","b":"\" }","c":""}"#);
}

#[test]
fn sio4_queries_are_bounded() {
    let query: Vec<String> = (0..500).map(|n| format!("k{n}=v")).collect();
    let (_, auth) = split(&format!("/?{}", query.join("&")).into());
    assert_eq!(auth.json().matches(":\"v\"").count(), PARAMETERS_MAX);
}
