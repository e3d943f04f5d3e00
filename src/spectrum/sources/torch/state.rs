//! From nested dictionaries to named tensors; names of opcodes.

use super::pickle::{PickleError, State, Stored, Value};

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 32;
/// Longest name.
const MAX_NAME: usize = 1024;
/// Most values that are looked at: dictionaries may be shared, and a few of them hold each other twice, and so on.
const MAX_VISITS: usize = 1 << 21;
/// Most bytes of names, together.
const MAX_NAMES: usize = 1 << 26;

/// The tensors by their dotted paths; `alone` is the name of one that is no entry of anything.
pub(super) fn tensors(state: &State<'_>, alone: &str) -> Result<Vec<(String, Stored)>, PickleError> {
    let mut walk = Walk {
        state,
        found: Vec::new(),
        visits: 0,
        names: 0,
    };
    match state.root {
        Some(Value::Tensor(at)) => walk.found.push((alone.to_string(), state.tensors[at].clone())),
        Some(root) => walk.value(root, String::new(), 0)?,
        None => {}
    }
    Ok(walk.found)
}

struct Walk<'s, 'a> {
    state: &'s State<'a>,
    found: Vec<(String, Stored)>,
    visits: usize,
    names: usize,
}

impl Walk<'_, '_> {
    fn value(&mut self, value: Value, name: String, depth: usize) -> Result<(), PickleError> {
        self.visits += 1;
        self.names += name.len();
        if depth > MAX_DEPTH || name.len() > MAX_NAME || self.visits > MAX_VISITS || self.names > MAX_NAMES {
            let what = format!("dictionaries nested too deeply or too often at `{:.60}`", name);
            return Err(PickleError { at: 0, what });
        }
        let state = self.state;
        let below = |key: &str| {
            if name.is_empty() {
                key.to_string()
            } else {
                format!("{name}.{key}")
            }
        };
        match value {
            Value::Tensor(at) => self.found.push((name, state.tensors[at].clone())),
            Value::Dict(at) => {
                for &(key, value) in &state.dicts[at] {
                    let name = match key {
                        Value::Text(at) if state.texts[at].len() <= MAX_NAME => below(state.texts[at]),
                        Value::Int(number) => below(&number.to_string()),
                        _ => below("?"),
                    };
                    self.value(value, name, depth + 1)?;
                }
            }
            Value::List(at) => {
                for (number, &value) in state.lists[at].iter().enumerate() {
                    self.value(value, below(&number.to_string()), depth + 1)?;
                }
            }
            Value::Tuple(at) => {
                for (number, &value) in state.tuples[at].iter().enumerate() {
                    self.value(value, below(&number.to_string()), depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The name of an opcode, as Python's `pickletools` has it.
pub(super) fn opcode(byte: u8) -> String {
    let name = match byte {
        b'I' => "INT",
        b'L' => "LONG",
        b'S' => "STRING",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'B' => "BINBYTES",
        b'C' => "SHORT_BINBYTES",
        b'V' => "UNICODE",
        b'F' => "FLOAT",
        b'l' => "LIST",
        b'd' => "DICT",
        b'p' => "PUT",
        b'g' => "GET",
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'i' => "INST",
        b'o' => "OBJ",
        b'P' => "PERSID",
        0x81 => "NEWOBJ",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8b => "LONG4",
        0x8c => "SHORT_BINUNICODE",
        0x8d => "BINUNICODE8",
        0x8e => "BINBYTES8",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x92 => "NEWOBJ_EX",
        0x93 => "STACK_GLOBAL",
        0x94 => "MEMOIZE",
        0x95 => "FRAME",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        other => return format!("0x{other:02x}"),
    };
    format!("{name} (0x{byte:02x})")
}

#[cfg(test)]
mod tests {
    use super::super::pickle::read;
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        let read = read(bytes).and_then(|state| tensors(&state, "alone"));
        read.unwrap_err().to_string()
    }

    #[test]
    fn what_would_run_something_is_refused_by_name() {
        // os.system("true")
        let error = refused(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.");
        assert!(error.starts_with("byte 2: `os.system`"), "{error}");
        let error = refused(b"\x80\x02(i__main__\nx\n.");
        assert!(error.starts_with("byte 3: INST (0x69)"), "{error}");
        let error = refused(b"\x80\x04\x95\x00");
        assert!(error.starts_with("byte 0: pickle protocol 4"), "{error}");
        assert!(refused(b"\x80\x02}\x93.").contains("STACK_GLOBAL"));
        // A known global called with what torch.save never passes.
        assert!(refused(b"\x80\x02ccollections\nOrderedDict\n]\x85R.").contains("other arguments"));
        // A dictionary's attributes cannot become anything else's.
        assert!(refused(b"\x80\x02ccollections\nOrderedDict\n}b.").contains("attributes"));
    }

    #[test]
    fn broken_stacks_are_errors() {
        for bytes in [
            &b""[..],
            b"\x80",
            b".",
            b"t.",
            b"}K\x01s.",
            b"(a",
            b"(\x86",
            b"h\x00",
            b"Q",
            b"X\xff\xff\xff\xffab",
            b"\x8a\xff",
        ] {
            refused(bytes);
        }
    }

    /// Lists in lists, each twice in the next, forty times: 2⁴⁰ places for what 160 bytes say. And one in itself.
    #[test]
    fn sharing_and_cycles_end() {
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for i in 1..=40u8 {
            bytes.extend([b']', b'q', i, b'(', b'h', i - 1, b'h', i - 1, b'e']);
        }
        bytes.push(b'.');
        assert!(refused(&bytes).contains("nested"));
        assert!(refused(b"\x80\x02]q\x00h\x00a.").contains("nested"));
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut bytes = b"\x80\x02)".to_vec();
        bytes.extend(std::iter::repeat_n(0x85, 1 << 20));
        bytes.push(b'.');
        assert!(refused(&bytes).contains("nested"));
    }
}
