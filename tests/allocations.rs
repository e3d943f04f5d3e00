//! A training step allocates nothing: not on the threads that compute, not on the loaders'.

use mlet::data::examples::Examples;
use mlet::data::loader::Batch;
use mlet::model::Config;
use mlet::model::architecture::{Architecture, TableShape};
use mlet::model::config::{Interaction, Loss, Rule};
use mlet::train::batches::Ahead;
use mlet::train::engine::Engine;
use mlet::train::parameters::Parameters;
use mlet::train::step;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's own; only a number is counted beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Steps between two looks at the count: more than the 63 jobs after which a queue that others fill takes a new block.
const WINDOW: u64 = 200;
/// A thread's scratch memory grows until it has met the largest piece of work, which chance hands out: so a window without
/// allocations has to come, and none ever does where each step allocates.
const WINDOWS: usize = 20;

const SIZES: [usize; 4] = [3, 50, 1000, 400];

fn examples(count: usize) -> Examples {
    let number = |i: usize, by: usize| (i * 7919 + by * 104_729) % 1009;
    let labels = (0..count).map(|i| (number(i, 1) % 3 == 0) as u32 as f32).collect();
    let dense = (0..3).map(|column| (0..count).map(|i| number(i, column) as f32 / 1009.0).collect());
    let bags = SIZES.iter().map(|&n| {
        let rows = (0..count).map(|i| (number(i, n) * i % n) as u32).collect();
        ((0..=count as u32).collect(), rows)
    });
    Examples::from_memory(labels, dense.collect(), bags.collect()).expect("the columns fit")
}

/// Allocations of the quietest window; with `more`, each step makes one that is not its own.
fn least_of_a_window(change: impl FnOnce(&mut Config), loaders: usize, more: bool) -> u64 {
    let mut config = Config::default();
    (config.model.bottom_mlp, config.model.top_mlp) = (vec![64, 40], vec![70]);
    (config.model.embedding_dim, config.model.inner_dim) = (8, Some(20));
    config.training.batch_size = 96;
    config.threads = 2;
    change(&mut config);
    let tables = SIZES.iter().enumerate().map(|(t, &n)| TableShape {
        feature: format!("C{t}"),
        num_embeddings: n,
        max_bag: 1,
    });
    let architecture = Architecture::new(&config, 3, tables.collect());
    let mut engine = Engine::cpu(config.threads).expect("threads");
    let parameters = Parameters::allocate(&architecture, &config.optimizer, &mut engine).expect("memory");
    let step = step::build(&architecture, &parameters, 96, Some(Loss::Bce), &mut engine).expect("memory");
    let program = engine.compile(step.operations).expect("a program");
    let layout = parameters.row_layout();
    let (examples, empty) = (examples(20_000), Batch::new(96, 3, &layout, step.batch.sparse.capacity));
    // Within one epoch: the order of the next one is made anew.
    let steps = 0..20_000 / 96;
    std::thread::scope(|scope| {
        (0..WINDOWS)
            .map(|_| {
                let ahead = Ahead::start(scope, &config, &examples, &layout, &empty, steps.clone(), loaders);
                engine.crew().run(|| {
                    let mut before = 0;
                    let mut done = 0;
                    while let Some(prepared) = ahead.next().expect("sound examples") {
                        engine.enqueue(&step.batch, &prepared.batch, &program).expect("a step");
                        ahead.give_back(prepared.batch);
                        if more {
                            std::hint::black_box(vec![1u8; 100]);
                        }
                        done += 1;
                        if done == 8 {
                            before = ALLOCATIONS.load(Ordering::Relaxed);
                        }
                    }
                    assert!(done >= WINDOW, "the window is too short: {done} steps");
                    ALLOCATIONS.load(Ordering::Relaxed) - before
                })
            })
            .min()
            .expect("there are windows")
    })
}

#[test]
fn a_step_allocates_nothing() {
    type Change = fn(&mut Config);
    let arms: [(&str, Change); 5] = [
        ("two layers", |_| {}),
        ("single layer", |config| config.model.inner_dim = None),
        ("three layers, adagrad", |config| {
            config.model.depth = Some(3);
            config.optimizer.rule = Rule::Adagrad;
        }),
        ("row-wise adagrad, concatenated", |config| {
            config.model.interaction = Interaction::Cat;
            config.optimizer.rule = Rule::RowwiseAdagrad;
        }),
        ("one thread", |config| config.threads = 1),
    ];
    for (arm, change) in arms {
        assert_eq!(
            least_of_a_window(change, 1, false),
            0,
            "{arm}: allocations in the quietest window"
        );
    }
    assert_eq!(least_of_a_window(|_| {}, 3, false), 0, "three loaders");
    assert!(
        least_of_a_window(|_| {}, 1, true) >= 190,
        "one allocation a step is not seen"
    );
}
