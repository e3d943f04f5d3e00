//! What a study's table says, in words; and what has to be said beneath it.

use super::metric::Metric;
use super::results::{ArmResults, Results};
use super::statistics::{Difference, t_quantile};
use super::table::signed_number;
use std::collections::BTreeSet;

/// What the first metric of the plan says: every arm against the first, then the best against the next. Empty where no two
/// arms can be compared.
pub fn sentences(results: &Results) -> Vec<String> {
    let (Some(&metric), Some(first)) = (results.metrics.first(), results.arms.first()) else {
        return Vec::new();
    };
    let against_first = results.arms.iter().skip(1);
    let mut sentences: Vec<String> = against_first
        .filter_map(|arm| against(results, arm, first, metric))
        .collect();
    if let Some((best, next)) = best_two(results, metric)
        && best.name != first.name
        && next.name != first.name
        && let Some(text) = against(results, best, next, metric)
    {
        sentences.push(format!("The best two: {text}"));
    }
    sentences
}

fn against(results: &Results, one: &ArmResults, other: &ArmResults, metric: Metric) -> Option<String> {
    let difference = results.difference_between(one, other, metric)?;
    let mean = difference.sample.mean;
    let what = match mean {
        0.0 => "the same".to_owned(),
        _ => format!("{:.5} {}", mean.abs(), if mean < 0.0 { "lower" } else { "higher" }),
    };
    let than = if mean == 0.0 { "as" } else { "than" };
    let n = difference.sample.n;
    let seeds = if n == 1 {
        "with the one seed".into()
    } else {
        format!("in the mean of {n} seeds")
    };
    let mut text = format!("{}: {} {what} {than} {} {seeds}", one.name, metric.label(), other.name);
    text += &judged(&difference);
    Some(text)
}

fn judged(difference: &Difference) -> String {
    let Some([low, high]) = difference.interval else {
        return "; one seed tells nothing of chance.".into();
    };
    let interval = format!("the 95 % interval, {} to {},", signed_number(low), signed_number(high));
    match difference.is_clear() {
        true => format!("; {interval} leaves 0 out."),
        false => format!("; {interval} holds 0: these seeds do not tell it from chance."),
    }
}

/// The arms with the best and the next best mean; `None` where nothing is better or fewer than two have a value.
fn best_two(results: &Results, metric: Metric) -> Option<(&ArmResults, &ArmResults)> {
    let less = metric.measure.better()? == "less";
    let mean = |arm: &ArmResults| Some(results.sample(arm, metric)?.mean);
    let mut ranked: Vec<(f64, &ArmResults)> = results.arms.iter().filter_map(|arm| Some((mean(arm)?, arm))).collect();
    ranked.sort_by(|(one, _), (other, _)| {
        if less {
            one.total_cmp(other)
        } else {
            other.total_cmp(one)
        }
    });
    match ranked[..] {
        [(_, best), (_, next), ..] => Some((best, next)),
        _ => None,
    }
}

/// What a plot of one metric shows: `least for two layers (64, 8), 0.45438; greatest for single d=8, 0.46453`.
pub fn extremes(results: &Results, metric: Metric) -> String {
    let mean = |arm: &ArmResults| Some(results.sample(arm, metric)?.mean);
    let mut means: Vec<(f64, &str)> = results
        .arms
        .iter()
        .filter_map(|arm| Some((mean(arm)?, arm.name.as_str())))
        .collect();
    means.sort_by(|one, other| one.0.total_cmp(&other.0));
    match (means.first(), means.last()) {
        (Some((low, least)), Some((high, greatest))) if low < high => {
            format!("least for {least}, {low:.5}; greatest for {greatest}, {high:.5}")
        }
        (Some((value, _)), _) => format!("{value:.5} for all"),
        _ => "no values".into(),
    }
}

/// What has to be said beneath the table, a sentence or two each.
pub fn remarks(results: &Results) -> Vec<String> {
    let mut remarks = Vec::new();
    let (done, planned) = (results.num_done(), results.num_planned());
    if done < planned {
        remarks.push(format!("Not complete: {done} of {planned} runs are done."));
    }
    let Some(first) = results.arms.first() else {
        return remarks;
    };
    let n = results.seeds.len();
    if results.arms.len() > 1 {
        remarks.push(format!(
            "Mean ± sample standard deviation over {n} {}. Δ is the arm less “{}” with the same seed, that is the same order \
             of examples and, where the shapes agree, the same initial values. {}",
            if n == 1 { "seed" } else { "seeds" },
            first.name,
            better(results)
        ));
        remarks.push(about_the_interval(n, results.arms.len() - 1));
    }
    if let Some(truth) = &results.truth {
        let test = truth.test;
        remarks.push(format!(
            "The labels were drawn with known probabilities. On the test split the Bayes LogLoss is {:.5}, the teacher's on \
             the labels as they fell {:.5} (the difference is chance, and every model's loss has it too), and who looks at \
             no feature has {:.5}.",
            test.bayes_log_loss, test.teacher_log_loss, test.base_rate_log_loss
        ));
    }
    remarks.push(where_computed(results));
    remarks
}

fn better(results: &Results) -> String {
    let said = results.metrics.iter().filter_map(|metric| {
        let better = metric.measure.better()?;
        Some(format!(
            "{} {} is better.",
            if better == "less" { "Less" } else { "More" },
            metric.measure.label()
        ))
    });
    let distinct: BTreeSet<String> = said.collect();
    distinct.into_iter().collect::<Vec<_>>().join(" ")
}

