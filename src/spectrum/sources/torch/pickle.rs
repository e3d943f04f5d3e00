//! Pickles as `torch.save` writes them for state dictionaries, and nothing else.
//!
//! A pickle is a program for a stack machine (Python's `pickletools` has all of it) that may call any function. This reader knows
//! the opcodes of protocol 2 that state dictionaries need, builds dictionaries, lists, tuples and scalars of its own, and knows
//! what four functions would return without calling anything: `collections.OrderedDict()`, `torch._utils._rebuild_tensor_v2`,
//! `torch._utils._rebuild_parameter`, and the persistent identifiers of `torch.<Type>Storage`. Any other opcode or global is an
//! error that names it and its byte. Values are numbers of slots in flat lists, so that neither depth nor sharing costs anything.

use std::collections::HashMap;

use crate::spectrum::table::Float;

/// What a storage holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Float(Float),
    /// The name of another type.
    Other(&'static str),
}

/// A tensor: a view of a storage, with strides in numbers, not bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub scalar: Scalar,
    pub key: String,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub stride: Vec<usize>,
}

/// A value; the numbers are places in the lists of [`State`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// None, a float, or an integer beyond 64 bits: nothing that is looked at.
    Plain,
    Bool,
    Int(i64),
    Text(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
    Tuple(usize),
    List(usize),
    Dict(usize),
}

/// The globals that are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Scalar),
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(super) struct State<'a> {
    pub root: Option<Value>,
    pub texts: Vec<&'a str>,
    pub tuples: Vec<Vec<Value>>,
    pub lists: Vec<Vec<Value>>,
    pub dicts: Vec<Vec<(Value, Value)>>,
    pub tensors: Vec<Stored>,
    storages: Vec<(Scalar, usize)>,
}

/// What cannot be read, and where.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("byte {at}: {what}")]
pub(super) struct PickleError {
    pub at: usize,
    pub what: String,
}

/// Reads a pickle.
pub(super) fn read(bytes: &[u8]) -> Result<State<'_>, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        opcode_at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        state: State::default(),
    };
    while machine.step()? {}
    Ok(machine.state)
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    opcode_at: usize,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    state: State<'a>,
}

type Step<T> = Result<T, PickleError>;

