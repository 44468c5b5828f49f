//! The dashboard as a browser without scripts has it: pages, forms, a cookie.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use sha2::{Digest as _, Sha256};
use stripe_product_sync::access::{ApiKey, KeyRequired, Role, Token};
use stripe_product_sync::engine::clock;
use stripe_product_sync::gate::{Gate, Keyring, Limits};
use stripe_product_sync::http::{Door, Secrets, serve};
use stripe_product_sync::plan::Mode;
use stripe_product_sync::store::{Page, RunFilter};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::catalog::product;
use crate::support::{PATIENCE, Setup, TestApp, facts, in_time};

const BASE: &str = "/admin/stripe-sync";

/// A service that asks everybody for a key.
struct Site {
    app: TestApp,
    at: SocketAddr,
    _stop: DropGuard,
}

/// Who looks at it.
struct Browser {
    at: SocketAddr,
    cookie: Mutex<String>,
}

struct Answer {
    code: u16,
    location: String,
    policy: String,
    body: String,
}

impl Site {
    async fn new(products: Vec<stripe_product_sync::catalog::Product>) -> Self {
        Self::over(TestApp::new(products).await, true).await
    }

    async fn over(app: TestApp, sandbox: bool) -> Self {
        let number = |n| NonZeroU32::new(n).unwrap();
        let limits = Limits {
            rate: number(10_000),
            burst: number(10_000),
            calls: 100,
            calls_each: 100,
            watches: 100,
            watches_each: 100,
        };
        let now = clock::system();
        let keys = Keyring::new(app.store.clone(), None, move || now());
        let door = Door {
            gate: Gate::new(Arc::new(keys), KeyRequired::Always, &limits),
            behind_proxy: false,
            open_metrics: false,
            secrets: Secrets::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let drain = Duration::from_secs(1);
        tokio::spawn(serve(
            app.engine.clone(),
            door,
            facts(sandbox),
            listener,
            stop.clone(),
            drain,
        ));
        Self {
            app,
            at,
            _stop: stop.drop_guard(),
        }
    }

    async fn key(&self, role: Role) -> Token {
        let fill = |bytes: &mut [u8]| {
            bytes.fill_with(|| fastrand::u8(..));
            Ok::<_, ()>(())
        };
        let token = Token::generate(fill).unwrap();
        let key = ApiKey {
            id: token.id(),
            name: format!("the {role}"),
            role,
            hash: token.hash(),
            create_time: self.app.engine.now(),
            expire_time: None,
            revoke_time: None,
            last_use_time: None,
        };
        self.app.store.add_api_key(&key).await.unwrap();
        token
    }

    fn browser(&self) -> Browser {
        Browser {
            at: self.at,
            cookie: Mutex::default(),
        }
    }

    async fn logged_in(&self, role: Role) -> Browser {
        let browser = self.browser();
        browser.log_in(&self.key(role).await, "").await;
        browser
    }

    async fn writes(&self) -> usize {
        let requests = self.app.requests();
        requests
            .iter()
            .filter(|request| request.starts_with("POST"))
            .count()
    }
}

impl Browser {
    async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("{BASE}{path}"), String::new())
            .await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.send("POST", &format!("{BASE}{path}"), form.finish())
            .await
    }

    /// Logs in; a key that was made just now is known a moment later.
    async fn log_in(&self, token: &Token, next: &str) -> Answer {
        in_time("a login", async {
            loop {
                let fields = [("key", token.expose()), ("next", next)];
                let answer = self.post("/login", &fields).await;
                match answer.code {
                    303 => return answer,
                    code => assert_eq!(code, 401, "{}", answer.body),
                }
            }
        })
        .await
    }

    /// Sends the form of a page that posts to this path, with what it carries.
    async fn submit(&self, page: &str, path: &str) -> Answer {
        let action = format!("action=\"{BASE}{path}\"");
        let form = page.split("<form").find(|form| form.contains(&action));
        let form = form.unwrap_or_else(|| panic!("no form for {path} in\n{page}"));
        let form = form.split("</form>").next().unwrap();
        let fields: Vec<(&str, &str)> = form
            .split("<input ")
            .filter(|input| input.contains("type=\"hidden\""))
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect();
        self.post(path, &fields).await
    }

    /// Where an answer leads.
    async fn follow(&self, answer: Answer) -> Answer {
        assert_eq!(answer.code, 303, "{}", answer.body);
        self.send("GET", &answer.location, String::new()).await
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Answer {
        let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.at))
            .header("content-type", "application/x-www-form-urlencoded");
        let cookie = self.cookie.lock().unwrap().clone();
        if !cookie.is_empty() {
            request = request.header("cookie", cookie);
        }
        let request = request.body(Full::new(bytes::Bytes::from(body))).unwrap();
        let answer = client.request(request).await.unwrap();
        if let Some(set) = answer.headers().get("set-cookie") {
            let set = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            *self.cookie.lock().unwrap() = set;
        }
        let header = |name: &str| {
            let value = answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        };
        let (code, location) = (answer.status().as_u16(), header("location"));
        let policy = header("content-security-policy");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer {
            code,
            location,
            policy,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let found = tag.split(&format!("{name}=\"")).nth(1).unwrap();
    found.split('"').next().unwrap()
}

