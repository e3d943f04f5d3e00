//! The report in a real browser: two models of 200 features.

mod devtools;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use assert_cmd::Command;
use devtools::Browser;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

const FEATURES: usize = 200;
const WIDTH: usize = 8;

/// 200 tables of 16 to 215 rows, in the decay of whose columns no two are alike.
fn save(path: &Path, decay: f64) {
    let mut state = 1u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 40) as f64 / 2f64.powi(24) - 0.5
    };
    let tables: Vec<(String, usize, Vec<u8>)> = (0..FEATURES)
        .map(|i| {
            let kind = ["user", "item", "site", "app"][i % 4];
            let rows = 16 + (i * 37) % FEATURES;
            let scale = |j: usize| (-decay * j as f64 * i as f64 / FEATURES as f64).exp();
            let entries = (0..rows * WIDTH).flat_map(|e| ((next() * scale(e % WIDTH)) as f32).to_le_bytes());
            (format!("embedding.{kind}_{i}.weight"), rows, entries.collect())
        })
        .collect();
    let views = tables
        .iter()
        .map(|(name, rows, bytes)| (name, TensorView::new(Dtype::F32, vec![*rows, WIDTH], bytes).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// The folder of the report: made once for all tests.
fn report() -> PathBuf {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        save(&at("first.safetensors"), 0.5);
        save(&at("second.safetensors"), 1.0);
        let mut mlet = Command::cargo_bin("mlet").unwrap();
        mlet.current_dir(folder.path());
        mlet.args(["spectrum", "first.safetensors", "second.safetensors", "--out", "out"]);
        mlet.assert().success();
        folder
    });
    folder.path().join("out")
}

/// The report in a browser; one at a time, since each takes the machine's memory. At its end nothing may have been complained
/// about, and nothing but the page itself asked for.
fn in_browser(width: u32, dark: bool, test: impl FnOnce(&mut Browser)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut browser) = Browser::start() else { return };
    let page = report().join("report.html");
    browser.window(width, dark);
    browser.open(&page);
    test(&mut browser);
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    assert_eq!(browser.requests(), [format!("\"file://{}\"", page.display())]);
}

/// The rows of the table in sight, as text of their cells.
const SHOWN: &str = "Array.from(document.querySelectorAll('table')).filter(t => /^(features|differences)$/.test(t.id) && \
    t.offsetParent).flatMap(t => Array.from(t.tBodies[0].rows)).filter(r => r.offsetParent)";

fn cells(browser: &mut Browser, column: usize) -> Vec<String> {
    browser.strings(&format!("{SHOWN}.map(r => r.cells[{column}].innerText.trim())"))
}

/// The column of a header in the table in sight.
fn column(browser: &mut Browser, header: &str) -> usize {
    let find =
        format!("Array.from({SHOWN}[0].closest('table').tHead.rows[0].cells, c => c.innerText.replace(/\\s/g, ' '))");
    let headers = browser.strings(&find);
    let found = headers.iter().position(|h| h == header);
    found.unwrap_or_else(|| panic!("no {header} in {headers:?}"))
}

/// Clicks on a header.
fn sort(browser: &mut Browser, header: &str) -> usize {
    let column = column(browser, header);
    let heads = format!("{SHOWN}[0].closest('table').tHead.rows[0].cells");
    browser.value(&format!("{heads}[{column}].querySelector('button').click()"));
    column
}

fn numbers(texts: &[String]) -> Vec<f64> {
    let number = |t: &String| {
        t.split_whitespace()
            .next()
            .unwrap()
            .replace(',', "")
            .replace('−', "-")
            .parse()
            .unwrap()
    };
    texts.iter().map(number).collect()
}

fn names(browser: &mut Browser) -> Vec<String> {
    let mut names = cells(browser, 0);
    names.dedup();
    names
}

