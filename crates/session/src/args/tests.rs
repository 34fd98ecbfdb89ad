use super::*;

fn with_two_blobs() -> Args {
    let blobs = vec![
        Blob { at: 3, bytes: Bytes::from_static(b"one") },
        Blob { at: 9, bytes: Bytes::from_static(b"two") },
    ];
    Args::with_blobs("1,[null,null],\"x\"".into(), vec![]).unwrap();
    let at = "1,[null,null],\"x\"".find("null").unwrap();
    assert_eq!(at, 3);
    Args::with_blobs("1,[null ,null],\"x\"".into(), blobs).unwrap()
}

#[test]
fn detached_is_the_same_in_other_memory() {
    let read = Bytes::from_static(b"\x01\x02");
    let blobs = vec![Blob { at: 2, bytes: read.clone() }];
    for args in [Args::with_blobs("1,null".into(), blobs).unwrap(), Args::from_text("\"")] {
        let own = args.detached();
        assert_eq!(own, args);
        assert_ne!(own.json().as_ptr(), args.json().as_ptr());
        assert!(own.blobs().iter().all(|blob| blob.bytes.as_ptr() != read.as_ptr()));
    }
}

#[test]
fn blobs_stand_where_they_belong() {
    let args = with_two_blobs();
    assert_eq!(args.to_base64_json(), "1,[\"b25l\" ,\"dHdv\"],\"x\"");
    let second = args.get(1).unwrap();
    assert_eq!(second.json(), "[null ,null]");
    assert_eq!(second.blobs()[1].at, 7);
    assert_eq!(args.skip(1).to_base64_json(), "[\"b25l\" ,\"dHdv\"],\"x\"");
    assert_eq!(args.skip(2).blobs(), &[]);
    assert!(args.skip(3).is_empty());
}

#[test]
fn blobs_must_stand_at_a_null() {
    let blob = |at| Blob { at, bytes: Bytes::new() };
    assert!(Args::with_blobs("null".into(), vec![blob(1)]).is_err());
    assert!(Args::with_blobs("null".into(), vec![blob(0), blob(0)]).is_err());
    assert!(Args::with_blobs("\"null\"".into(), vec![blob(9)]).is_err());
    // The same places, in a string and behind one.
    for (json, at, stands) in
        [(r#""x,null,y""#, 3, false), (r#""\",null,y""#, 4, false), (r#""\\",null"#, 5, true)]
    {
        assert_eq!(Args::with_blobs(json.into(), vec![blob(at)]).is_ok(), stands, "{json}");
    }
}

#[test]
fn whole_byte_string() {
    let args = Args::from_bytes(Bytes::from_static(b"\x00\xff"));
    assert_eq!(args.as_bytes().unwrap().as_ref(), b"\x00\xff");
    assert_eq!(args.to_base64_json(), "\"AP8=\"");
    assert_eq!(with_two_blobs().as_bytes(), None);
}

#[test]
fn arrays_lose_their_brackets() {
    assert_eq!(Args::from_array(&" [ 1, 2 ] ".into()).unwrap().json(), "1, 2");
    assert_eq!(Args::from_array(&"[]".into()).unwrap().len(), 0);
    assert!(Args::from_array(&"{}".into()).is_err());
}

#[test]
fn a_text_is_the_same_as_its_json() {
    let text = Args::from_text("say \"hi\"\u{1}");
    let json = Args::from_elements(r#""say \"hi\"\u0001""#.into()).unwrap();
    assert_eq!(text, json);
    assert_eq!(text.len(), 1);
    assert!(!Args::from_text("").is_empty());
    assert_eq!(text.get(0), Some(json.clone()));
    assert_eq!((text.get(1), text.skip(1)), (None, Args::default()));
    assert_eq!(text.iter().collect::<Vec<_>>(), [json]);
    assert_eq!(text.as_text().map(|text| &**text), Some("say \"hi\"\u{1}"));
}