fn two() -> Vec<stripe_product_sync::catalog::Product> {
    vec![product("plan_a", "19.99"), product("plan_b", "290")]
}

#[tokio::test]
async fn a_key_logs_in_and_out() {
    let site = Site::new(two()).await;
    let browser = site.browser();
    let answer = browser.get("/runs?state=failed").await;
    assert_eq!(answer.code, 401);
    assert!(answer.body.contains("API key"), "{}", answer.body);
    assert!(
        answer
            .body
            .contains("value=\"/admin/stripe-sync/runs?state=failed\""),
        "{}",
        answer.body
    );
    assert!(
        !answer.body.contains("<nav class=\"nav\""),
        "nothing of the account"
    );

    for (key, code) in [("", 400), ("sps_", 400), ("sps_aaaaaaaaaaaa_x", 400)] {
        let answer = browser.post("/login", &[("key", key)]).await;
        assert_eq!(answer.code, code, "{key}");
        assert!(browser.cookie.lock().unwrap().is_empty());
    }
    let other = Site::new(Vec::new()).await.key(Role::Admin).await;
    let answer = browser.post("/login", &[("key", other.expose())]).await;
    assert_eq!(answer.code, 401);
    assert!(
        answer.body.contains("No key like this is known"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains(other.expose()));

    let token = site.key(Role::Admin).await;
    let next = format!("{BASE}/runs");
    let answer = browser.log_in(&token, &next).await;
    assert_eq!(
        (answer.code, answer.location.as_str()),
        (303, next.as_str())
    );
    let page = browser.get("/").await;
    assert_eq!(page.code, 404, "an address with a slash too many");
    let page = browser.get("").await;
    assert_eq!(page.code, 200, "{}", page.body);
    assert!(
        page.body.contains("the admin") && page.body.contains("Log out"),
        "{}",
        page.body
    );
    assert!(!page.body.contains(token.expose()));

    // It leads nowhere else.
    for next in [
        "https://evil.example",
        "//evil.example",
        "/admin/stripe-syncx",
        "/api/x",
        "",
    ] {
        let answer = site
            .browser()
            .post("/login", &[("key", token.expose()), ("next", next)])
            .await;
        assert_eq!(answer.location, BASE, "{next}");
    }
    let answer = browser.submit(&page.body, "/logout").await;
    assert_eq!(
        (answer.code, answer.location.as_str()),
        (303, "/admin/stripe-sync/login")
    );
    assert_eq!(browser.get("").await.code, 401);

    // A key that ends ends its logins.
    let browser = site.browser();
    browser.post("/login", &[("key", token.expose())]).await;
    site.app
        .store
        .revoke_api_key(&token.id(), site.app.engine.now())
        .await
        .unwrap();
    in_time("the key's end", async {
        while browser.get("").await.code != 401 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The old "Preview" button really synced (fault 15).
#[tokio::test]
async fn a_preview_changes_nothing_and_is_applied_exactly() {
    let site = Site::new(two()).await;
    let browser = site.logged_in(Role::Operator).await;
    site.app.requests();
    let page = browser.get("/preview").await;
    let answer = browser.submit(&page.body, "/preview").await;
    assert!(
        answer
            .location
            .starts_with("/admin/stripe-sync/preview?run="),
        "{}",
        answer.location
    );
    let id = stripe_product_sync::store::RunId::new(answer.location.split('=').nth(1).unwrap());
    site.app.engine.wait(&id, PATIENCE).await.unwrap();
    let plan = browser.follow(answer).await;
    for part in ["plan_a", "19.99", "Apply exactly this plan", "plan_b"] {
        assert!(plan.body.contains(part), "{part} is not in\n{}", plan.body);
    }
    assert_eq!(site.writes().await, 0);
    assert!(site.app.stripe.products().await.is_empty());

    let answer = browser.submit(&plan.body, "/apply").await;
    assert!(
        answer.location.starts_with("/admin/stripe-sync/runs/"),
        "{}",
        answer.location
    );
    let id = stripe_product_sync::store::RunId::new(answer.location.rsplit('/').next().unwrap());
    let run = site.app.engine.wait(&id, PATIENCE).await.unwrap();
    assert_eq!(
        (run.counts.created, run.actor.starts_with("the operator")),
        (2, true)
    );
    let page = browser.follow(answer).await;
    for part in [
        "Succeeded",
        "prod_plan_a",
        "Exactly a previewed plan",
        "grpcurl",
    ] {
        assert!(page.body.contains(part), "{part} is not in\n{}", page.body);
    }
    let list = browser.get("/runs").await;
    assert!(
        list.body.contains(id.as_str()) && list.body.contains("dry run"),
        "{}",
        list.body
    );
    assert_eq!(site.app.stripe.products().await.len(), 2);

    // The same plan once more is not what there is to do.
    let answer = browser.submit(&plan.body, "/apply").await;
    assert!(answer.location.contains("?stale="), "{}", answer.location);
    let page = browser.follow(answer).await;
    assert!(
        page.body.contains("STALE_PLAN") && page.body.contains("Nothing was written"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn a_form_of_another_login_or_of_none_does_nothing() {
    let site = Site::new(two()).await;
    let (one, other) = (
        site.logged_in(Role::Operator).await,
        site.logged_in(Role::Operator).await,
    );
    let page = one.get("").await.body;
    let runs = async || {
        let page = Page {
            after: None,
            limit: 9,
        };
        site.app
            .store
            .runs(&RunFilter::default(), &page)
            .await
            .unwrap()
            .len()
    };
    for path in ["/sync", "/preview", "/validate"] {
        assert_eq!(other.submit(&page, path).await.code, 400, "{path}");
        assert_eq!(
            one.post(path, &[("mode", "sync")]).await.code,
            400,
            "{path}"
        );
        assert_eq!(one.post(path, &[("csrf", "")]).await.code, 400, "{path}");
    }
    assert_eq!(runs().await, 0);
    // Nor what a role may not do, whatever the page shows.
    let viewer = site.logged_in(Role::Viewer).await;
    let page = viewer.get("").await.body;
    assert!(page.contains("Needs the role operator"), "{page}");
    let answer = viewer.submit(&page, "/sync").await;
    assert_eq!(answer.code, 403);
    assert!(
        answer.body.contains("needs the role operator"),
        "{}",
        answer.body
    );
    assert_eq!(runs().await, 0);
}

#[tokio::test]
async fn in_live_mode_nothing_is_written_before_the_accounts_name_is_typed() {
    let mut setup = Setup::default();
    setup.sandbox.live = true;
    let app = TestApp::with(setup, two()).await;
    let live = app.with_key("sk_live_same", |settings| settings.mode = Mode::Live);
    let site = Site::over(live.await, false).await;
    let browser = site.logged_in(Role::Operator).await;
    // Before Stripe was asked whose key it is there is nothing that could be typed.
    let page = browser.get("").await.body;
    assert!(page.contains("Preview or validate first"), "{page}");
    let csrf = attribute(page.split("name=\"csrf\"").nth(1).unwrap(), "value").to_owned();
    for confirm in ["", "acct_"] {
        let fields = [
            ("csrf", csrf.as_str()),
            ("mode", "sync"),
            ("confirm", confirm),
        ];
        let answer = browser.post("/sync", &fields).await;
        assert_eq!(answer.location, format!("{BASE}?confirm=sync"));
    }
    site.app.engine.validate(Vec::new(), None).await.unwrap();
    let page = browser.get("").await.body;
    for part in [
        "Live mode",
        "class=\"live\"",
        "LIVE ·",
        "to confirm a write in live mode",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let name = page
        .split("Type <b>")
        .nth(1)
        .unwrap()
        .split("</b>")
        .next()
        .unwrap()
        .to_owned();
    let csrf = attribute(page.split("name=\"csrf\"").nth(1).unwrap(), "value").to_owned();
    for confirm in ["", "no", &name.to_lowercase().replace('s', "z")] {
        for (mode, form) in [("sync", "sync"), ("force", "force")] {
            let fields = [
                ("csrf", csrf.as_str()),
                ("mode", mode),
                ("confirm", confirm),
            ];
            let answer = browser.post("/sync", &fields).await;
            assert_eq!(answer.location, format!("{BASE}?confirm={form}"));
            let page = browser.follow(answer).await.body;
            assert!(page.contains("Nothing was started"), "{page}");
        }
    }
    // A preview needs none, its apply does.
    let answer = browser.post("/preview", &[("csrf", &csrf)]).await;
    let id = answer.location.split('=').nth(1).unwrap().to_owned();
    let id = stripe_product_sync::store::RunId::new(id);
    site.app.engine.wait(&id, PATIENCE).await.unwrap();
    let plan = browser.follow(answer).await.body;
    let answer = browser.submit(&plan, "/apply").await;
    assert!(
        answer.location.ends_with("&confirm=apply"),
        "{}",
        answer.location
    );
    let page = browser.follow(answer).await.body;
    assert!(
        page.contains("Nothing was started") && page.contains("plan_a"),
        "{page}"
    );
    assert_eq!(site.writes().await, 0);

    let fields = [
        ("csrf", csrf.as_str()),
        ("mode", "sync"),
        ("confirm", name.as_str()),
    ];
    let answer = browser.post("/sync", &fields).await;
    let id = stripe_product_sync::store::RunId::new(answer.location.rsplit('/').next().unwrap());
    let run = site.app.engine.wait(&id, PATIENCE).await.unwrap();
    assert_eq!(run.counts.created, 2, "{run:?}");
}

/// Every page, before anything happened and after all of it.
#[tokio::test]
async fn every_page_is_whole_and_lets_nothing_in() {
    let evil = "<script>alert(1)</script>\"'&";
    let mut odd = product("plan_odd", "5");
    odd.name = format!("Odd {evil}");
    odd.description = Some(evil.to_owned());
    let site = Site::new([two(), vec![odd]].concat()).await;
    let browser = site.logged_in(Role::Admin).await;
    let pages = [
        "",
        "/preview",
        "/runs",
        "/products",
        "/products/plan_odd",
        "/drift",
        "/events",
        "/schedules",
        "/configuration",
        "/runs?state=failed&trigger=manual&kind=dry&from=2026-01-01",
        "/products?q=odd&status=synced",
        "/events?state=failed",
        "/drift?kind=drifted",
    ];
    let look = async || {
        for path in pages {
            let page = browser.get(path).await;
            assert_eq!(page.code, 200, "{path}: {}", page.body);
            assert!(page.policy.contains("default-src 'none'"), "{path}");
            assert!(
                !page.body.contains("<script>") && !page.body.contains("style="),
                "{path}"
            );
            assert_eq!(page.body.matches("<h1").count(), 1, "{path}");
            assert!(page.body.contains("aria-current=\"page\""), "{path}");
        }
    };
    look().await;
    site.app.sync().await;
    site.app
        .stripe
        .post("/v1/products/prod_plan_a", "name=Theirs")
        .await;
    site.app
        .say([two(), vec![product("plan_a2", "1")]].concat());
    site.app
        .engine
        .validate(Vec::new(), Some(Duration::ZERO))
        .await
        .unwrap();
    look().await;
    let drift = browser.get("/drift").await.body;
    assert!(
        drift.contains("Theirs") && drift.contains("Drifted") && drift.contains("Missing"),
        "{drift}"
    );
    let product = browser.get("/products/plan_a").await.body;
    for part in ["19.99", "prod_plan_a", "Drifted"] {
        assert!(product.contains(part), "{part} is not in\n{product}");
    }
    for (path, says) in [
        (
            "/products/none",
            "Neither the catalog nor the database has a product",
        ),
        ("/products/a%2Fb", "Neither the catalog"),
        ("/runs/none", "no run"),
        ("/nothing", "There is nothing at"),
        ("/preview?run=none", "no run"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.code, 404, "{path}");
        assert!(page.body.contains(says), "{path}: {}", page.body);
    }
    let wrong = browser.get("/runs?from=yesterday").await;
    assert!(wrong.body.contains("A date is written"), "{}", wrong.body);
}

#[tokio::test]
async fn schedules_are_paused_and_resumed_with_the_readers_name() {
    let site = Site::new(two()).await;
    site.app.sync().await;
    let browser = site.logged_in(Role::Admin).await;
    let csrf = browser.get("/schedules").await.body;
    let csrf = attribute(csrf.split("name=\"csrf\"").nth(1).unwrap(), "value").to_owned();
    let answer = browser
        .post("/schedules/validate/pause", &[("csrf", &csrf)])
        .await;
    let page = browser.follow(answer).await;
    assert!(
        page.body.contains("Paused") && page.body.contains("the admin"),
        "{}",
        page.body
    );
    let answer = browser
        .post("/schedules/validate/resume", &[("csrf", &csrf)])
        .await;
    assert!(!browser.follow(answer).await.body.contains("Paused"));
    let answer = browser
        .post("/schedules/never/pause", &[("csrf", &csrf)])
        .await;
    assert_eq!(answer.code, 404);
}

#[tokio::test]
async fn an_open_page_is_told_until_the_run_is_over() {
    let site = Site::new(two()).await;
    let browser = site.logged_in(Role::Viewer).await;
    let run = site.app.sync().await;
    let path = format!("/runs/{}/live", run.id);
    let told = in_time("the stream's end", browser.get(&path)).await;
    let names: Vec<&str> = told
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(
        names,
        [
            "facts", "progress", "actions", "results", "said", "finished"
        ]
    );
    assert!(told.body.contains("prod_plan_a"), "{}", told.body);
    assert_eq!(browser.get("/runs/none/live").await.code, 404);
}

/// As their authors published them.
#[test]
fn what_is_of_others_is_unchanged() {
    for (file, sum) in [
        (
            "htmx.min.js",
            "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
        ),
        (
            "htmx-ext-sse.min.js",
            "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
        ),
    ] {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/dashboard/assets");
        let digest = Sha256::digest(std::fs::read(path.join(file)).unwrap());
        let is = HEXLOWER.encode(&digest);
        assert_eq!(is, sum, "{file}");
    }
}