#[test]
fn columns_sort_both_ways_and_the_small_pictures_follow() {
    in_browser(1200, false, |browser| {
        let rank = sort(browser, "Effective rank");
        let falling = cells(browser, rank);
        assert_eq!(falling.len(), 2 * FEATURES);
        let values = numbers(&falling);
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        assert!(values[0] > values[values.len() - 1]);
        let order = browser.strings("Array.from(document.querySelectorAll('.multiples .name'), e => e.textContent)");
        let mut first: Vec<String> = Vec::new();
        for name in cells(browser, 0) {
            if !first.contains(&name) {
                first.push(name);
            }
        }
        assert_eq!(order, first);
        sort(browser, "Effective rank");
        let values = numbers(&cells(browser, rank));
        assert!(values.is_sorted(), "{values:?}");
        let sorted =
            "Array.from(document.querySelectorAll('th[aria-sort]'), h => h.innerText + h.getAttribute('aria-sort'))";
        assert_eq!(browser.strings(sorted), ["Effective rankascending"]);
        // Names by their numbers: app_7 before app_11.
        sort(browser, "Feature");
        let names = names(browser);
        assert_eq!(names[..3], ["app_3", "app_7", "app_11"]);
    });
}

#[test]
fn the_filter_leaves_what_fits_in_every_part() {
    in_browser(1200, false, |browser| {
        browser.value("document.getElementById('filter').focus()");
        browser.write("SITE 1");
        let wanted: Vec<usize> = (0..FEATURES)
            .filter(|i| i % 4 == 2 && i.to_string().contains('1'))
            .collect();
        let left = names(browser);
        assert_eq!(left.len(), wanted.len());
        assert!(
            left.iter().all(|name| name.starts_with("site_") && name.contains('1')),
            "{left:?}"
        );
        let seen =
            |what: &str| format!("Array.from(document.querySelectorAll('{what}')).filter(e => e.offsetParent).length");
        assert_eq!(browser.value(&seen(".multiples li")), wanted.len());
        assert_eq!(browser.value(&seen("article")), wanted.len());
        let said = browser.value("document.getElementById('count').textContent");
        assert_eq!(said, format!("{} of 200 features", wanted.len()));
        browser.press("Escape", 27, "");
        assert_eq!(names(browser).len(), FEATURES);

        browser.value("document.getElementById('below').focus()");
        browser.write("60");
        let rank = column(browser, "Effective rank");
        let ranks = numbers(&cells(browser, rank));
        assert!(!ranks.is_empty() && ranks.len() < 2 * FEATURES);
        // 60 % of 8 directions is 4.8; shown with three digits.
        assert!(ranks.iter().all(|r| *r <= 4.805), "{ranks:?}");
        let json: Value = serde_json::from_slice(&std::fs::read(report().join("spectrum.json")).unwrap()).unwrap();
        let models = json["models"].as_array().unwrap().iter();
        let features = models.flat_map(|m| m["features"].as_array().unwrap());
        let fit = features
            .filter(|f| f["effective_rank"].as_f64().unwrap() <= 4.8)
            .count();
        assert_eq!(ranks.len(), fit);
        browser.value("document.getElementById('filter').focus()");
        browser.write("nothing is called so");
        assert_eq!(browser.value(&format!("{SHOWN}.length")), 0);
        assert_eq!(
            browser.value("document.getElementById('count').textContent"),
            "0 of 200 features"
        );
    });
}

#[test]
fn every_feature_has_its_plot() {
    in_browser(1200, false, |browser| {
        let drawn = "Array.from(document.querySelectorAll('article[data-f]'), a => { a.style.contentVisibility = 'visible'; \
            const s = a.querySelector('figure svg'), b = s.getBoundingClientRect(); \
            return s.querySelectorAll('path').length > 3 && b.width > 200 && b.height > 100 && s.getAttribute('aria-label') ? '' : a.id })\
            .filter(Boolean)";
        assert_eq!(
            browser.value("document.querySelectorAll('article[data-f]').length"),
            FEATURES
        );
        assert_eq!(browser.strings(drawn), [""; 0]);
        let small = "Array.from(document.querySelectorAll('.multiples li'), e => { e.style.contentVisibility = 'visible'; \
            const lines = e.querySelectorAll('svg path:not(.guide)'); \
            return lines.length == 2 && Array.from(lines).every(l => l.getBBox().width > 99) ? '' : e.innerText }).filter(Boolean)";
        assert_eq!(browser.strings(small), [""; 0]);
        // A link of the table leads to the section of its name.
        let wrong = "Array.from(document.querySelectorAll('#features a')).filter(a => \
            document.querySelector(a.hash).querySelector('h3').textContent !== a.textContent).length";
        assert_eq!(browser.value(wrong), 0);
    });
}