/// What an interval on `n` seeds is worth, with `comparisons` arms set against the first.
fn about_the_interval(n: usize, comparisons: usize) -> String {
    let Some(t) = t_quantile(n.saturating_sub(1)) else {
        return "With one seed there is no telling a difference from chance: give the plan more seeds.".into();
    };
    let freedom = if n == 2 {
        "1 degree".into()
    } else {
        format!("{} degrees", n - 1)
    };
    let mut text = format!(
        "The 95 % interval is Student's for the mean of the differences ({freedom} of freedom, t = {t:.2}). It covers chance \
         in initial values and order of examples on this one split, not other data."
    );
    if n < 10 {
        text += &format!(
            " {n} seeds are few: that the differences are normal cannot be checked, and the interval itself varies much from \
             one set of seeds to another. An interval that holds 0 shows no equality."
        );
    }
    if comparisons > 1 {
        text += &format!(" {comparisons} arms are compared with the first, and no interval is widened for that.");
    }
    text
}

fn where_computed<'a>(results: &'a Results) -> String {
    // The threads of the CPU change no result: `cpu (2 threads)` is `cpu`.
    let device = |text: &'a str| if text.starts_with("cpu (") { "cpu" } else { text };
    let devices: BTreeSet<&str> = results.runs().map(|(_, run)| device(&run.summary.device)).collect();
    let devices: Vec<&str> = devices.into_iter().collect();
    let seconds: f64 = results.runs().map(|(_, run)| run.summary.seconds).sum();
    let mut text = format!(
        "Data: {}. {} runs on {}, {seconds:.1} s of training together; this page was written on {}. Tables are counted in \
         f32; collapsed: the factors multiplied. Seconds: of training, the mean of an arm's runs, several of which may have \
         shared the machine.",
        results.data,
        results.num_done(),
        devices.join(" and "),
        results.machine,
    );
    if devices.len() > 1 {
        text += " Devices round differently, and their times cannot be compared.";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Config;
    use crate::study::results::RunResult;
    use crate::train::evaluate::Evaluation;
    use crate::train::metrics::Quality;
    use crate::train::summary::{Summary, TableBytes};

    fn arm(name: &str, losses: &[f64]) -> ArmResults {
        let evaluation = |log_loss| Evaluation {
            quality: Quality {
                examples: 9,
                log_loss,
                auc: None,
                normalized_entropy: None,
                calibration: None,
                accuracy: 0.5,
            },
            by_frequency: Vec::new(),
        };
        let run = |(seed, &loss): (u64, &f64)| RunResult {
            seed,
            folder: String::new(),
            summary: Summary {
                validation: evaluation(1.0),
                test: evaluation(loss),
                device: "cpu".into(),
                seconds: 1.0,
                steps: 1,
                examples: 1,
                examples_per_second: 1.0,
                parameters: 1,
                table_bytes: TableBytes {
                    trained: 8,
                    collapsed: 4,
                },
            },
        };
        ArmResults {
            name: name.into(),
            config: Config::default(),
            runs: (0..).zip(losses).map(run).collect(),
        }
    }

    fn results(arms: Vec<ArmResults>) -> Results {
        Results {
            title: "A title".into(),
            question: "A question?".into(),
            data: "some".into(),
            machine: "this".into(),
            seeds: vec![0, 1, 2],
            arms,
            metrics: vec!["test.log_loss".parse().expect("a metric")],
            truth: None,
        }
    }

    #[test]
    fn clear_and_unclear_differences_are_told_apart() {
        let made_up = results(vec![
            arm("one", &[0.5, 0.625, 0.75]),
            arm("clear", &[0.25, 0.375, 0.5]),
            arm("unclear", &[0.25, 0.75, 0.5]),
            arm("cut short", &[0.75]),
        ]);
        let said = sentences(&made_up);
        assert_eq!(
            said[0],
            "clear: test LogLoss 0.25000 lower than one in the mean of 3 seeds; the 95 % interval, −0.25000 to −0.25000, \
             leaves 0 out."
        );
        assert!(
            said[1].starts_with("unclear: test LogLoss 0.12500 lower") && said[1].contains("holds 0"),
            "{}",
            said[1]
        );
        assert!(
            said[2].starts_with("cut short: test LogLoss 0.25000 higher than one with the one seed;"),
            "{}",
            said[2]
        );
        assert!(
            said[3].starts_with("The best two: clear: test LogLoss 0.12500 lower than unclear"),
            "{}",
            said[3]
        );
        assert_eq!(
            extremes(&made_up, made_up.metrics[0]),
            "least for clear, 0.37500; greatest for cut short, 0.75000"
        );
        let remarks = remarks(&made_up).join("\n");
        for part in [
            "10 of 12 runs",
            "t = 4.30",
            "Less LogLoss is better.",
            "3 seeds are few",
            "3 arms are compared",
        ] {
            assert!(remarks.contains(part), "{part:?} is missing: {remarks}");
        }
    }

    #[test]
    fn a_single_arm_or_seed_is_no_comparison() {
        assert_eq!(sentences(&results(vec![arm("one", &[0.5])])), Vec::<String>::new());
        let mut one_seed = results(vec![arm("one", &[0.5]), arm("other", &[0.25])]);
        one_seed.seeds.truncate(1);
        assert!(sentences(&one_seed)[0].contains("tells nothing of chance"));
        assert!(remarks(&one_seed).join("\n").contains("With one seed"));
    }
}
