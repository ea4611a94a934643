//! What every store promises about input that no sane client would write.

use expanse_sidecar::coordination::{Error, Op, Version, MAX_ENTRY_BYTES};

use crate::contract::{client, soon};

pub async fn entries_hold_any_bytes(url: &str) {
    let store = client(url).await;
    let all: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let samples: [&[u8]; 6] = [
        b"",
        b"\0",
        b"\n\n{}",
        &[0xff; 300],
        "\u{202e}\u{0}".as_bytes(),
        &all,
    ];
    for (index, data) in samples.iter().enumerate() {
        let path = format!("/bytes/{index}");
        store.create(&path, b"before").await.unwrap();
        store.put(&path, data, Version(0)).await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().unwrap().data, *data);
        let mut watch = store.watch(&path).await.unwrap();
        assert_eq!(watch.current().unwrap().data, *data);
    }
}

pub async fn paths_hold_any_characters(url: &str) {
    let store = client(url).await;
    let mut names = [
        ".hidden",
        "..x",
        "a b",
        "%2e",
        "%",
        "ä\u{fc}\u{4e2d}",
        "-rf",
        "*",
        "'\";$(x)",
        "\\",
        "x.entry",
        "CON",
    ];
    names.sort_unstable();
    for name in names {
        store
            .create(&format!("/odd/{name}/below"), name.as_bytes())
            .await
            .unwrap();
    }
    assert_eq!(store.children("/odd").await.unwrap(), names);
    for name in names {
        let entry = store
            .get(&format!("/odd/{name}/below"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(entry.data, name.as_bytes());
    }
}

pub async fn bad_paths_are_refused(url: &str) {
    let store = client(url).await;
    for path in [
        "",
        "/",
        "relative",
        "/a/",
        "//",
        "/../escape",
        "/a/./b",
        "/nul\0",
        "/new\nline",
        "/\u{1f600}",
    ] {
        let refused = |error: Error| matches!(error, Error::InvalidPath { .. });
        assert!(refused(store.get(path).await.unwrap_err()), "{path:?}");
        assert!(
            refused(store.get_fresh(path).await.unwrap_err()),
            "{path:?}"
        );
        assert!(refused(store.children(path).await.unwrap_err()), "{path:?}");
        assert!(
            refused(store.create(path, b"").await.unwrap_err()),
            "{path:?}"
        );
        assert!(
            refused(store.create_ephemeral(path, b"").await.unwrap_err()),
            "{path:?}"
        );
        assert!(
            refused(store.publish(path, b"").await.unwrap_err()),
            "{path:?}"
        );
        assert!(
            refused(store.put(path, b"", Version(0)).await.unwrap_err()),
            "{path:?}"
        );
        assert!(
            refused(store.delete(path, Version(0)).await.unwrap_err()),
            "{path:?}"
        );
        assert!(refused(store.watch(path).await.unwrap_err()), "{path:?}");
        assert!(
            refused(store.watch_children(path).await.unwrap_err()),
            "{path:?}"
        );
        assert!(
            refused(store.campaign(path, "n1").await.unwrap_err()),
            "{path:?}"
        );
        let ops = vec![Op::Create {
            path: path.to_owned(),
            data: Vec::new(),
        }];
        assert!(refused(store.multi(ops).await.unwrap_err()), "{path:?}");
    }
}

pub async fn entries_have_a_limit(url: &str) {
    let store = client(url).await;
    let largest = vec![b'x'; MAX_ENTRY_BYTES];
    store.create("/largest", &largest).await.unwrap();
    let entry = store.get("/largest").await.unwrap().unwrap();
    assert!(entry.data == largest);
    store.put("/largest", &largest, Version(0)).await.unwrap();
    let mut too_large = largest.clone();
    too_large.push(b'x');
    let refused = |error: Error| matches!(error, Error::TooLarge { .. });
    assert!(refused(
        store.create("/larger", &too_large).await.unwrap_err()
    ));
    assert!(refused(
        store
            .create_ephemeral("/larger", &too_large)
            .await
            .unwrap_err()
    ));
    assert!(refused(
        store
            .put("/largest", &too_large, Version(1))
            .await
            .unwrap_err()
    ));
    let half = || largest[..MAX_ENTRY_BYTES / 2].to_vec();
    let ops = |path: &str| Op::Create {
        path: path.to_owned(),
        data: half(),
    };
    assert!(refused(
        store
            .multi(vec![ops("/half1"), ops("/half2"), ops("/half3")])
            .await
            .unwrap_err()
    ));
    // The client is as good as before.
    assert_eq!(soon(store.get("/larger")).await, Ok(None));
}

pub async fn damaged_entries_are_errors(url: &str) {
    let store = client(url).await;
    for data in [
        &b"{"[..],
        b"",
        b"\xff",
        b"[1]",
        b"{\"epoch\":\"x\"}",
        &[b'['; 100_000],
    ] {
        store.create("/json", data).await.unwrap();
        let entry = store.get("/json").await.unwrap().unwrap();
        let parsed = entry.json::<std::collections::BTreeMap<String, i64>>("/json");
        assert!(matches!(parsed, Err(Error::Damaged { .. })));
        store.delete("/json", Version(0)).await.unwrap();
    }
}