#[test]
fn the_keyboard_reaches_everything() {
    in_browser(1200, false, |browser| {
        let focused = "document.activeElement.textContent || document.activeElement.id";
        browser.press("Tab", 9, "");
        assert_eq!(browser.value(focused), "Skip to the tables");
        assert_eq!(
            browser.value("document.activeElement.getBoundingClientRect().left >= 0"),
            true
        );
        browser.press("/", 191, "/");
        assert_eq!(browser.value("document.activeElement.id"), "filter");
        assert_eq!(
            browser.value("document.activeElement.value"),
            "",
            "the key itself is not typed"
        );
        // Behind the filter: the share, the choice of view, the table's region, the first header.
        let mut way = Vec::new();
        for _ in 0..4 {
            browser.press("Tab", 9, "");
            way.push(browser.value("document.activeElement.id || document.activeElement.value || document.activeElement.innerText.slice(0, 7)"));
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(browser.value(outline), "solid", "the focus is seen on {way:?}");
        }
        assert_eq!(way[..2], [json!("below"), json!("features")]);
        assert_eq!(way[3], "Feature");
        browser.press("Enter", 13, "\r");
        assert_eq!(
            browser.value("document.activeElement.parentNode.getAttribute('aria-sort')"),
            "ascending"
        );
        assert_eq!(names(browser)[0], "app_3");
    });
}

#[test]
fn differences_are_those_of_the_records() {
    in_browser(1200, false, |browser| {
        browser.value("document.querySelector('input[value=differences]').click()");
        let names = cells(browser, 0);
        assert_eq!(names.len(), FEATURES);
        let dims = column(browser, "99 % of energy");
        let shown = numbers(&cells(browser, dims));
        let json: Value = serde_json::from_slice(&std::fs::read(report().join("spectrum.json")).unwrap()).unwrap();
        let dim = |model: usize, name: &str| {
            let features = json["models"][model]["features"].as_array().unwrap();
            let feature = features.iter().find(|f| f["name"] == name).unwrap();
            feature["energy_dim_0.99"].as_i64().unwrap()
        };
        for (name, shown) in names.iter().zip(&shown) {
            assert_eq!(*shown, (dim(1, name) - dim(0, name)) as f64, "{name}");
        }
        assert!(shown.iter().any(|d| *d < 0.0));
        sort(browser, "99 % of energy");
        let sorted = numbers(&cells(browser, dims));
        assert!(sorted.is_sorted_by(|a, b| a >= b), "{sorted:?}");
        browser.value("document.querySelector('input[value=features]').click()");
        assert_eq!(cells(browser, 0).len(), 2 * FEATURES);
    });
}

#[test]
fn a_phone_needs_no_sideways_scrolling_and_dark_is_dark() {
    let brightness =
        "(getComputedStyle(document.body).backgroundColor.match(/\\d+/g) || []).reduce((a, b) => a + Number(b), 0)";
    in_browser(390, true, |browser| {
        assert_eq!(browser.value("document.documentElement.scrollWidth"), 390);
        assert!(browser.value(brightness).as_f64().unwrap() < 150.0);
    });
    in_browser(390, false, |browser| {
        assert!(browser.value(brightness).as_f64().unwrap() > 700.0);
    });
}

#[test]
fn without_scripts_everything_is_there_and_nothing_is_dead() {
    let Some(mut browser) = Browser::start() else { return };
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(&report().join("report.html"));
    let document = browser.call("DOM.getDocument", json!({}));
    let root = document["root"]["nodeId"].clone();
    let mut count = |what: &str| {
        let found = browser.call("DOM.querySelectorAll", json!({"nodeId": root, "selector": what}));
        found["nodeIds"].as_array().unwrap().len()
    };
    assert_eq!(count("#features tbody tr:not([hidden])"), 2 * FEATURES);
    assert_eq!(count("#differences tbody tr:not([hidden])"), FEATURES);
    assert_eq!(count("article figure svg"), FEATURES);
    assert_eq!(count(":not([hidden]) > th button, form:not([hidden])"), 0);
}

#[test]
fn two_hundred_features_are_a_small_file() {
    // Not a time, which depends on the machine: what the time depends on.
    let bytes = std::fs::metadata(report().join("report.html")).unwrap().len();
    assert!(bytes < 2_500_000, "{bytes} bytes for {FEATURES} features of two models");
}
