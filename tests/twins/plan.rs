//! One operation, or a few, with their data, run three times: in f64 (the truth), in f32 on the CPU, and on a device.
//!
//! The bound of an element is `constant · u · magnitude`, u = 2⁻²⁴. The magnitude is what the operation gives in f64 for
//! the absolute values of its inputs (Σ|terms|, for sums of products), unless the plan states it (docs/tolerances.md).

use mlet::backend::cpu::{Memory, Real};
use mlet::backend::gpu::{Gpu, GpuError};
use mlet::backend::{Allocate, Floats, Ints, Matrix};
use mlet::kernels::{Operation, program};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// u, half the distance from 1 to the next f32.
const UNIT: f64 = 1.0 / 16_777_216.0;
/// Results below the smallest normal number may be flushed to zero.
const FLUSHED: f64 = 2.0 * f32::MIN_POSITIVE as f64;
/// What outputs hold before they are written.
const POISON: f32 = 7.5;

/// An operation and its data.
pub struct Plan {
    /// For messages.
    pub name: String,
    floats: Vec<Vec<f32>>,
    ints: Vec<Vec<u32>>,
    /// Output matrices that are written whole: a device must write their padding too.
    whole: Vec<Matrix>,
    /// Inputs whose sign in the run that finds the magnitude is minus: a term that is subtracted.
    subtracted: Vec<Floats>,
    /// Stated magnitudes.
    stated: Vec<(Floats, Vec<f64>)>,
    /// Buffers that are not compared.
    scratch: Vec<Floats>,
    /// Buffers that only a device writes, and what it must leave in them to the bit.
    left: Vec<(Floats, Vec<f32>)>,
    constant: f64,
    operations: Vec<Operation>,
    random: ChaCha8Rng,
}

