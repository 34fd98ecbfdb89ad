use super::*;

#[test]
fn the_default_is_the_official_servers() {
    assert_eq!(Cookie::default().with("SID"), "io=SID; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(Cookie::named("sticky").with("SID"), "sticky=SID; Path=/; HttpOnly; SameSite=Lax");
}

#[test]
fn rfc6265_4_1_all_parts_in_the_official_order() {
    let all = Cookie {
        name: "a".into(),
        max_age: Some(Duration::from_millis(90_999)),
        domain: Some("example.com".into()),
        path: Some("/chat".into()),
        expires: Some("Wed, 21 Oct 2026 07:28:00 GMT".into()),
        http_only: true,
        secure: true,
        partitioned: true,
        priority: Some(Priority::High),
        same_site: Some(SameSite::None),
    };
    all.check().unwrap();
    let text = "a=SID; Max-Age=90; Domain=example.com; Path=/chat; \
        Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly; Secure; Partitioned; Priority=High; \
        SameSite=None";
    assert_eq!(all.with("SID"), text);
    let bare = Cookie { path: None, http_only: false, same_site: None, ..Cookie::default() };
    assert_eq!(bare.with("SID"), "io=SID");
}

#[test]
fn rfc6265_4_1_1_what_would_be_another_cookie_is_refused() {
    let refused = |cookie: Cookie| cookie.check().unwrap_err().to_string();
    for name in ["", "a b", "a=b", "a;b", "é", "a\r\n"] {
        assert!(refused(Cookie::named(name)).starts_with("the cookie's name can't be"), "{name}");
    }
    for domain in ["", ".", "a..b", "-a.b", "a-.b", "a.b;c", "a b", &"a".repeat(64)] {
        let domain = Some(domain.to_owned());
        refused(Cookie { domain, ..Cookie::default() });
    }
    for path in ["", "/;Secure", "/\r\n", "/é"] {
        refused(Cookie { path: Some(path.into()), ..Cookie::default() });
        refused(Cookie { expires: Some(path.into()), ..Cookie::default() });
    }
    for domain in ["example.com", ".example.com", "localhost", "a-b.c9"] {
        Cookie { domain: Some(domain.into()), ..Cookie::default() }.check().unwrap();
    }
}
