use super::*;
use crate::train::batches::order::Orders;

const TABLES: [usize; 3] = [2, 50, 4000];

fn config(batch_size: usize) -> Config {
    let mut config = Config::default();
    config.training.batch_size = batch_size;
    config
}

fn layout() -> RowLayout {
    RowLayout {
        base: vec![0, 2, 52, 4052],
        shard_first: vec![0, 1000],
    }
}

fn number(i: usize, by: usize) -> u32 {
    (((i * 7919) ^ (by * 104_729)) % 65_537) as u32
}

/// Plain categories, or bags of up to two rows.
fn examples(count: usize, bags: bool) -> Examples {
    let labels = (0..count).map(|i| (number(i, 1) % 2) as f32).collect();
    let dense = vec![(0..count).map(|i| number(i, 2) as f32).collect()];
    let column = |n: usize, count: usize| (0..count).map(|i| number(i, n) % n as u32).collect::<Vec<u32>>();
    match bags {
        false => Examples::plain(labels, dense, TABLES.iter().map(|&n| column(n, count)).collect()),
        true => {
            let offsets: Vec<u32> = (0..=count as u32).map(|i| i / 2 + i / 3).collect();
            let bags = |&n: &usize| (offsets.clone(), column(n, offsets[count] as usize));
            Examples::from_memory(labels, dense, TABLES.iter().map(bags).collect())
        }
    }
    .unwrap()
}

/// All batches of some steps, each cleared before it is filled again, so that what is not valid is the same.
fn all(config: &Config, examples: &Examples, steps: Range<u64>, threads: usize) -> Vec<(u64, Batch)> {
    let layout = layout();
    let empty = Batch::new(config.training.batch_size, 1, &layout, 6 * config.training.batch_size);
    std::thread::scope(|scope| {
        let ahead = Ahead::start(scope, config, examples, &layout, &empty, steps, threads);
        let mut batches = Vec::new();
        while let Some(Prepared { step, batch }) = ahead.next().unwrap() {
            batches.push((step, batch));
            ahead.give_back(empty.clone());
        }
        batches
    })
}

#[test]
fn batches_do_not_depend_on_the_threads() {
    // Epochs of 11 steps and of one, which is shorter than what is under way at once; the last batch is short.
    for (count, bags, batch_size) in [(1030, false, 100), (1030, true, 100), (7, true, 8)] {
        let (examples, config) = (examples(count, bags), config(batch_size));
        let one = all(&config, &examples, 3..60, 1);
        assert_eq!(
            one.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
            (3..60).collect::<Vec<_>>()
        );
        let steps = steps_per_epoch(&config, count as u64);
        let last = one.iter().find(|(step, _)| step % steps == steps - 1).unwrap();
        assert_eq!(last.1.counts[0] as usize, count - (steps as usize - 1) * batch_size);
        for threads in [2, 5] {
            assert!(
                all(&config, &examples, 3..60, threads) == one,
                "{count} examples, {threads} threads"
            );
        }
    }
}

#[test]
fn batches_have_the_examples_of_their_epochs_order() {
    let (examples, config) = (examples(1030, false), config(100));
    let orders = Orders::new(&config, 1030, 1);
    for (step, batch) in all(&config, &examples, 0..33, 2) {
        let order = orders.of(step / 11).unwrap();
        let rows = order[step as usize % 11 * 100..].iter().take(100);
        let expected: Vec<f32> = rows.map(|&row| examples.dense(row as usize, 0)).collect();
        let found: Vec<f32> = batch.dense.iter().step_by(4).take(expected.len()).copied().collect();
        assert_eq!(found, expected, "step {step}");
    }
}

#[test]
fn every_epoch_has_every_example_once_in_an_order_of_its_own() {
    for slots in [1, 2] {
        let orders = Orders::new(&Config::default(), 1000, slots);
        let mut epochs: Vec<Vec<u32>> = [0, 1, 2, 0]
            .iter()
            .map(|&epoch| orders.of(epoch).unwrap().to_vec())
            .collect();
        assert_eq!(epochs[0], epochs[3]);
        assert_ne!(epochs[0], epochs[1]);
        epochs[1].sort_unstable();
        assert_eq!(epochs[1], (0..1000).collect::<Vec<_>>());
    }
}

/// The first numbers of an order as it has always been: runs are resumed by it.
#[test]
fn the_order_is_the_one_of_before() {
    let orders = Orders::new(&Config::default(), 1000, 2);
    let first = |epoch| orders.of(epoch).unwrap()[..6].to_vec();
    assert_eq!(first(0), [938, 661, 485, 2, 248, 772]);
    assert_eq!(first(1), [931, 521, 66, 502, 114, 299]);
}

#[test]
fn an_error_arrives_at_its_step() {
    let mut rows = vec![0; 1000];
    rows[777] = 2;
    let examples = Examples::plain(vec![0.0; 1000], vec![], vec![rows]).unwrap();
    let mut config = config(10);
    config.training.order = crate::model::config::Order::Sequential;
    let layout = RowLayout {
        base: vec![0, 2],
        shard_first: vec![0],
    };
    let empty = Batch::new(10, 0, &layout, 10);
    for threads in [1, 2, 5] {
        std::thread::scope(|scope| {
            let ahead = Ahead::start(scope, &config, &examples, &layout, &empty, 0..100, threads);
            for step in 0..100 {
                match ahead.next() {
                    Ok(prepared) => {
                        let prepared = prepared.unwrap();
                        assert_eq!(prepared.step, step);
                        ahead.give_back(prepared.batch);
                    }
                    Err(LoaderError::Row { row: 2, .. }) => assert_eq!(step, 77),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
}

#[test]
fn dropping_ends_the_threads() {
    let (examples, config, layout) = (examples(1000, false), config(10), layout());
    let empty = Batch::new(10, 1, &layout, 30);
    for threads in [1, 4] {
        for taken in [0, 1, 50] {
            // The scope waits for the threads.
            std::thread::scope(|scope| {
                let ahead = Ahead::start(scope, &config, &examples, &layout, &empty, 0..u64::MAX, threads);
                for _ in 0..taken {
                    let prepared = ahead.next().unwrap().unwrap();
                    ahead.give_back(prepared.batch);
                }
            });
        }
    }
}

/// Every batch of a thread that panics is missing: the step is told that nothing more comes, and does not wait.
#[test]
fn a_panic_does_not_leave_the_step_waiting() {
    let layout = layout();
    let queue = Queue::new(0..100, vec![Batch::new(1, 1, &layout, 3); batches(2)], 2);
    let ended = std::thread::scope(|scope| {
        let queue = &queue;
        let work = move || {
            let _guard = queue.guard();
            while let Some((step, batch)) = queue.begin() {
                assert!(step != 20, "the loader of this test breaks");
                queue.hand_over(Prepared { step, batch }, Ok(()));
            }
        };
        let threads = [(); 2].map(|()| scope.spawn(work));
        let mut steps = 0;
        while let Some(prepared) = queue.next().unwrap() {
            queue.give_back(prepared.batch);
            steps += 1;
        }
        assert!(steps <= 20);
        threads.map(std::thread::ScopedJoinHandle::join)
    });
    assert_eq!(ended.iter().filter(|thread| thread.is_err()).count(), 1);
}