impl Plan {
    pub fn new(name: String) -> Self {
        let seed = name
            .bytes()
            .fold(17u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        Self {
            name,
            floats: Vec::new(),
            ints: Vec::new(),
            whole: Vec::new(),
            subtracted: Vec::new(),
            stated: Vec::new(),
            scratch: Vec::new(),
            left: Vec::new(),
            constant: 0.0,
            operations: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub fn floats(&mut self, values: Vec<f32>) -> Floats {
        self.floats.push(values);
        Floats(self.floats.len() - 1)
    }

    pub fn ints(&mut self, values: Vec<u32>) -> Ints {
        self.ints.push(values);
        Ints(self.ints.len() - 1)
    }

    /// A number between −1 and 1, sometimes zero.
    pub fn number(&mut self) -> f32 {
        if self.random.next_u32().is_multiple_of(16) {
            return 0.0;
        }
        self.random.random_range(-1.0..1.0)
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        self.random.random_range(0..limit)
    }

    /// Random numbers, zeros in the padding.
    pub fn input(&mut self, rows: usize, cols: usize) -> Matrix {
        let values = self.padded(rows, cols, Self::number);
        let buffer = self.floats(values);
        Matrix { buffer, rows, cols }
    }

    /// A matrix that the operation writes, perhaps in part.
    pub fn output(&mut self, rows: usize, cols: usize) -> Matrix {
        let values = self.padded(rows, cols, |_| POISON);
        let buffer = self.floats(values);
        Matrix { buffer, rows, cols }
    }

    /// A matrix that the operation writes whole.
    pub fn whole_output(&mut self, rows: usize, cols: usize) -> Matrix {
        let matrix = self.output(rows, cols);
        self.whole.push(matrix);
        matrix
    }

    pub fn padded(&mut self, rows: usize, cols: usize, mut value: impl FnMut(&mut Self) -> f32) -> Vec<f32> {
        let stride = cols.next_multiple_of(4);
        let cells = (0..rows * stride).map(|at| if at % stride < cols { value(self) } else { 0.0 });
        cells.collect()
    }

    /// Random numbers without padding.
    pub fn numbers(&mut self, len: usize) -> Floats {
        let values = (0..len).map(|_| self.number()).collect();
        self.floats(values)
    }

    pub fn replace(&mut self, buffer: Floats, values: Vec<f32>) {
        assert_eq!(self.floats[buffer.0].len(), values.len());
        self.floats[buffer.0] = values;
    }

    pub fn values(&self, buffer: Floats) -> &[f32] {
        &self.floats[buffer.0]
    }

    pub fn map(&mut self, buffer: Floats, change: impl Fn(f32) -> f32) {
        self.floats[buffer.0]
            .iter_mut()
            .for_each(|value| *value = change(*value));
    }

    /// Rows that nothing may read: what lies there would drown any result.
    pub fn poison_from(&mut self, matrix: Matrix, row: usize) {
        self.floats[matrix.buffer.0][row * matrix.stride()..].fill(1e30);
    }

    /// This input is subtracted.
    pub fn subtract(&mut self, input: Floats) {
        self.subtracted.push(input);
    }

    /// States the magnitude of a buffer's elements.
    pub fn state(&mut self, buffer: Floats, magnitudes: Vec<f64>) {
        self.stated.push((buffer, magnitudes));
    }

    /// What is left in this buffer is nobody's.
    pub fn leave_out(&mut self, buffer: Floats) {
        self.scratch.push(buffer);
    }

    /// Only a device writes this buffer, and leaves these numbers in it.
    pub fn leaves(&mut self, buffer: Floats, values: Vec<f32>) {
        self.scratch.push(buffer);
        self.left.push((buffer, values));
    }

    /// The operation, and the bound's constant. Zero: every bit must agree.
    pub fn runs(self, operation: Operation, constant: f64) -> Self {
        self.runs_all(vec![operation], constant)
    }

    /// Operations one after the other.
    pub fn runs_all(mut self, operations: Vec<Operation>, constant: f64) -> Self {
        self.operations = operations;
        self.constant = constant;
        self
    }

    fn on_cpu<T: Real>(&self, value: impl Fn(Floats, f32) -> f64) -> Vec<Vec<f64>> {
        let mut memory = Memory::<T>::new();
        for (index, values) in self.floats.iter().enumerate() {
            let Ok(handle) = memory.allocate_floats(values.len());
            let numbers = values.iter().map(|&number| T::from_f64(value(Floats(index), number)));
            memory
                .floats_mut(handle)
                .iter_mut()
                .zip(numbers)
                .for_each(|(to, from)| *to = from);
        }
        for values in &self.ints {
            let Ok(handle) = memory.allocate_ints(values.len());
            memory.ints_mut(handle).copy_from_slice(values);
        }
        self.operations.iter().for_each(|operation| operation.cpu(&mut memory));
        let numbers = |index| memory.floats(Floats(index)).iter().map(|number| number.to_f64());
        (0..self.floats.len()).map(|index| numbers(index).collect()).collect()
    }

    /// The buffers as a device leaves them.
    pub fn on_device(&self, gpu: &mut Gpu) -> Result<Vec<Vec<f32>>, GpuError> {
        gpu.free_buffers()?;
        for values in &self.floats {
            let handle = gpu.allocate_floats(values.len())?;
            gpu.write_floats(handle, 0, values)?;
        }
        for values in &self.ints {
            let handle = gpu.allocate_ints(values.len())?;
            gpu.write_ints(handle, 0, values)?;
        }
        for matrix in &self.whole {
            gpu.write_floats(matrix.buffer, 0, &vec![POISON; matrix.padded_len()])?;
        }
        let program = program(gpu, &self.operations)?;
        gpu.enqueue(&[], &program)?;
        let lengths = self.floats.iter().map(Vec::len).enumerate();
        lengths
            .map(|(index, len)| gpu.read_floats(Floats(index), 0..len))
            .collect()
    }

    /// Compares the device and the f32 CPU code with the truth: the device's worst error in units of the
    /// bound, or what is outside it.
    pub fn check(&self, driver: &str, gpu: &mut Gpu) -> Result<f64, String> {
        let truth = self.on_cpu::<f64>(|_, number| number.into());
        let mut magnitude = self.on_cpu::<f64>(|handle, number| {
            let sign = if self.subtracted.contains(&handle) { -1.0 } else { 1.0 };
            sign * f64::from(number.abs())
        });
        for (buffer, stated) in &self.stated {
            magnitude[buffer.0] = stated.clone();
        }
        let cpu = self.on_cpu::<f32>(|_, number| number.into());
        let device = self.on_device(gpu);
        let device = device.map_err(|error| format!("{} on {driver}: {error}", self.name))?;
        for (buffer, values) in &self.left {
            if device[buffer.0] != *values {
                return Err(format!(
                    "{}: {driver} left other numbers in buffer {}",
                    self.name, buffer.0
                ));
            }
        }
        let mut worst = 0.0f64;
        for (buffer, (truth, magnitude)) in truth.iter().zip(&magnitude).enumerate() {
            if self.scratch.contains(&Floats(buffer)) {
                continue;
            }
            for (at, (&truth, &magnitude)) in truth.iter().zip(magnitude).enumerate() {
                let bound = self.constant * (UNIT * magnitude.abs() + FLUSHED);
                for (who, value) in [("CPU f32", cpu[buffer][at]), (driver, f64::from(device[buffer][at]))] {
                    let error = (value - truth).abs();
                    if error > bound || !value.is_finite() {
                        return Err(format!(
                            "{}: buffer {buffer} element {at}: {who} has {value:e}, f64 has {truth:e}, \
                             difference {error:e}, bound {bound:e}",
                            self.name
                        ));
                    }
                    if who == driver && error > 0.0 {
                        worst = worst.max(error / bound);
                    }
                }
            }
        }
        Ok(worst)
    }
}
