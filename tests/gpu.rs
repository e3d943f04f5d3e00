//! A device as a whole, on every driver: the order of steps, submissions, errors, the same bits twice.

mod drivers;

use mlet::backend::gpu::{Family, Gpu, GpuError, Options, Program, Upload};
use mlet::backend::{Allocate, Floats, Matrix};
use mlet::kernels::rule::Rule;
use mlet::kernels::{Operation, linear, program};

/// p −= η·g with η sent along: what `steps` steps leave, and a device ready for them.
struct Walk {
    parameter: Floats,
    grad: Floats,
    scalars: Floats,
    program: Program,
}

impl Walk {
    const LEN: usize = 1000;

    fn new(gpu: &mut Gpu) -> Result<Self, GpuError> {
        // A layer of one output over one example whose gradient is 1: its weight's gradient is what was sent as x.
        let (parameter, grad) = (gpu.allocate_floats(Self::LEN)?, gpu.allocate_floats(Self::LEN)?);
        let (scalars, one, bias) = (
            gpu.allocate_floats(4)?,
            gpu.allocate_floats(4)?,
            gpu.allocate_floats(4)?,
        );
        gpu.write_floats(one, 0, &[1.0])?;
        let row = |buffer, cols| Matrix { buffer, rows: 1, cols };
        let step = linear::BackwardWeight {
            grad_y: row(one, 1),
            x: row(grad, Self::LEN),
            weight: row(parameter, Self::LEN),
            bias,
            weight_rule: Rule::Sgd,
            bias_rule: Rule::Sgd,
            scalars,
            rate: 1,
        };
        let program = program(gpu, &[Operation::LinearBackwardWeight(step)])?;
        Ok(Self {
            parameter,
            grad,
            scalars,
            program,
        })
    }

    /// Step i subtracts i · (i mod 7) from every element: whole numbers, so that every sum is exact.
    fn step(&self, gpu: &mut Gpu, i: usize) -> Result<(), GpuError> {
        let grad = vec![i as f32; Self::LEN];
        let scalars = [0.0, (i % 7) as f32, 0.0, 0.0];
        let uploads = [Upload::floats(self.grad, &grad), Upload::floats(self.scalars, &scalars)];
        gpu.enqueue(&uploads, &self.program)
    }
}

#[test]
fn many_steps_in_flight_arrive_in_order() {
    drivers::on_each(None, |driver, mut gpu| {
        let walk = Walk::new(&mut gpu).unwrap();
        let mut expected = 0.0;
        for i in 0..100 {
            walk.step(&mut gpu, i).unwrap();
            expected -= (i * (i % 7)) as f32;
            if i % 37 == 5 {
                let now = gpu.read_floats(walk.parameter, 0..Walk::LEN).unwrap();
                assert!(
                    now.iter().all(|&value| value == expected),
                    "{driver}: step {i}: {now:?} is not {expected}"
                );
            }
        }
        let last = gpu.read_floats(walk.parameter, Walk::LEN - 3..Walk::LEN).unwrap();
        assert_eq!(last, vec![expected; 3], "{driver}");
    });
}

#[test]
fn a_write_comes_after_the_steps_before_it() {
    drivers::on_each(None, |driver, mut gpu| {
        let walk = Walk::new(&mut gpu).unwrap();
        walk.step(&mut gpu, 3).unwrap();
        gpu.write_floats(walk.parameter, 1, &[50.0, 60.0]).unwrap();
        walk.step(&mut gpu, 1).unwrap();
        let read = gpu.read_floats(walk.parameter, 0..4).unwrap();
        assert_eq!(read, [-10.0, 49.0, 59.0, -10.0], "{driver}");
    });
}

#[test]
fn an_upload_that_outgrows_its_staging_buffer_still_arrives() {
    drivers::on_each(None, |driver, mut gpu| {
        let buffer = gpu.allocate_ints(3_000_000).unwrap();
        for len in [1, 10, 100_000, 3_000_000, 7] {
            let words: Vec<u32> = (0..len).map(|i| i ^ len).collect();
            gpu.enqueue(&[Upload::ints(buffer, &words)], &Program::default())
                .unwrap();
            let last = words.len() - 1;
            let read = gpu.read_ints(buffer, last..last + 1).unwrap();
            assert_eq!(read, words[last..], "{driver}: {len} words");
        }
    });
}

