//! Plots of a study's arms and of spectra at their edges: what is drawn, and that nothing makes them fail.

use mlet::report::plots::{ArmPoint, Kind, Line, SpectraPlot, arms, spectra};

fn point(name: &str, mean: f64, sd: f64) -> ArmPoint {
    ArmPoint {
        name: name.into(),
        mean,
        sd,
    }
}

/// Dots of radius 5 points, in the order drawn: their x in SVG units.
fn dots(svg: &str) -> Vec<f64> {
    svg.split("<circle ")
        .skip(1)
        .filter(|c| c.contains("r=\"20\""))
        .map(|c| {
            c.split("cx=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect()
}

#[test]
fn arms_stand_where_their_means_are() {
    let plot = arms(
        "Test LogLoss",
        &[
            point("single d = 8", 0.4700, 0.0006),
            point("single d = 64", 0.4690, 0.0004),
            point("two layers", 0.4660, 0.0),
        ],
        "LogLoss",
    )
    .unwrap();
    if let Ok(folder) = std::env::var("MLET_KEEP_PLOTS") {
        std::fs::write(format!("{folder}/arms.png"), &plot.png).unwrap();
    }
    let x = dots(&plot.svg);
    assert_eq!(x.len(), 3);
    // Proportional: 0.4690 lies a quarter of the way from 0.4700 to 0.4660; each x is rounded to a unit.
    let share = (x[0] - x[1]) / (x[0] - x[2]);
    assert!((share - 0.25).abs() <= 2.0 / (x[0] - x[2]), "{x:?}");
    for text in ["single d = 8", "two layers", "LogLoss"] {
        assert!(plot.svg.contains(text), "{text}");
    }
    assert!(plot.png.starts_with(b"\x89PNG"));
}

#[test]
fn arms_without_spread_or_number_are_drawn() {
    let long = "a name that is far too long for the left margin of a plot of any sensible width at all".to_string();
    for points in [
        vec![],
        vec![point("one", 0.5, 0.0)],
        vec![point("zero", 0.0, 0.0)],
        vec![
            point("a", 0.5, f64::NAN),
            point("b", f64::NAN, f64::NAN),
            point(&long, f64::INFINITY, 0.0),
        ],
        vec![point("huge", 1e300, 1e299), point("small", -1e300, 0.0)],
        vec![point("close", 1.0, 0.0), point("closer", 1.0 + f64::EPSILON, 0.0)],
    ] {
        let plot = arms("title", &points, "y").unwrap();
        let finite = points.iter().filter(|p| p.mean.is_finite()).count();
        assert_eq!(dots(&plot.svg).len(), finite, "{points:?}");
        assert!(plot.svg.len() < 100_000);
    }
}

#[test]
fn spectra_of_any_length_are_drawn() {
    for sigma in [
        vec![],
        vec![0.0; 4],
        vec![1.0],
        vec![1.0; 600],
        vec![1.0, 1e-300],
        vec![1e300, 1e290, 0.0],
    ] {
        for kind in [Kind::End, Kind::Start, Kind::Frequent] {
            let lines = vec![Line {
                model: 7,
                kind,
                sigma: sigma.clone(),
            }];
            let models: Vec<String> = (0..9)
                .map(|i| format!("model number {i} with a rather long name"))
                .collect();
            let models: Vec<&str> = models.iter().map(String::as_str).collect();
            let plot = spectra(&SpectraPlot {
                title: "t",
                models: &models,
                lines,
                tau: 0.01,
                min_frequency: 20,
            })
            .unwrap();
            assert!(plot.svg.starts_with("<svg viewBox"), "{}", &plot.svg[..60]);
            assert!(!plot.svg.contains("NaN") && plot.svg.len() < 200_000);
        }
    }
}