impl<'a> Machine<'a> {
    /// One opcode; `false` after the last.
    fn step(&mut self) -> Step<bool> {
        self.opcode_at = self.at;
        let [opcode] = self.take()?;
        match opcode {
            0x80 => self.protocol()?,
            b'.' => {
                self.state.root = Some(self.pop()?);
                return Ok(false);
            }
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.stack.push(Value::Plain),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            b'G' => {
                self.take::<8>()?;
                self.stack.push(Value::Plain);
            }
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'K' => {
                let [value] = self.take()?;
                self.stack.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            0x8a => self.long()?,
            b'X' => self.text()?,
            b'c' => self.global()?,
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b')' => self.tuple(0)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let count = self.since_mark()?;
                self.tuple(count)?;
            }
            b']' => {
                self.state.lists.push(Vec::new());
                self.stack.push(Value::List(self.state.lists.len() - 1));
            }
            b'}' => self.dict(),
            b'a' => self.append(1)?,
            b'e' => {
                let count = self.since_mark()?;
                self.append(count)?;
            }
            b's' => self.set(2)?,
            b'u' => {
                let count = self.since_mark()?;
                self.set(count)?;
            }
            b'q' => {
                let [place] = self.take()?;
                self.remember(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.take()?);
                self.remember(place)?;
            }
            b'h' => {
                let [place] = self.take()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.take()?);
                self.recall(place)?;
            }
            other => {
                return self.error(format!(
                    "{} is no opcode that a state dictionary needs",
                    super::state::opcode(other)
                ));
            }
        }
        Ok(true)
    }

    fn error<T>(&self, what: impl Into<String>) -> Step<T> {
        Err(PickleError {
            at: self.opcode_at,
            what: what.into(),
        })
    }

    fn slice(&mut self, length: usize) -> Step<&'a [u8]> {
        let found = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let Some(found) = found else {
            return self.error("the pickle ends here");
        };
        self.at += length;
        Ok(found)
    }

    fn take<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.slice(N)?);
        Ok(taken)
    }

    fn pop(&mut self) -> Step<Value> {
        // What lies below a mark belongs to somebody else.
        if self.stack.len() > self.marks.last().copied().unwrap_or(0)
            && let Some(value) = self.stack.pop()
        {
            return Ok(value);
        }
        self.error("nothing on the stack")
    }

    /// Takes the last mark away; how many values lie above it.
    fn since_mark(&mut self) -> Step<usize> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.len() - height),
            None => self.error("no mark on the stack"),
        }
    }

    /// The last `count` values, in their order.
    fn pop_many(&mut self, count: usize) -> Step<Vec<Value>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => self.error("too little on the stack"),
        }
    }

    fn protocol(&mut self) -> Step<()> {
        match self.take()? {
            [2] => Ok(()),
            [other] => self.error(format!(
                "pickle protocol {other}; torch.save writes 2 unless told otherwise"
            )),
        }
    }

    /// An integer of so many bytes, little-endian, two's complement.
    fn long(&mut self) -> Step<()> {
        let [length] = self.take()?;
        let bytes = self.slice(length.into())?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        self.stack.push(match whole.get_mut(..bytes.len()) {
            Some(part) => {
                part.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
            None => Value::Plain,
        });
        Ok(())
    }

    fn text(&mut self) -> Step<()> {
        let length = u32::from_le_bytes(self.take()?);
        let bytes = self.slice(length as usize)?;
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.error("a text that is not UTF-8");
        };
        self.state.texts.push(text);
        self.stack.push(Value::Text(self.state.texts.len() - 1));
        Ok(())
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().take(1024).position(|&b| b == b'\n') else {
            return self.error("a name without an end");
        };
        let line = self.slice(length)?;
        self.at += 1;
        match std::str::from_utf8(line) {
            Ok(line) => Ok(line),
            Err(_) => self.error("a name that is not text"),
        }
    }

    fn global(&mut self) -> Step<()> {
        let (module, name) = (self.line()?, self.line()?);
        let known = match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", name) => name.strip_suffix("Storage").and_then(scalar).map(Global::Storage),
            _ => None,
        };
        match known {
            Some(global) => {
                self.stack.push(Value::Global(global));
                Ok(())
            }
            None => self.error(format!(
                "`{module}.{name}` is asked for, which no state dictionary needs and nothing here will run: \
                 save the state dictionary alone, torch.save(model.state_dict(), FILE)"
            )),
        }
    }

    /// `('storage', torch.<Type>Storage, key, location, numel)`.
    fn storage(&mut self) -> Step<()> {
        let identifier = self.pop()?;
        let parts = match identifier {
            Value::Tuple(at) => self.state.tuples[at].as_slice(),
            _ => &[],
        };
        let &[
            Value::Text(kind),
            Value::Global(Global::Storage(scalar)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(_),
        ] = parts
        else {
            return self.error("a persistent identifier that is not a storage's");
        };
        if self.state.texts[kind] != "storage" {
            return self.error("a persistent identifier that is not a storage's");
        }
        self.state.storages.push((scalar, key));
        self.stack.push(Value::Storage(self.state.storages.len() - 1));
        Ok(())
    }

    fn reduce(&mut self) -> Step<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Tuple(at) = arguments else {
            return self.error("arguments that are no tuple");
        };
        let arguments = self.state.tuples[at].as_slice();
        match (function, arguments) {
            (Value::Global(Global::OrderedDict), []) => self.dict(),
            (Value::Global(Global::RebuildParameter), &[Value::Tensor(tensor), _, _]) => {
                self.stack.push(Value::Tensor(tensor));
            }
            (
                Value::Global(Global::RebuildTensor),
                &[
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(stride),
                    _,
                    _,
                    ..,
                ],
            ) if arguments.len() <= 7 => {
                let (scalar, key) = self.state.storages[storage];
                let sizes = |tuple: usize| -> Option<Vec<usize>> {
                    let sizes = self.state.tuples[tuple].iter();
                    sizes
                        .map(|size| {
                            if let Value::Int(size) = size {
                                (*size).try_into().ok()
                            } else {
                                None
                            }
                        })
                        .collect()
                };
                let (Ok(offset), Some(shape), Some(stride)) = (usize::try_from(offset), sizes(shape), sizes(stride))
                else {
                    return self.error("a tensor with sizes that are none");
                };
                // Nobody has tensors of so many dimensions, and every copy of a shape costs memory.
                if shape.len() != stride.len() || shape.len() > 64 {
                    return self.error("a tensor with sizes that are none");
                }
                let key = self.state.texts[key];
                if key.len() > 64 {
                    return self.error("a storage with a name of more than 64 bytes");
                }
                self.state.tensors.push(Stored {
                    scalar,
                    key: key.into(),
                    offset,
                    shape,
                    stride,
                });
                self.stack.push(Value::Tensor(self.state.tensors.len() - 1));
            }
            _ => return self.error("a call with other arguments than torch.save writes"),
        }
        Ok(())
    }

    /// `_metadata` of a module's state dictionary, which is left unread.
    fn build(&mut self) -> Step<()> {
        let (state, object) = (self.pop()?, self.pop()?);
        match (object, state) {
            (Value::Dict(_), Value::Dict(_)) => {
                self.stack.push(object);
                Ok(())
            }
            _ => self.error("attributes for what is no dictionary"),
        }
    }

    fn dict(&mut self) {
        self.state.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.state.dicts.len() - 1));
    }

    fn tuple(&mut self, count: usize) -> Step<()> {
        let values = self.pop_many(count)?;
        self.state.tuples.push(values);
        self.stack.push(Value::Tuple(self.state.tuples.len() - 1));
        Ok(())
    }

    fn append(&mut self, count: usize) -> Step<()> {
        let values = self.pop_many(count)?;
        match self.stack.last() {
            Some(&Value::List(at)) => self.state.lists[at].extend(values),
            _ => return self.error("values for what is no list"),
        }
        Ok(())
    }

    fn set(&mut self, count: usize) -> Step<()> {
        let values = self.pop_many(count)?;
        let (pairs, []) = values.as_chunks::<2>() else {
            return self.error("a key without a value");
        };
        match self.stack.last() {
            Some(&Value::Dict(at)) => self.state.dicts[at].extend(pairs.iter().map(|&[key, value]| (key, value))),
            _ => return self.error("entries for what is no dictionary"),
        }
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Step<()> {
        let Some(&value) = self.stack.last() else {
            return self.error("nothing on the stack");
        };
        self.memo.insert(place, value);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Step<()> {
        match self.memo.get(&place) {
            Some(&value) => {
                self.stack.push(value);
                Ok(())
            }
            None => self.error(format!("nothing was stored at {place}")),
        }
    }
}

/// The type that `torch.<name>Storage` holds.
fn scalar(name: &str) -> Option<Scalar> {
    Some(match name {
        "Double" => Scalar::Float(Float::F64),
        "Float" => Scalar::Float(Float::F32),
        "Half" => Scalar::Float(Float::F16),
        "BFloat16" => Scalar::Float(Float::Bf16),
        "Long" => Scalar::Other("int64"),
        "Int" => Scalar::Other("int32"),
        "Short" => Scalar::Other("int16"),
        "Char" => Scalar::Other("int8"),
        "Byte" => Scalar::Other("uint8"),
        "Bool" => Scalar::Other("bool"),
        "ComplexFloat" => Scalar::Other("complex64"),
        "ComplexDouble" => Scalar::Other("complex128"),
        _ => return None,
    })
}
