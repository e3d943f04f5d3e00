use super::*;

const PLAN: &str = r#"
    title = "A title"
    question = "A question?"
    [runtime]
    shape = "avazu"
    cap = 1000
    rounds = 3
    seconds = 1.0
    [base]
    training.batch_size = 64
    [[arms]]
    name = "single d=4"
    model.embedding_dim = 4
    [[arms]]
    name = "single d=8"
    against = "single d=8"
    model.embedding_dim = 8
    [[arms]]
    name = "two layers (6, 8)"
    against = "single d=8"
    model = { embedding_dim = 8, inner_dim = 6 }
"#;

#[test]
fn arms_lie_on_the_shape_and_the_base() {
    let plan = RuntimePlan::parse(PLAN).unwrap();
    let against: Vec<usize> = plan.arms.iter().map(|arm| arm.against).collect();
    assert_eq!(against, [0, 1, 1]);
    let setup = &plan.arms[2].setup;
    assert_eq!(setup.config.model.bottom_mlp, [256, 128]);
    assert_eq!(
        (setup.config.model.inner_dim, setup.config.training.batch_size),
        (Some(6), 64)
    );
    assert_eq!(setup.table_rows().unwrap().iter().max(), Some(&1000));
    assert_eq!((plan.effort.rounds, plan.effort.seconds), (3, 1.0));
}

#[test]
fn what_is_wrong_is_named() {
    let wrong = |from: &str, to: &str| {
        assert!(PLAN.contains(from));
        RuntimePlan::parse(&PLAN.replace(from, to)).unwrap_err()
    };
    let cases = [
        (wrong("cap = 1000", "kap = 1000"), "kap"),
        (wrong("\"avazu\"", "\"avocado\""), "avocado"),
        (wrong("rounds = 3", "rounds = 0"), "rounds"),
        (wrong("cap = 1000", "cap = 0"), "--cap"),
        (
            wrong(
                "against = \"single d=8\"\n    model = ",
                "against = \"two\"\n    model = ",
            ),
            "two",
        ),
        (wrong("inner_dim = 6", "inner_dim = 0"), "model.inner_dim"),
        (wrong("training.batch_size = 64", "device = \"cpu\""), "--device"),
        (wrong("two layers (6, 8)", "single d=4"), "twice"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}
