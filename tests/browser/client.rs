//! A browser without a window, and its pages, over the DevTools protocol: just enough for tests of the report.
//!
//! The protocol is JSON over a WebSocket. A whole client library would take minutes to compile for what these few
//! calls do. Each browser has a folder of its own for its profile and ends with the test that started it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

const STEP: Duration = Duration::from_millis(50);
/// Steps of waiting before giving up: a minute, since test machines are busy.
const STEPS_MAX: usize = 1_200;

/// A running browser; killed when dropped.
pub(crate) struct Browser {
    process: Child,
    socket: RefCell<WebSocket<MaybeTlsStream<TcpStream>>>,
    events: RefCell<VecDeque<Value>>,
    calls: RefCell<u64>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `$CHROMIUM`, else Debian's.
fn executable() -> PathBuf {
    let path = std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    assert!(
        path.exists(),
        "no browser at {}: install chromium (apt-get install chromium) or name one in $CHROMIUM",
        path.display()
    );
    path
}

impl Browser {
    /// Starts one and connects to it.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let process = Command::new(executable())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let address = address(&profile.path().join("DevToolsActivePort"));
        let (socket, _) = tungstenite::connect(address).expect("the browser accepts the connection");
        Self {
            process,
            socket: RefCell::new(socket),
            events: RefCell::default(),
            calls: RefCell::new(0),
            _profile: profile,
        }
    }

    /// Calls a method, of a page if `session` names one; what happens meanwhile is kept.
    fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        *self.calls.borrow_mut() += 1;
        let id = *self.calls.borrow();
        let mut request = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        self.socket.borrow_mut().send(Message::text(request.to_string())).expect("the browser listens");
        loop {
            let received = self.socket.borrow_mut().read().expect("the browser answers");
            let Ok(text) = received.into_text() else { continue };
            let answer: Value = serde_json::from_str(&text).expect("the browser speaks JSON");
            if answer["id"] != id {
                self.events.borrow_mut().push_back(answer);
                continue;
            }
            assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
            return answer["result"].clone();
        }
    }

    /// Opens a file in a page of this size and waits until it says that it is ready.
    pub(crate) fn open(&self, file: &Path, width: u32, height: u32, dark: bool) -> Page<'_> {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let page = Page { browser: self, session };
        for domain in ["Page.enable", "Runtime.enable", "Network.enable", "Log.enable"] {
            page.call(domain, json!({}));
        }
        page.resize(width, height);
        let scheme = if dark { "dark" } else { "light" };
        // Without motion, what is scrolled to is there at once.
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        page.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        page.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        page.wait("document.documentElement?.dataset.ready === 'yes'");
        page
    }
}

/// Where the browser listens, once it says so in its profile.
fn address(file: &Path) -> String {
    for _ in 0..STEPS_MAX {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n') {
            return format!("ws://127.0.0.1:{port}{path}");
        }
        sleep(STEP);
    }
    panic!("the browser did not start listening: {} is missing or empty", file.display());
}

/// One page.
pub(crate) struct Page<'a> {
    browser: &'a Browser,
    session: String,
}

impl Page<'_> {
    fn call(&self, method: &str, parameters: Value) -> Value {
        self.browser.call(Some(&self.session), method, parameters)
    }

    /// The window's size in CSS pixels.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// The value of an expression.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// The value of an expression, as text.
    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.evaluate(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}, not a text")).to_owned()
    }

    /// Waits until a condition holds.
    pub(crate) fn wait(&self, condition: &str) {
        for _ in 0..STEPS_MAX {
            if self.evaluate(condition) == true {
                return;
            }
            sleep(STEP);
        }
        panic!("still not so: {condition}; the page says {:?}", self.problems());
    }

    /// Waits until everything asked for is drawn.
    pub(crate) fn settle(&self) {
        self.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
        );
    }

    /// Presses a key as a person would.
    pub(crate) fn press(&self, key: &str) {
        let typed = if key.chars().count() == 1 { key } else { "" };
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": key, "text": typed }));
        self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
        self.settle();
    }

    /// Moves the pointer, and presses and releases its button there if asked to.
    pub(crate) fn point(&self, x: f64, y: f64, click: bool) {
        let mut kinds = vec!["mouseMoved"];
        if click {
            kinds.extend(["mousePressed", "mouseReleased"]);
        }
        for kind in kinds {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
        self.settle();
    }

    /// What went wrong so far: exceptions, errors in the log, requests other than for the page itself.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.evaluate("0");
        let events = self.browser.events.borrow();
        let own = events.iter().filter(|event| event["sessionId"] == self.session.as_str());
        own.filter_map(problem).collect()
    }

    /// Saves the whole page as a picture.
    pub(crate) fn screenshot(&self, file: &Path) {
        self.settle();
        let height = self.evaluate("document.documentElement.scrollHeight").as_f64().expect("a height");
        let width = self.evaluate("innerWidth").as_f64().expect("a width");
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let picture =
            self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }));
        save(file, picture["data"].as_str().expect("a picture"));
    }

    /// Shows the page as it would be printed, at the window's width.
    pub(crate) fn as_paper(&self) {
        self.evaluate("dispatchEvent(new Event('beforeprint'))");
        self.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
        self.settle();
    }

    /// Saves the page as it prints.
    pub(crate) fn print(&self, file: &Path) {
        let printed = self.call("Page.printToPDF", json!({ "printBackground": true }));
        save(file, printed["data"].as_str().expect("a document"));
    }
}

fn save(file: &Path, encoded: &str) {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
    std::fs::write(file, bytes).expect("the file is written");
}

fn problem(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if parameters["type"] == "error" => Some(parameters["args"].to_string()),
        "Log.entryAdded" if parameters["entry"]["level"] == "error" => Some(parameters["entry"].to_string()),
        "Page.javascriptDialogOpening" => Some(parameters.to_string()),
        "Network.requestWillBeSent" => {
            let url = parameters["request"]["url"].as_str().unwrap_or("");
            let own = url.starts_with("file://") && parameters["type"] == "Document";
            (!own).then(|| format!("request for {url}"))
        }
        _ => None,
    }
}