/// A layer forward and backward with sums long enough for their order to matter.
fn layer(gpu: &mut Gpu) -> Result<Vec<u32>, GpuError> {
    let (batch, inputs, outputs) = (200, 150, 70);
    let mut matrix = |rows: usize, cols: usize, seed: usize| {
        let buffer = gpu.allocate_floats(rows * cols.next_multiple_of(4))?;
        let matrix = Matrix { buffer, rows, cols };
        let stride = matrix.stride();
        let value = |at: usize| {
            if at % stride < cols {
                ((at * seed) % 1009) as f32 / 700.0 - 0.7
            } else {
                0.0
            }
        };
        gpu.write_floats(buffer, 0, &(0..rows * stride).map(value).collect::<Vec<_>>())?;
        Ok(matrix)
    };
    let (x, weight, y) = (
        matrix(batch, inputs, 37)?,
        matrix(outputs, inputs, 101)?,
        matrix(batch, outputs, 0)?,
    );
    let (bias, scalars) = (matrix(1, outputs, 55)?.buffer, matrix(1, 4, 113)?.buffer);
    let operations = [
        Operation::LinearForward(linear::Forward {
            x,
            weight,
            bias,
            y,
            relu: true,
        }),
        Operation::LinearBackwardWeight(linear::BackwardWeight {
            grad_y: y,
            x,
            weight,
            bias,
            weight_rule: Rule::Sgd,
            bias_rule: Rule::Sgd,
            scalars,
            rate: 1,
        }),
    ];
    let program = program(gpu, &operations)?;
    for _ in 0..3 {
        gpu.enqueue(&[], &program)?;
    }
    let read = gpu.read_floats(weight.buffer, 0..weight.padded_len())?;
    Ok(read.into_iter().map(f32::to_bits).collect())
}

#[test]
fn the_same_adapter_gives_the_same_bits() {
    drivers::on_each(None, |driver, mut gpu| {
        let first = layer(&mut gpu).unwrap();
        gpu.free_buffers().unwrap();
        assert_eq!(first, layer(&mut gpu).unwrap(), "{driver}: on one device");
    });
    let _turn = drivers::turn();
    for adapter in drivers::all() {
        let run = || layer(&mut Gpu::open(&adapter, Options::default()).unwrap()).unwrap();
        assert_eq!(run(), run(), "{}: on two devices", adapter.description.label());
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    drivers::on_each(Some(64 << 10), |driver, mut gpu| {
        assert_eq!(gpu.max_shard_elements(), 16 << 10, "{driver}");
        let limit = gpu.description().max_storage_binding_bytes as usize;
        let error = gpu.allocate_floats(limit / 4 + 1).unwrap_err();
        assert!(matches!(error, GpuError::BufferTooLarge { .. }), "{driver}: {error}");
        let buffer = gpu.allocate_floats(10).unwrap();
        for error in [
            gpu.read_floats(buffer, 8..11).unwrap_err(),
            gpu.write_floats(buffer, 10, &[1.0]).unwrap_err(),
            gpu.read_floats(Floats(77), 0..1).unwrap_err(),
            gpu.enqueue(&[Upload::floats(buffer, &[0.0; 11])], &Program::default())
                .unwrap_err(),
        ] {
            assert!(matches!(error, GpuError::OutOfRange { .. }), "{driver}: {error}");
        }
        // None of it is the device's fault: it goes on.
        gpu.write_floats(buffer, 9, &[2.5]).unwrap();
        assert_eq!(gpu.read_floats(buffer, 8..10).unwrap(), [0.0, 2.5], "{driver}");
    });
}

#[test]
fn a_lost_device_is_an_error_and_not_a_panic() {
    drivers::on_each(None, |driver, mut gpu| {
        let walk = Walk::new(&mut gpu).unwrap();
        walk.step(&mut gpu, 1).unwrap();
        gpu.finish().unwrap();
        gpu.destroy();
        let mut errors = Vec::new();
        for i in 0..30 {
            errors.extend(walk.step(&mut gpu, i).err());
        }
        errors.extend(gpu.read_floats(walk.parameter, 0..1).err());
        errors.extend(gpu.allocate_floats(1).err());
        assert!(errors.len() >= 3, "{driver}: {errors:?}");
        assert!(
            errors.iter().all(|error| matches!(error, GpuError::Lost { .. })),
            "{driver}: {errors:?}"
        );
    });
}

#[test]
fn a_timing_finds_that_a_cpu_driver_is_no_gpu() {
    let _turn = drivers::turn();
    for adapter in drivers::all() {
        let mut gpu = Gpu::open(&adapter, Options::default()).unwrap();
        let before = gpu.family();
        let found = gpu.time_families().unwrap();
        eprintln!("{}: {found:?} by a timing", adapter.description.label());
        assert_eq!(gpu.family(), before, "a timing changes nothing");
        // Three to seven times as fast there; on the others the families lie closer together.
        if adapter.description.known_as == Some("lavapipe") {
            assert_ne!(found, Family::Tiled);
        }
    }
}
